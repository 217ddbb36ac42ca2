"""The policy of a budget: what raises an alarm at once, what waits for evidence, and what does not count."""

import numpy as np
import pytest

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.sound.states import OperatingState
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.detection.record import BundleFields, NormalBlocks
from aegan_monitor.detection.spaces import find_lasting_share
from aegan_monitor.types import ClipScore, DoubleArray
from story import open_demo

HOP = 16_384
NORMAL = np.random.default_rng(7).normal(size=300)


def make_fields(n_clips: int = 1) -> BundleFields:
    """The demo's record with normal blocks."""
    record = open_demo().record
    blocks = NormalBlocks(n_clips=n_clips, stretches=[NORMAL.tolist()])
    known = record.calibration["recorded"].model_copy(update={"blocks": blocks})
    return record.model_copy(update={"calibration": {"recorded": known}})


class Listener:
    """A machine that hears clips with these scores."""

    def __init__(self, per_week: float = 1.0, n_clips: int = 1) -> None:
        fields = make_fields(n_clips)
        self.judge, self.score, self.end = Judge(fields, fields.score, AlarmConfig(), Budget(per_week)), fields.score, 10 * HOP

    def hear(self, *scores: float, excess: DoubleArray | None = None) -> list[str]:
        """The events of decisions with these scores, one hop apart, with this excess of the pieces of each clip."""
        found: list[str] = []
        for score in scores:
            lasting = None if excess is None else find_lasting_share(excess)
            outcome = self.judge.judge(ClipScore(self.end, {self.score: score}, 0.0, lasting, excess=excess))
            self.decision = outcome.decision
            found += [each.event for each in outcome.transitions if each.event]
            self.end += HOP
        return found

    def gap(self) -> None:
        """Lose an hour."""
        self.end += 3600 * 16_000

    @property
    def policy(self) -> BudgetPolicy:
        """Its policy."""
        assert isinstance(self.judge.policy, BudgetPolicy)
        return self.judge.policy


def test_a_gross_change_alarms_within_thirty_seconds() -> None:
    """Three clips in a row beyond normal sound are enough, by the budget of one a month too, where evidence takes longer."""
    listener = Listener(per_week=7 / 30)
    assert listener.hear(*NORMAL[:50]) == []
    usual = listener.policy._fields.normalisation[listener.score]
    assert listener.decision.normalised == pytest.approx((NORMAL[49] - usual.mean) / usual.std)
    score = listener.policy.gross_score + 0.01
    n = next(n for n in range(60) if listener.hear(score))
    assert n * 1.024 < 25
    n_blocks = listener.policy.count_blocks(listener.policy.normal.p_value(score))
    assert n_blocks is not None
    assert 2 * n * 1.024 < n_blocks * listener.policy.block_s


def test_what_is_over_is_no_gross_change() -> None:
    """Twenty seconds of a loud sound are in three clips without common sound, but the end of the last one is normal: no alarm."""
    listener, pieces = Listener(), 0.1 * np.abs(np.random.default_rng(1).normal(size=152))
    listener.hear(*NORMAL[:40])
    ended = np.where(np.arange(152) < 120, 9.0, pieces)
    assert listener.hear(*[60.0] * 20, excess=np.full(152, 9.0)) == []
    assert listener.hear(*[60.0] * 9, excess=ended) == []
    assert listener.hear(*NORMAL[:200], excess=pieces) == []
    other = Listener()
    other.hear(*NORMAL[:40])
    assert other.hear(*[60.0] * 29, excess=np.full(152, 9.0)) == ["raised"]


def test_a_weak_change_waits_for_evidence() -> None:
    """Scores at the upper end of normal sound alarm after blocks, as many as the report says."""
    listener = Listener()
    score = float(np.quantile(NORMAL, 0.98))
    n_blocks = listener.policy.count_blocks(listener.policy.normal.p_value(score))
    n = next(n for n in range(2000) if listener.hear(score))
    assert n_blocks is not None
    assert 8 < n_blocks < 40
    assert abs(n / 10 - n_blocks) <= 1


def test_a_transient_is_one_unusual_block() -> None:
    """A bang far beyond normal sound, in the clips of ten decisions, raises nothing; one in each of many clips does."""
    listener = Listener()
    listener.hear(*NORMAL[:40])
    assert listener.hear(*[50.0] * 10) == []
    assert listener.hear(*NORMAL[:200]) == []
    assert "raised" in listener.hear(*[50.0] * 200)


def test_evidence_stands_still_in_a_gap() -> None:
    """Gaps between the blocks of a change neither raise nor delay the alarm, counted in heard blocks."""
    score = float(np.quantile(NORMAL, 0.995))
    steady, broken = Listener(), Listener()
    n_steady = next(n for n in range(2000) if steady.hear(score))
    n_broken, events = 0, list[str]()
    while not events:
        n_broken += 1
        broken.gap()
        events = broken.hear(score)
    assert n_broken == pytest.approx(n_steady / 10, abs=1)
    assert broken.policy.memory[4:] == pytest.approx(steady.policy.memory[4:])


def test_a_decision_that_was_withheld_is_no_gap() -> None:
    """Where every second decision is missing, blocks are as long as with all of them."""
    score = float(np.quantile(NORMAL, 0.995))
    whole, half = Listener(), Listener()
    whole.hear(*[score] * 41)
    for _ in range(21):
        half.hear(score)
        half.end += HOP
    assert half.policy.memory[4:] == pytest.approx(whole.policy.memory[4:])


