"""The vectorised twin decides as the policy does; and what both promise."""

import numpy as np
import pytest
from scipy.stats import poisson

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.decision.budget import Budget
from aegan_monitor.detection.record import BundleFields, NormalBlocks
from aegan_monitor.types import ClipScore
from budget_twin import DECISIONS_PER_CLIP, Twin
from chaos import SCALE
from normal_scores import autoregress, count_false_alarms, count_of_recordings, run, vary_recordings
from story import open_demo

HOP_SAMPLES = 16_384
N_DECISIONS = 400


def make_fields(blocks: list[float], n_clips: int, alike: float = 0.0, per_recording: float = 1.0) -> BundleFields:
    """The record of the demo's bundle with these normal blocks."""
    record = open_demo().record
    known = NormalBlocks(n_clips=n_clips, stretches=[[score] for score in blocks], alike=alike, per_recording=per_recording)
    calibration = {place: each.model_copy(update={"blocks": known}) for place, each in record.calibration.items()}
    return record.model_copy(update={"calibration": calibration})


def listen(fields: BundleFields, scores: list[float], budget: Budget) -> list[bool]:
    """Whether the alarm is active after each decision."""
    judge, found = Judge(fields, fields.score, AlarmConfig(), budget), []
    for place, score in enumerate(scores):
        judge.judge(ClipScore((place + DECISIONS_PER_CLIP) * HOP_SAMPLES, {fields.score: score}, 0.0))
        found.append(judge.record.process in ("alarm", "clearing"))
    return found


@pytest.mark.parametrize(
    ("n_blocks", "n_clips", "alike", "per_recording", "per_week"),
    [(12, 1, 0, 1, 200), (80, 1, 0, 1, 200), (80, 2, 0.02, 6, 200), (300, 1, 0.1, 6, 200), (300, 1, 0, 1, 7 / 30)],
)
def test_the_twin_is_equal_to_the_policy(n_blocks: int, n_clips: int, alike: float, per_recording: float, per_week: float) -> None:
    """In each history with changes of all sizes the same alarms begin and end at the same decisions; 1,000 histories in the full run."""
    rng = np.random.default_rng(n_blocks + n_clips)
    n, budget = round(250 * SCALE), Budget(per_week)
    blocks = rng.normal(size=(n, n_blocks))
    steps = rng.normal(size=(N_DECISIONS, n))
    shifts = rng.exponential(1.5, size=(N_DECISIONS // 40, n)) * (rng.random((N_DECISIONS // 40, n)) < 0.3)
    scores = steps + np.repeat(shifts, 40, axis=0)
    twin, active = Twin(blocks, n_clips, budget, alike, per_recording), []
    for row in scores:
        twin.decide(row)
        active.append(twin.active.copy())
    found = np.array(active).T
    fields = [make_fields(row.tolist(), n_clips, alike, per_recording) for row in blocks]
    policies = [listen(fields[i], scores[:, i].tolist(), budget) for i in range(n)]
    assert found.any(axis=1).sum() > n / 5
    assert found.tolist() == policies


@pytest.mark.parametrize(("rho", "n_calibrated"), [(0.0, 100), (0.8, 300), (0.95, 300)])
def test_the_budget_is_kept(rho: float, n_calibrated: int) -> None:
    """Machines that stay normal, whatever the correlation of their scores, raise fewer false alarms than they may."""
    n_machines, n_budgets = 100, 3.0
    sound = autoregress(np.random.default_rng(round(100 * rho)), rho, n_machines)
    found, _ = count_false_alarms(sound, n_calibrated, Budget(per_week=70.0), n_budgets)
    assert found.sum() < n_machines * n_budgets
    assert np.mean(found > poisson.ppf(0.95, n_budgets)) < 0.15


@pytest.mark.parametrize(("alike", "n_clips", "n_recordings"), [(0.6, 6, 50), (0.1, 60, 24)])
def test_the_budget_is_kept_where_recordings_differ(alike: float, n_clips: int, n_recordings: int) -> None:
    """With recordings that differ the budget is kept; a detector that takes their clips for independent ones breaks it."""
    n_machines, n_budgets, budget = 100, 3.0, Budget(per_week=70.0)
    sound = vary_recordings(np.random.default_rng(0), alike, n_clips, n_machines)
    calibration = np.array([next(sound) for _ in range(n_recordings * n_clips * DECISIONS_PER_CLIP)])[::DECISIONS_PER_CLIP]
    calibration = calibration.T.reshape(n_machines, n_recordings, n_clips)
    found, likeness = count_of_recordings(calibration, sound, budget, n_budgets)
    assert alike < np.median(likeness) < alike + 0.1
    assert found.sum() < n_machines * n_budgets
    assert np.mean(found > poisson.ppf(0.95, n_budgets)) < 0.15
    naive = Twin(calibration.reshape(n_machines, -1), 1, budget)
    assert run([(np.arange(n_machines), naive)], sound, budget, n_budgets).sum() > 1.2 * n_machines * n_budgets


def test_a_detector_that_ignores_correlation_breaks_the_budget() -> None:
    """The same machines with blocks of a single decision raise several times as many false alarms as with blocks of clips."""
    sound = autoregress(np.random.default_rng(1), 0.95, 100)
    blocks = np.array([next(sound) for _ in range(300)]).T
    naive, n_alarms = Twin(blocks, 1, Budget(per_week=70.0)), 0.0
    for _ in range(25_000):
        naive.decide(next(sound))
        n_alarms += naive.raised.sum()
    assert n_alarms > 3 * 100
