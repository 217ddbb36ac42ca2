"""The operating state of a machine."""

from collections.abc import Sequence

import numpy as np
import pytest

from aegan_monitor.decision.sound.normal_states import NormalStates, state_of
from aegan_monitor.decision.sound.sound_bands import N_BANDS, SoundBands
from aegan_monitor.decision.sound.states import OperatingState, StateTracker, Times
from aegan_monitor.detection.record import NormalState

RATE_HZ = 1000  # the tracker counts samples, whatever their rate
GRACE_S, CLIP_S, STANDSTILL_S = 20, 10, 60
OFF, IDLE, LOADED, STRANGE = -60.0, -36.0, -24.0, -10.0
BETWEEN = -42.0  # sound of a machine that speeds up or slows down


def make_state(name: str, level_dbfs: float, share: float = 0.5) -> NormalState:
    """A state whose level and bands vary by 2 dB to both sides; in each band it has a level of its own."""
    ranges = [[level + by_db for by_db in (-2.0, 0.0, 2.0)] for level in make_levels(level_dbfs)]
    return NormalState(name=name, share=share, level_dbfs=ranges[0], bands_dbfs=ranges[1:])


def make_levels(level_dbfs: float) -> list[float]:
    """Level and bands of a sound that falls by 3 dB from band to band."""
    return [level_dbfs, *(level_dbfs - 3.0 * place for place in range(N_BANDS))]


def make_second(level_dbfs: float) -> SoundBands:
    """A second of the sound of such a state."""
    level, *bands = make_levels(level_dbfs)
    return SoundBands(level, np.array(bands))


STATES = NormalStates([make_state("off", OFF), make_state("running_1", IDLE), make_state("running_2", LOADED)])


def make_tracker(states: NormalStates = STATES) -> StateTracker:
    """A tracker with the times above."""
    return StateTracker(states, RATE_HZ, Times(GRACE_S * RATE_HZ, CLIP_S * RATE_HZ, STANDSTILL_S * RATE_HZ))


class Course:
    """A tracker, and the seconds that it hears."""

    def __init__(self, states: NormalStates = STATES) -> None:
        self.tracker, self.end_s = make_tracker(states), 0

    def hear(self, level_dbfs: float, n_seconds: int) -> list[OperatingState]:
        """The state after each of `n_seconds` seconds at this level."""
        found = []
        for _ in range(n_seconds):
            self.end_s += 1
            found.append(self.tracker.hear(self.end_s * RATE_HZ, make_second(level_dbfs)))
        return found


def name_all(found: Sequence[OperatingState]) -> list[str]:
    """The names of the states, each as often as it stays."""
    return [state.name for state in found]


def test_a_machine_is_off_starts_runs_changes_its_load_and_stops() -> None:
    """Each state is found within five seconds, with its kind, its place in the bundle, and the sample at which it began."""
    course = Course()
    assert name_all(course.hear(OFF, 5)) == ["unknown"] * 3 + ["off"] * 2
    assert name_all(course.hear(BETWEEN, 3)) == ["off"] + ["starting"] * 2
    assert name_all(course.hear(IDLE, 8)) == ["starting"] * 3 + ["running_1"] * 5
    assert course.tracker.now == OperatingState("running_1", "running", 8 * RATE_HZ, in_grace=True, index=1)
    assert name_all(course.hear(LOADED, 40)) == ["running_1"] * 3 + ["running_2"] * 37
    assert course.tracker.now == OperatingState("running_2", "running", 16 * RATE_HZ, index=2)
    assert name_all(course.hear(BETWEEN, 4)) == ["running_2"] + ["stopping"] * 3
    assert name_all(course.hear(OFF, 20)) == ["stopping"] * 3 + ["off"] * 17
    assert course.tracker.now == OperatingState("off", "off", 60 * RATE_HZ, index=0)


