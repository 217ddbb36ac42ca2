"""Normal blocks of each operating state: which of them a clip is compared with, and what that does to the budget."""

import numpy as np
import pytest
from pydantic import ValidationError

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import LEAST_BLOCKS, BudgetPolicy
from aegan_monitor.decision.evidence import Evidence
from aegan_monitor.decision.p_value import NormalScores
from aegan_monitor.decision.proof import commission, cross_judge
from aegan_monitor.decision.sound.states import OperatingState
from aegan_monitor.detection.record import NormalBlocks, NormalState
from aegan_monitor.types import ClipScore
from story import open_demo

CLIP = 304 * 512
QUIET, LOUD, RARE = 0, 1, 2
STATES = [
    NormalState(name=name, share=1 / 3, level_dbfs=[level - 2, level, level + 2], bands_dbfs=[[level - 12, level - 10, level - 8]] * 8)
    for name, level in (("running_1", -40.0), ("running_2", -30.0), ("running_3", -20.0))
]
RNG = np.random.default_rng(5)
SCORES = {QUIET: RNG.normal(0, 1, 200), LOUD: RNG.normal(10, 2, 60), RARE: RNG.normal(30, 1, LEAST_BLOCKS - 1)}


def make_policy(*, n_clips: int = 1, has_states: bool = True, per_week: float = 1.0, n_stretches: int = 4) -> BudgetPolicy:
    """A policy with blocks of three states, in stretches of one state each."""
    parts = [(state, part.tolist()) for state, scores in SCORES.items() for part in np.array_split(scores, n_stretches)]
    states: list[int | None] = [state for state, _ in parts] if has_states else []
    record = open_demo().record.model_copy(update={"normal_sound": STATES})
    blocks = NormalBlocks(n_clips=n_clips, stretches=[part for _, part in parts], states=states)
    return BudgetPolicy(record, record.score, blocks, "recorded", Budget(per_week))


def hear(policy: BudgetPolicy, score: float, state: int | None) -> bool:
    """Whether a clip without common sound with the one before raises the alarm."""
    clip = ClipScore(0, {open_demo().record.score: score}, 0.0)
    policy.decide(clip, is_active=False, new_samples=CLIP, state=state)
    return policy.has_elapsed(is_active=False, delay_samples=0)


def count_clips(policy: BudgetPolicy, score: float, state: int | None, most: int = 400) -> int | None:
    """Clips with this score until the alarm."""
    return next((n for n in range(1, most + 1) if hear(policy, score, state)), None)


def test_a_fault_is_compared_with_its_own_state() -> None:
    """Scores over all of the quiet state and under most of the loud one alarm in the quiet state alone."""
    assert (count_clips(make_policy(), 5.0, QUIET) or 99) < 10
    assert count_clips(make_policy(), 5.0, LOUD) is None
    assert count_clips(make_policy(), 5.0, None) is None
    assert count_clips(make_policy(has_states=False), 5.0, QUIET) is None


def test_a_state_with_few_blocks_is_compared_with_all() -> None:
    """Without enough blocks of its own, or in no calibrated state, a clip is judged as by blocks that know no states."""
    by_all = count_clips(make_policy(has_states=False), 40.0, None)
    assert by_all is not None
    for state in (RARE, 7, None):
        assert abs((count_clips(make_policy(), 40.0, state) or 99) - by_all) <= 1


def test_a_long_time_in_the_loud_state_keeps_the_budget() -> None:
    """A machine that stays in its louder state raises false alarms by all blocks, and no more than promised by those of its state."""
    n_blocks, n_machines, found = 300, 20, list[float]()
    for has_states in (True, False):
        rng, n_alarms = np.random.default_rng(0), 0
        for _ in range(n_machines):
            policy = make_policy(has_states=has_states, per_week=500.0)
            assert 120 < policy.needed < 150
            for score in rng.normal(10, 2, n_blocks):
                if hear(policy, score, LOUD):
                    n_alarms += 1
                    policy.memory = (0, 0, 1.0, 0.0, *[0.0] * 7)
        found.append(n_alarms / (n_machines * n_blocks / policy.needed))
    assert found[0] < 1
    assert found[1] > 2


