"""The commissioning report: what normal sound proves about a budget."""

import numpy as np
import pytest
from scipy.stats import chi2

from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.proof import commission, least_events, most_events
from aegan_monitor.detection.record import NormalBlocks
from story import open_demo

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