def test_in_grace_time_no_evidence_is_gathered() -> None:
    """Blocks in the grace time of a start do not count; a gross change alarms in it."""
    listener, state = Listener(), OperatingState("starting", "starting", 0, in_grace=True)
    listener.hear(*NORMAL[:40])
    before = listener.policy.memory[4:]
    score = float(np.quantile(NORMAL, 0.995))
    for n in range(100):
        listener.judge.judge(ClipScore(listener.end + n * HOP, {listener.score: score}, 0.0), state=state)
    assert listener.policy.memory[4:] == before
    for n in range(100, 130):
        listener.judge.judge(ClipScore(listener.end + n * HOP, {listener.score: 50.0}, 0.0), state=state)
    assert listener.judge.record.process == "alarm"


def test_a_lasting_fault_is_one_alarm() -> None:
    """Ten minutes of a fault whose single scores often dip into normal sound raise one alarm, which ends after it."""
    rng, listener = np.random.default_rng(3), Listener()
    listener.hear(*NORMAL)
    events = listener.hear(*rng.normal(3.0, 1.0, 600))
    assert events == ["raised"]
    assert listener.hear(*rng.normal(0.0, 1.0, 400)) == ["cleared"]


def test_a_gross_change_holds_an_alarm_at_once() -> None:
    """What is left of an active alarm's evidence after normal sound is full again, long before the block ends in which the change is."""
    listener = Listener(n_clips=16)
    listener.hear(*[60.0] * 40)
    listener.hear(*[-1.0] * 500)
    assert listener.judge.record.process == "alarm"
    assert 0 < (listener.decision.evidence or 0) < 1
    listener.hear(*[60.0] * 29)
    assert listener.decision.evidence == 1


def test_the_memory_continues_where_it_was() -> None:
    """A policy with the memory of another goes on as that one would have."""
    one, other = Listener(), Listener()
    scores = np.random.default_rng(5).normal(1.0, 1.0, 300)
    one.hear(*scores[:150])
    other.judge.record, other.end = one.judge.record, one.end
    other.hear(*scores[150:170])
    one.hear(*scores[150:170])
    assert other.policy.memory[4:] == pytest.approx(one.policy.memory[4:])
    assert other.judge.record.process == one.judge.record.process


def test_another_budget_keeps_the_evidence() -> None:
    """Evidence that was too little for one budget is enough for a larger one."""
    listener = Listener(per_week=0.1)
    score = float(np.quantile(NORMAL, 0.99))
    assert listener.hear(*[score] * 60) == []
    before = listener.policy.memory
    listener.policy.budget = Budget(per_week=2000.0)
    assert listener.policy.memory == before
    assert listener.hear(*[score] * 10) == ["raised"]


def test_blocks_of_several_clips_wait_for_each_other() -> None:
    """With blocks of four clips evidence grows every fourth clip; three clips in a row raise nothing by themselves."""
    listener = Listener(n_clips=4)
    score = float(NORMAL.max()) + 0.01
    listener.hear(*NORMAL[:80])
    listener.hear(*[score] * 35)
    assert listener.judge.record.process in ("normal", "pending")


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (AlarmConfig(), BudgetPolicy),
        (AlarmConfig(policy="threshold"), ThresholdPolicy),
        (AlarmConfig(quantile=0.9), ThresholdPolicy),
        (AlarmConfig(margin=2.0), ThresholdPolicy),
        (AlarmConfig(policy="budget", margin=2.0), BudgetPolicy),
    ],
)
def test_a_configuration_with_a_threshold_keeps_it(settings: AlarmConfig, kind: type) -> None:
    """A quantile or a margin keeps the policy of thresholds; otherwise a bundle with blocks has a budget, and one without has none."""
    fields = make_fields()
    assert isinstance(Judge(fields, fields.score, settings).policy, kind)
    older = fields.model_copy(update={"calibration": {"recorded": fields.calibration["recorded"].model_copy(update={"blocks": None})}})
    assert isinstance(Judge(older, older.score, settings).policy, ThresholdPolicy)


def test_the_score_that_alarms_in_time() -> None:
    """A lasting change at `score_within` alarms within that time, one under it does not."""
    policy = Listener().policy
    for delay_s in (60.0, 120.0, 600.0):
        score = policy.score_within(delay_s)
        at, under = (policy.count_blocks(policy.normal.p_value(each)) for each in (score + 1e-6, score - 0.3))
        assert at is not None
        assert at * policy.block_s <= delay_s
        assert under is None or under * policy.block_s > delay_s


@pytest.mark.parametrize(("per_week", "n_blocks", "n_clips"), [(0.01, 38, 1), (1.0, 20, 1), (1.0, 300, 16)])
def test_evidence_that_is_too_slow_leaves_the_gross_change(per_week: float, n_blocks: int, n_clips: int) -> None:
    """Where no score brings enough evidence in two minutes, for few or long blocks, only a gross change alarms so soon."""
    fields = make_fields()
    blocks = NormalBlocks(n_clips=n_clips, stretches=[NORMAL[:n_blocks].tolist()])
    policy = BudgetPolicy(fields, fields.score, blocks, "recorded", Budget(per_week))
    needed = policy.count_blocks(policy.normal.p_value(policy.normal.largest + 1))
    assert needed is None or needed * policy.block_s > 120
    assert policy.score_within(120.0) == policy.gross_score > policy.normal.largest


@pytest.mark.parametrize("per_week", [1e-100, 1e-30, 1e6])
def test_any_budget_makes_a_policy(per_week: float) -> None:
    """However few or many false alarms are accepted: the daemon starts, and judges normal sound."""
    listener = Listener(per_week)
    assert "raised" not in listener.hear(*NORMAL[:5]) or per_week > 1