@pytest.mark.parametrize(("states", "factor"), [((QUIET, QUIET), 1), ((QUIET, LOUD), 2), ((QUIET, None), 2), ((RARE, None), 1)])
def test_a_block_may_have_clips_of_two_states(states: tuple[int | None, int | None], factor: int) -> None:
    """Its p-value is the smallest of its clips, times the number of states that they were compared with."""
    policy, expected, score = make_policy(n_clips=2), Evidence(), 40.0
    for state in states:
        hear(policy, score, state)
    policy.decide(ClipScore(0, {open_demo().record.score: score}, 0.0), is_active=False, new_samples=CLIP // 2, state=states[-1])
    known = [NormalScores(each, policy.budget.confidence) for each in (SCORES[QUIET], np.concatenate(list(SCORES.values())))]
    least = min(known[0 if state == QUIET else 1].p_value(score) for state in states if state != LOUD)
    expected.add(factor * least)
    assert policy.memory[4:] == pytest.approx(expected.sums)


def test_a_clip_counts_when_no_change_has_begun() -> None:
    """A clip at whose end the state begins to change does not count; one after which nothing changes does, some seconds later."""
    hop, score = 16_384, open_demo().record.score
    for in_grace in (True, False):
        policy = make_policy()
        policy.decide(ClipScore(0, {score: 50.0}, 0.0), is_active=False, new_samples=CLIP, state=QUIET)
        before = policy.memory[4:]
        assert before == (0.0,) * 7
        for _ in range(5):
            policy.decide(ClipScore(0, {score: 50.0}, 0.0), is_active=False, new_samples=hop, in_grace=in_grace, state=QUIET)
        assert (policy.memory[4:] == before) is in_grace


def test_the_report_judges_each_state_by_itself() -> None:
    """A stretch of the loud state is not unusual among stretches of this state; the report has a line of blocks."""
    own, all_together = make_policy(), make_policy(has_states=False)
    small = [[float(np.mean(part < 0.35)) for part in cross_judge(policy) if len(part) == 15] for policy in (own, all_together)]
    assert len(small[0]) == 4
    assert max(small[0]) < 0.7
    assert small[1] == [1.0] * 4
    found = commission(own)
    assert found.state_blocks == {"running_1": 200, "running_2": 60, "running_3": 19}
    assert found.describe()[-1] == (
        "blocks of each operating state: running_1 200, running_2 60, running_3 19 (too few to judge by them alone: record more)"
    )
    assert commission(all_together).state_blocks == {}


def test_each_stretch_has_a_state() -> None:
    """Another number of states than of stretches is refused."""
    with pytest.raises(ValidationError, match="states: expected one for each of 2 stretches, found 1"):
        NormalBlocks(n_clips=1, stretches=[[1.0], [2.0]], states=[0])


def test_a_clip_with_sound_of_two_states_is_compared_with_all() -> None:
    """The judge takes the state of a clip where that has lasted since the clip began."""
    record, policy = open_demo().record, make_policy()
    known = record.calibration["recorded"].model_copy(update={"blocks": policy.blocks})
    fields = record.model_copy(update={"normal_sound": STATES, "calibration": {"recorded": known}})
    judge = Judge(fields, record.score, AlarmConfig(), Budget(1.0))
    found = [
        judge.judge(ClipScore(end, {record.score: 0.0}, 0.0), state=OperatingState("running_1", "running", since, index=QUIET)).decision
        for end, since in ((2 * CLIP, CLIP), (3 * CLIP, 2 * CLIP + 1))
    ]
    assert [each.threshold for each in found] == [policy._gross_score_of[QUIET], policy.gross_score]
    assert found[0].threshold < found[1].threshold
