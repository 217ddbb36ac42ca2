"""Cases: which alarms belong together, how severe they are, and what people say of them."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from aegan_monitor.alarm.cases import count_quiet, is_worse, raise_case, worsen
from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.decision.policy import Decision
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.messages import payloads
from aegan_monitor.messages.case import Case, Severity
from aegan_monitor.types import ClipScore, Run
from published import checked
from story import HOP_S, LOUD, NOW, SamplePipeline, Story, open_demo

RECURS_HOPS = 10


def make_story(*, latched: bool = False, on_hops: float = 2) -> Story:
    """An alarm that is raised 3 decisions after the first loud one, and clears at once."""
    return Story(on_hops=on_hops, latched=latched, recurrence_hops=RECURS_HOPS)


def cases(story: Story) -> list[tuple[str, str, int]]:
    """Kind, id of the case and recurrences of each event since the last call."""
    return [(event.kind, event.case.id, event.case.recurrences) for event in story.events() if event.case]


def test_an_alarm_that_comes_back_soon_is_the_same_case() -> None:
    """Alarms with less normal sound between them than the setting are one case, however many they are."""
    story = make_story()
    for number in range(4):
        story.decide(*[True] * 3, *[False] * (RECURS_HOPS - 1))
        raised, cleared = story.events()
        assert raised.case is not None
        assert cleared.case is not None
        assert (raised.case.id, raised.case.recurrences) == ("id-0", number)
        assert raised.case.duration_s == pytest.approx(number * HOP_S)
        assert cleared.case.duration_s == pytest.approx((number + 1) * HOP_S)
        assert raised.case.began_at == NOW + timedelta(seconds=HOP_S)
    assert story.state.case is None


def test_an_alarm_that_comes_late_is_another_case() -> None:
    """After normal sound as long as the setting the next alarm opens a case of its own."""
    story = make_story()
    story.decide(*[True] * 3, *[False] * RECURS_HOPS, *[True] * 3)
    assert cases(story) == [("raised", "id-0", 0), ("cleared", "id-0", 0), ("raised", "id-2", 0)]


def test_short_excursions_do_not_keep_a_case_open() -> None:
    """Only normal sound counts towards the end of a case, and a pending alarm stops that count without a new start."""
    story = make_story()
    story.decide(*[True] * 3, *[False, True] * RECURS_HOPS, False, *[True] * 3)
    assert cases(story)[-1] == ("raised", "id-2", 0)


def test_a_gap_does_not_end_a_case() -> None:
    """The end of a case is counted in heard sound: a gap of hours adds nothing."""
    story = make_story()
    story.decide(*[True] * 3, False)
    story.wait(100_000.0)
    story.decide(False, after_gap=True)
    story.decide(*[True] * 3)
    assert cases(story)[-1] == ("raised", "id-0", 1)


@pytest.mark.parametrize("ends", ["close", "supersede"])
def test_what_a_person_or_a_new_bundle_has_ended_does_not_come_back(ends: str) -> None:
    """After `closed` and `superseded` the next alarm is another case."""
    story = make_story()
    story.decide(*[True] * 3)
    if ends == "close":
        story.say("close")
    else:
        story.start(basis="another")
    story.decide(*[True] * 3)
    assert cases(story) == [("raised", "id-0", 0), (f"{ends}d", "id-0", 0), ("raised", "id-2", 0)]


def test_the_state_has_the_case_while_it_is_open() -> None:
    """The retained state has the case from `raised` to the end of the alarm, under a shelf too."""
    story = make_story()
    story.decide(True, True)
    assert (story.state.case, story.state.isa_state) == (None, "pending")
    story.decide(True)
    assert (story.state.case and story.state.case.id, story.state.isa_state) == ("id-0", "active_unacknowledged")
    story.say("shelve")
    assert (story.state.case and story.state.case.id, story.state.isa_state) == ("id-0", "shelved")
    story.decide(False)
    assert (story.state.case, story.state.isa_state) == (None, "shelved")


def test_a_latched_alarm_waits_for_a_person() -> None:
    """It stays active after `cleared`, keeps its case however long it waits, and ends with the acknowledgement."""
    story = make_story(latched=True)
    story.decide(*[True] * 3, *[False] * 3 * RECURS_HOPS)
    raised, cleared = story.events()
    assert (cleared.kind, cleared.active) == ("cleared", True)
    assert cleared.duration_s == pytest.approx(HOP_S)
    assert (story.state.state, story.state.active, story.state.isa_state) == ("normal", True, "cleared_unacknowledged")
    story.decide(*[True] * 3)
    [again] = story.events()
    assert again.case is not None
    assert raised.case is not None
    assert (again.kind, again.case.id, again.case.recurrences) == ("raised", raised.case.id, 1)
    assert (story.state.alarm_id, story.state.isa_state) == (again.id, "active_unacknowledged")
    story.decide(False)
    assert story.say("acknowledge", by="Anna", event_id=again.id) == ""
    *_, acknowledged = story.events()
    assert (acknowledged.kind, acknowledged.active, acknowledged.duration_s) == ("acknowledged", False, None)
    assert (story.state.active, story.state.isa_state, story.state.alarm_id, story.state.case) == (False, "normal", None, None)


def test_a_latched_alarm_that_was_acknowledged_ends_by_itself() -> None:
    """An alarm that a person has acknowledged while it sounded wrong clears as without the setting."""
    story = make_story(latched=True)
    story.decide(*[True] * 3)
    story.say("acknowledge")
    story.decide(False)
    assert (story.kinds(), story.state.active, story.state.isa_state) == (["raised", "acknowledged", "cleared"], False, "normal")


def test_a_machine_out_of_service_is_silent_and_goes_on_being_judged() -> None:
    """An alarm out of service is neither raised nor cleared; it is raised when the machine is in service and still sounds wrong."""
    story = make_story()
    assert story.say("in_service") == "the alarm is not out of service"
    assert story.say("out_of_service", by="Anna", reason="overhaul") == ""
    [event] = story.events()
    assert (event.kind, event.active, event.cause, event.case) == ("out_of_service", False, "by Anna: overhaul", None)
    story.decide(*[True] * 5)
    story.wait(1e6)
    assert (story.kinds(), story.state.state, story.state.isa_state, story.state.out_of_service) == ([], "alarm", "out_of_service", True)
    assert story.say("close") == "the alarm is out of service: none is active"
    assert [story.say("out_of_service"), story.kinds()] == ["", []]
    assert story.say("in_service") == ""
    story.decide(True)
    assert story.kinds() == ["in_service", "raised"]


def test_a_verdict_is_kept_with_the_case() -> None:
    """A verdict stands in the event, in the state, in later events of the case, and in the record after its end."""
    story = make_story()
    story.decide(*[True] * 3)
    story.say("acknowledge", by="Anna", verdict="other")
    story.say("acknowledge", by="Anna")
    story.say("acknowledge", by="Bert", verdict="maintenance", reason="grease")
    story.decide(False)
    assert [(event.kind, event.case and event.case.verdict, event.cause) for event in story.events()][1:-1] == [
        ("acknowledged", "other", "other by Anna"),
        ("acknowledged", "maintenance", "maintenance by Bert: grease"),
    ]
    story.decide(*[True] * 3)
    assert story.state.case
    assert story.state.case.verdict == "maintenance"
    story.say("close", verdict="true_fault")
    story.start()
    assert story.record.case
    assert (story.record.case.verdict, story.record.case_over) == ("true_fault", True)


def test_a_verdict_on_no_alarm_changes_nothing() -> None:
    """A refused command leaves the last case as it was."""
    story = make_story()
    story.decide(*[True] * 3, False)
    before = story.record
    assert story.say("close", verdict="other") == "no alarm is active"
    assert story.record == before


OPEN = AlarmRecord(process="alarm", announced=True, case=Case(id="a", began_at=NOW, evidence=3.0))


@pytest.mark.parametrize(
    ("before", "gross", "common", "severity"),
    [
        (None, False, None, "medium"),
        (None, True, None, "high"),
        (None, True, "b", "low"),
        ("low", False, None, "medium"),
        ("high", False, None, "high"),
        ("medium", False, "b", "medium"),
    ],
)
def test_the_severity_of_a_case_does_not_fall(before: Severity | None, gross: bool, common: str | None, severity: Severity) -> None:
    """A gross fault is high, one that joins another machine's case is low, and a recurrence keeps the higher one."""
    case = None if before is None else Case(id="a", began_at=NOW, severity=before)
    found = raise_case(AlarmRecord(case=case), "c", NOW, "", gross=gross, common_case=common)
    assert (found.severity, found.common) == (severity, common is not None)
    assert found.id == ("a" if case else common or "c")