def test_a_machine_that_starts_into_changing_loads_runs() -> None:
    """Four seconds of running sound end a start, also where they are in different states; the latest holds."""
    course = Course()
    course.hear(OFF, 30)
    found = [course.hear(level, 1)[0] for level in (IDLE, LOADED, LOADED, IDLE)]
    assert name_all(found) == ["off", "starting", "starting", "running_1"]


def test_short_sounds_change_no_state() -> None:
    """A bang, and speech of some seconds, leave the machine running; beside a machine that is off they make a start of some seconds."""
    running, off = Course(), Course()
    running.hear(LOADED, 30)
    assert set(name_all(running.hear(STRANGE, 7) + running.hear(LOADED, 12))) == {"running_2"}
    off.hear(OFF, 30)
    assert set(name_all(off.hear(STRANGE, 1) + off.hear(OFF, 12))) == {"off"}
    assert name_all(off.hear(STRANGE, 7) + off.hear(OFF, 12)) == ["off"] + ["starting"] * 6 + ["off"] * 12
    assert off.tracker.now.since_sample == 0


@pytest.mark.parametrize("level_dbfs", [STRANGE, -30.0])
def test_sound_in_no_state_is_unknown(level_dbfs: float) -> None:
    """A machine that runs in a state never heard is unknown after eight seconds, without a grace time, and is known again after it."""
    course = Course()
    course.hear(LOADED, 30)
    found = course.hear(level_dbfs, 30)
    assert name_all(found) == ["running_2"] * 7 + ["unknown"] * 23
    assert found[-1] == OperatingState("unknown", "unknown", 30 * RATE_HZ)
    back = course.hear(LOADED, 30)
    assert name_all(back) == ["unknown"] * 3 + ["running_2"] * 27
    assert not any(state.in_grace for state in back)


def test_a_start_into_a_state_never_heard_is_unknown_after_the_grace_time() -> None:
    """A start lasts for the grace time at most; then the machine is judged."""
    course = Course()
    course.hear(OFF, 30)
    found = course.hear(STRANGE, 40)
    assert name_all(found) == ["off"] + ["starting"] * 18 + ["unknown"] * 21
    assert [state.in_grace for state in found] == [False] + [True] * 19 + [False] * 20


def test_a_start_and_a_change_of_load_have_a_grace_time() -> None:
    """Grace lasts for the configured time from the start on, and for a clip from a change of load on."""
    course = Course()
    course.hear(OFF, 30)
    assert sum(state.in_grace for state in course.hear(IDLE, 100)) == GRACE_S - 1  # the first second is taken for a bang
    assert sum(state.in_grace for state in course.hear(LOADED, 100)) == CLIP_S - 1


def test_grace_is_at_most_half_of_the_time_that_a_machine_runs() -> None:
    """A compressor that runs for 12 s in a minute, and one that changes its load every 8 s, are judged at times."""
    on_off, loads = Course(), Course()
    running, changing = list[OperatingState](), list[OperatingState]()
    for _ in range(40):
        on_off.hear(OFF, 48)
        running += on_off.hear(IDLE, 12)
        changing += loads.hear(IDLE, 8) + loads.hear(LOADED, 8)
    assert sum(state.in_grace for state in running) <= len(running) / 2 + GRACE_S
    assert sum(state.in_grace for state in changing) <= len(changing) / 2 + GRACE_S


def test_a_machine_that_stands_still_for_too_long_is_reported() -> None:
    """`stands_still` comes after the configured time, not for a machine that was said to be off."""
    course = Course()
    course.hear(LOADED, 30)
    assert sum(state.stands_still for state in course.hear(OFF, STANDSTILL_S + 10)) == 11
    assert course.tracker.say("off") == ""
    assert not any(state.stands_still for state in course.hear(OFF, 10))


