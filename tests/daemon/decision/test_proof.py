"""The commissioning report: what normal sound proves about a budget."""

import numpy as np
import pytest
from scipy.stats import chi2

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.proof import WEEK_H, Proof, commission, cross_judge, least_events, most_events, resample, show_delay
from aegan_monitor.detection.record import NormalBlocks
from aegan_monitor.types import ClipScore
from story import HOP_S, HOP_SAMPLES, open_demo

DAY_BLOCKS = round(86_400 / 9.728)


def make_policy(stretches: list[list[float]], per_week: float = 1.0) -> BudgetPolicy:
    """The policy of the demo's machine with this normal sound."""
    record = open_demo().record
    return BudgetPolicy(record, record.score, NormalBlocks(n_clips=1, stretches=stretches), "recorded", Budget(per_week))


@pytest.mark.parametrize("n", [0, 1, 5, 40])
def test_the_limits_of_events_are_those_of_garwood(n: int) -> None:
    """Both limits of a Poisson mean agree with the chi-squared distribution."""
    assert most_events(n) == pytest.approx(chi2.ppf(0.95, 2 * n + 2) / 2, rel=1e-9)
    assert least_events(n) == pytest.approx(chi2.ppf(0.05, 2 * n) / 2 if n else 0.0, rel=1e-9)


def test_a_clean_day_proves_21_a_week() -> None:
    """24 hours without an alarm, one a week wanted: 21 a week are proved, and three weeks prove one."""
    scores = np.random.default_rng(1).normal(size=(24, DAY_BLOCKS // 24)).tolist()
    found = commission(make_policy(scores))
    assert found.hours == pytest.approx(24, rel=0.01)
    assert found.proved_per_week == pytest.approx(21, rel=0.02)
    assert found.hours_needed == pytest.approx(504, rel=0.01)
    assert found.resampled_per_week is not None
    assert found.resampled_per_week <= 1
    assert any("proved at most 21" in line for line in found.describe())
    assert any("after 503 h" in line and "479 h more" in line for line in found.describe())


def test_an_alarm_in_the_normal_sound_proves_less() -> None:
    """Half an hour of other sound among the normal sound alarms there, and the proof counts it."""
    scores = np.random.default_rng(1).normal(size=(24, 300))
    scores[7, 50:250] += 6
    clean, spoilt = (commission(make_policy(each.tolist())) for each in (np.delete(scores, 7, axis=0), scores))
    assert spoilt.proved_per_week > 1.4 * clean.proved_per_week


def test_little_sound_says_that_it_proves_little() -> None:
    """Eight clips give a report: nothing is resampled, an alarm takes long, and hundreds a week are possible."""
    found = commission(make_policy([[1.0, 1.5], [0.5, 2.0, 1.0], [0.1, 0.2, 0.4]]))
    assert found.resampled_per_week is None
    assert found.proved_per_week > 10_000
    assert found.weak_delay_s is not None
    assert found.weak_delay_s > 600
    assert any("unknown" in line for line in found.describe())
    assert found.describe()[0].startswith("normal sound to judge by: 1 min in 3 stretches")  # 0.0 h would be no amount


def test_more_normal_sound_finds_a_change_sooner() -> None:
    """The delay of a change just over all normal sound falls with the amount of normal sound."""
    rng = np.random.default_rng(4)
    delays = [commission(make_policy([rng.normal(size=n).tolist()])).strong_delay_s for n in (60, 300, 1500)]
    assert delays[0] is not None
    assert delays[1] is not None
    assert delays[2] is not None
    assert delays[0] > delays[1] > delays[2]
    assert 30 < delays[2] < 60


def test_the_proof_grows_with_what_the_daemon_hears() -> None:
    """Hours without an alarm count as those of the calibration do, an alarm as a false one, and its own time not at all."""
    assert Proof(24.0, 1).most_per_week(72.0, 2) == pytest.approx(most_events(3) / 96 * WEEK_H)
    blocks = NormalBlocks(n_clips=1, stretches=np.random.default_rng(1).normal(size=(24, DAY_BLOCKS // 24)).tolist())
    record = open_demo().record
    known = record.calibration["recorded"].model_copy(update={"blocks": blocks})
    judge = Judge(record.model_copy(update={"calibration": {"recorded": known}}), record.score, AlarmConfig(), Budget(1.0))
    assert judge.proof is not None
    assert judge.proved_per_week == judge.proof.most_per_week()
    for place, score in enumerate([-1.0] * 500 + [60.0] * 100):
        judge.judge(ClipScore(place * HOP_SAMPLES, {record.score: score}, 0.0))
        if judge.record.process == "alarm":
            break
    assert judge.proved_per_week == pytest.approx(judge.proof.most_per_week((place + 1) * HOP_S / 3600, 1))
    proved = judge.proved_per_week
    judge.judge(ClipScore((place + 1) * HOP_SAMPLES, {record.score: 60.0}, 0.0))
    assert judge.proved_per_week == proved


def test_what_follows_itself_alarms_more_often() -> None:
    """Blocks are resampled in runs: unusual ones that come together alarm, as many that are spread do not."""
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(40, 200))
    scores[:, 100:106] += 2.5
    together, spread = (
        resample(make_policy(each.tolist(), 20.0)) for each in (scores, rng.permutation(scores.ravel()).reshape(scores.shape))
    )
    assert together is not None
    assert spread is not None
    assert together > 5 * spread > 0


def test_alike_blocks_are_judged_as_fewer() -> None:
    """Where blocks of one recording are alike, each fold is worth its share of the independent ones."""
    scores = np.random.default_rng(4).normal(size=(20, 30)).tolist()
    blocks = NormalBlocks(n_clips=1, stretches=scores, alike=0.5, per_recording=30.0)
    policy = BudgetPolicy(open_demo().record, open_demo().record.score, blocks, "recorded", Budget(1.0))
    least = [min(float(part.min()) for part in cross_judge(each)) for each in (policy, make_policy(scores))]
    assert policy.n_effective < 50
    assert least[0] > 5 * least[1]


@pytest.mark.parametrize(("delay_s", "words"), [(None, "never"), (119.0, "119 s"), (600.0, "10 min")])
def test_a_delay_in_words(delay_s: float | None, words: str) -> None:
    """None is a delay without end."""
    assert show_delay(delay_s) == words