def test_an_alarm_gets_worse() -> None:
    """A gross decision makes an open case high; evidence keeps its largest value; a common cause stays low."""
    worse = worsen(OPEN, gross=True, evidence=5.0)
    assert worse.case
    assert (worse.case.severity, worse.case.evidence) == ("high", 5.0)
    assert is_worse(OPEN, worse)
    assert worsen(OPEN, gross=False, evidence=2.0) is OPEN
    assert not is_worse(OPEN, worsen(OPEN, gross=False, evidence=9.0))
    ended = replace(OPEN, process="normal", announced=False)
    assert worsen(ended, gross=True, evidence=9.0) is ended
    common = replace(OPEN, case=Case(id="a", began_at=NOW, severity="low", common=True))
    assert worsen(common, gross=True, evidence=None) is common


class GrossPolicy(ThresholdPolicy):
    """A policy that finds each loud decision gross once the alarm is active."""

    def decide(self, clip: ClipScore, is_active: bool, new_samples: int, *, in_grace: bool = False, state: int | None = None) -> Decision:
        return replace(super().decide(clip, is_active, new_samples, in_grace=in_grace, state=state), is_gross=is_active, evidence=0.5)


def test_a_state_is_published_when_the_severity_rises() -> None:
    """A rise of the severity is a new retained state, once; the stored record has it at once."""
    bundle = open_demo()
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold", on_delay_s=0.0, off_delay_s=0.0))
    judge.policy = GrossPolicy(bundle.record, bundle.record.score)
    machine = Machine("pump", SamplePipeline(bundle.record.score, 1), judge)
    machine.begin(NOW, 0.0, AlarmRecord())
    found = [checked(machine.hear(Run(np.full(1, LOUD, np.float32), place), NOW, 0.0)) for place in range(4)]
    states = [[each for each in turn if isinstance(each, payloads.Alarm)] for turn in found]
    assert [[state.case and (state.case.severity, state.case.evidence) for state in turn] for turn in states] == [
        [("medium", 0.5)],
        [("high", 0.5)],
        [],
        [],
    ]


def test_a_latched_case_is_not_over() -> None:
    """Normal sound ends a case only once its alarm has ended."""
    waiting = replace(OPEN, process="normal")
    assert not count_quiet(waiting, 100, 10).case_over
    assert count_quiet(replace(waiting, announced=False), 100, 10).case_over
    assert count_quiet(OPEN, 100, 10) is OPEN