def test_a_state_that_was_said_holds_until_it_is_recognised_again() -> None:
    """A command fixes the state at once, whatever is heard; null recognises it again; an unknown name is refused with the known ones."""
    course = Course()
    course.hear(OFF, 10)
    assert course.tracker.say("running_2") == ""
    assert course.tracker.now.name == "running_2"
    assert {(state.name, state.kind, state.index) for state in course.hear(STRANGE, 30)} == {("running_2", "running", 2)}
    assert course.tracker.say(None) == ""
    assert name_all(course.hear(OFF, 5)) == ["running_2"] + ["stopping"] * 2 + ["off"] * 2
    assert course.tracker.say("idle") == "no operating state idle; there are: off, running, running_1, running_2"
    assert name_all(course.hear(OFF, 1)) == ["off"]


def test_of_several_states_of_a_kind_that_was_said_the_nearest_holds() -> None:
    """`running` leaves the load to the sound."""
    course = Course()
    course.tracker.say("running")
    assert set(name_all(course.hear(BETWEEN, 9))) == {"running_1"}
    assert course.hear(STRANGE, 9)[-1].name == "running_2"


def test_a_machine_can_be_said_to_be_off_that_was_never_heard_off() -> None:
    """Without a calibrated off state, `off` is a state without a place in the bundle, and sound below all others is unknown."""
    course = Course(NormalStates([make_state("running", LOADED)]))
    course.hear(LOADED, 10)
    assert course.hear(OFF, 20)[-1].kind == "unknown"
    course.tracker.say("off")
    assert course.hear(OFF, 20)[-1] == OperatingState("off", "off", 30 * RATE_HZ)


def test_over_a_gap_the_state_stays_and_a_start_is_noticed() -> None:
    """After a gap the state is the one before it, until other sound is heard."""
    course = Course()
    course.hear(OFF, 10)
    course.tracker.restart(100 * RATE_HZ)
    course.end_s = 100
    found = course.hear(LOADED, 10)
    assert name_all(found) == ["off"] + ["starting"] * 2 + ["running_2"] * 7
    assert found[-1].in_grace
    assert course.tracker.at(105 * RATE_HZ - 1).name == "running_2"
    assert course.tracker.at(103 * RATE_HZ - 1).name == "starting"


def test_sound_before_a_gap_does_not_count_with_sound_after_it() -> None:
    """Three seconds before a gap and one after it do not make a state."""
    course = Course()
    course.hear(OFF, 10)
    course.hear(LOADED, 3)
    course.tracker.restart(100 * RATE_HZ)
    course.end_s = 100
    assert name_all(course.hear(LOADED, 4)) == ["off", "starting", "starting", "running_2"]
    assert course.tracker.now.since_sample == 100 * RATE_HZ


def test_a_block_is_in_the_state_of_most_of_its_seconds() -> None:
    """A block in one state has its place; one with a second of another state, or that begins or ends in no state, has none."""
    off, loaded, strange = make_second(OFF), make_second(LOADED), make_second(STRANGE)
    assert state_of([off] * 10, STATES) == 0
    assert state_of([loaded] * 4 + [strange] * 2 + [loaded] * 4, STATES) == 2
    assert state_of([loaded] * 9 + [strange], STATES) is None
    assert state_of([strange] + [loaded] * 9, STATES) is None
    assert state_of([off] * 5 + [loaded] * 5, STATES) is None
    assert state_of([off] * 9 + [loaded], STATES) is None
    assert state_of([loaded] * 4 + [strange] * 3 + [loaded] * 4, STATES) is None
    assert state_of([strange] * 10, STATES) is None
    assert state_of([], STATES) is None


def test_off_is_known_by_its_level_alone() -> None:
    """Noise of any spectrum is off below the middle between off and running, and never above it."""
    bright = SoundBands(OFF + 5, np.full(N_BANDS, OFF - 4))
    assert STATES.find(bright) == 0
    assert STATES.find(make_second(-48.1)) == 0
    assert STATES.find(make_second(-47.9)) is None
