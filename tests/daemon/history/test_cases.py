"""Cases and events: from what is published to what the page and the command line show."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.alarm.events import make_id
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.records import Records
from aegan_monitor.history.rows import HistoryCase
from aegan_monitor.history.store import HistoryStore
from aegan_monitor.messages.case import Case
from aegan_monitor.messages.command_payloads import Command, Result
from aegan_monitor.messages.explanation import EXAMPLE, Explanation
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Alarm, Event
from example_messages import make_alarm, make_event, make_sensor
from histories import BEGAN


class Book:
    """A history that writes each payload at once, and its reader."""

    def __init__(self, path: Path, max_events: int = 25_000) -> None:
        self._store, self._records = HistoryStore(path, 10, max_events=max_events), Records()
        self.reader = HistoryReader(path)

    def take(self, machine: str | None, *payloads: Payload) -> None:
        """Write them."""
        for payload in payloads:
            self._store.write([], self._records.make_statements(machine, payload))

    def case(self) -> HistoryCase:
        """The only one."""
        (found,) = self.reader.read_cases()
        return found

    def close(self) -> None:
        """Close the file."""
        self._store.close()


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A new history."""
    made = Book(tmp_path / "h.sqlite")
    yield made
    made.close()


def at(seconds: float) -> datetime:
    """So many seconds after `BEGAN`."""
    return BEGAN + timedelta(seconds=seconds)


def make_case(**changes: Any) -> Case:
    """A case that began with `BEGAN`."""
    return Case(id="a", began_at=BEGAN, cause="too loud", evidence=0.5).model_copy(update=changes)


def event(kind: str, seconds: float, case: Case | None = None, **changes: Any) -> Event:
    """An event of an alarm."""
    return make_event(1).model_copy(update={"id": make_id(), "kind": kind, "time": at(seconds), "case": case, **changes})


def state(seconds: float, case: Case | None) -> Alarm:
    """The state of an alarm since then."""
    return make_alarm(case is not None).model_copy(update={"case": case, "since": at(seconds)})


def test_a_case_from_raised_to_cleared_and_back(book: Book) -> None:
    """It ends with its alarm, and is open again when the alarm comes back; the newest cause and explanation stand."""
    explanation = Explanation.model_validate(EXAMPLE)
    book.take("pump", event("raised", 10, make_case(), explanation=explanation), state(10, make_case()))
    found = book.case()
    assert (found.machine, found.began_at, found.ended_at, found.explanation, found.seen) == ("pump", BEGAN, None, explanation, False)
    stronger = make_case(evidence=0.9, severity="high")
    book.take("pump", event("cleared", 50, stronger), state(50, None), state(55, None))
    assert (book.case().ended_at, book.case().evidence, book.case().severity) == (at(50), 0.9, "high")
    again = make_case(recurrences=1, cause="louder")
    book.take("pump", event("raised", 90, again), state(90, again))
    assert (book.case().ended_at, book.case().n_recurrences, book.case().cause) == (None, 1, "louder")


def test_an_alarm_that_ends_under_a_shelf_ends_its_case(book: Book) -> None:
    """No event says so; the state does."""
    book.take("pump", event("raised", 10, make_case()), event("shelved", 20, make_case(), active=False), state(20, make_case()))
    assert book.case().ended_at is None
    book.take("pump", state(40, None))
    assert book.case().ended_at == at(40)


@pytest.mark.parametrize("kind", ["closed", "superseded", "removed"])
def test_a_case_that_a_command_or_a_configuration_ends(book: Book, kind: str) -> None:
    """Also where no state follows: that of a machine that is gone."""
    book.take("pump", event("raised", 10, make_case()), event(kind, 30, make_case(), active=False))
    assert (book.case().ended_at, book.case().seen) == (at(30), kind == "closed")


def test_a_common_cause_has_a_case_of_each_machine(book: Book) -> None:
    """One id; the machine whose alarm came first is found without its name."""
    book.take("pump", event("raised", 10, make_case()))
    book.take("fan", event("raised", 12, make_case(common=True, severity="low")), state(12, make_case(common=True)), state(20, None))
    assert {(case.machine, case.common, case.ended_at) for case in book.reader.read_cases()} == {
        ("pump", False, None),
        ("fan", True, at(20)),
    }
    first, other = book.reader.read_case("a"), book.reader.read_case("a", "fan")
    assert first is not None
    assert other is not None
    assert (first.machine, other.machine) == ("pump", "fan")


def test_an_acknowledgement_counts_as_seen_and_its_verdict_is_kept(book: Book) -> None:
    """A later event without a verdict does not remove it."""
    book.take("pump", event("raised", 10, make_case()), event("acknowledged", 20, make_case(verdict="maintenance")))
    book.take("pump", event("cleared", 30, make_case()))
    assert (book.case().seen, book.case().verdict) == (True, "maintenance")


def test_a_mark_is_kept_and_says_who(book: Book) -> None:
    """Each mark changes what it names, while the monitor has the file open and the alarm goes on."""
    book.take("pump", event("raised", 10, make_case()))
    marked = book.reader.mark("a", "true_fault", "Anna", "the bearing")
    assert marked == book.case()
    assert (marked.verdict, marked.comment, marked.marked_by, marked.seen) == ("true_fault", "the bearing", "Anna", True)
    book.take("pump", event("cleared", 30, make_case()))
    again = book.reader.mark("a", by="Ben", seen=False)
    assert again is not None
    assert (again.verdict, again.comment, again.marked_by, again.seen) == ("true_fault", "the bearing", "Ben", False)
    marks = [(each.text, each.by, each.case_id, each.machine) for each in book.reader.read_events() if each.kind == "marked"]
    assert marks == [("not seen", "Ben", "a", "pump"), ("true_fault: the bearing", "Anna", "a", "pump")]


def test_a_case_that_does_not_exist_cannot_be_marked(book: Book) -> None:
    """And no event says that it was."""
    book.take("pump", event("raised", 10, make_case()))
    assert book.reader.mark("b", "other") is None
    assert [each.kind for each in book.reader.read_events()] == ["raised"]


def test_cases_by_machine_time_and_what_was_not_seen(book: Book) -> None:
    """Newest first; a case counts for each time in which it lasted."""
    for number, machine in enumerate(("pump", "fan", "pump")):
        case = make_case(id=f"c{number}", began_at=at(100 * number))
        book.take(machine, event("raised", 100 * number + 10, case), state(100 * number + 10, case))
        if number < 2:
            book.take(machine, state(100 * number + 50, None))
    book.reader.mark("c1")

    def ids(*arguments: Any, **named: Any) -> list[str]:
        return [case.id for case in book.reader.read_cases(*arguments, **named)]

    assert ids() == ["c2", "c1", "c0"]
    assert ids(limit=2) == ["c2", "c1"]
    assert ids("pump") == ["c2", "c0"]
    assert ids(unseen_only=True) == ["c2", "c0"]
    assert ids(begin=at(40), end=at(120)) == ["c1", "c0"]
    assert ids(begin=at(1000)) == ["c2"]


def test_commands_stand_with_their_answer_and_who_gave_them(book: Book) -> None:
    """Accepted, refused, and one that could not be read."""
    time = at(5)
    shelve = Command(command="shelve", duration_s=600.0, by="Anna", reason="noise next door")
    book.take("pump", shelve, Result(time=time, command="shelve", id=None, accepted=True, reason=""))
    book.take("pump", Command(command="close", by="Ben"), Result(time=time, command="close", id="7", accepted=False, reason="no alarm"))
    book.take("pump", Result(time=time, command=None, id=None, accepted=False, reason="no JSON"))
    assert [(each.kind, each.text, each.by, each.source) for each in reversed(book.reader.read_events("pump"))] == [
        ("shelve", "accepted (duration_s 600.0, reason noise next door)", "Anna", "command"),
        ("close", "refused: no alarm", "Ben", "command"),
        ("unreadable", "refused: no JSON", "", "command"),
    ]


def test_events_by_machine_and_time(book: Book) -> None:
    """Newest first by the clock; of one moment the last one first."""
    for n in range(4):
        book.take("pump" if n % 2 else "fan", event("raised", 10 * n, cause=str(n)), event("cleared", 10 * n, cause=f"{n}b"))
    assert [each.text for each in book.reader.read_events("pump", at(10), at(30))] == ["1b", "1"]
    assert [each.text for each in book.reader.read_events(limit=3)] == ["3b", "3", "2b"]


def test_a_clock_that_was_set_back_loses_no_event(book: Book) -> None:
    """The numbers say in which order they came."""
    book.take("pump", event("raised", 86_400, make_case()), event("cleared", 0, make_case()), make_sensor("missing"))
    assert [each.number for each in sorted(book.reader.read_events(), key=lambda each: each.number)] == [1, 2, 3]


def test_a_talkative_source_drives_out_no_other(tmp_path: Path) -> None:
    """Ten thousand commands stay a limited number of rows, and the alarm stays."""
    book = Book(tmp_path / "h.sqlite", max_events=100)
    book.take("pump", event("raised", 10, make_case()))
    refused = Result(time=at(0), command=None, id=None, accepted=False, reason="no JSON")
    for _ in range(10):
        book._store.write([], [each for _ in range(1000) for each in book._records.make_statements("pump", refused)])
    found = book.reader.read_events(limit=10_000)
    assert [(each.kind) for each in found].count("unreadable") == 100
    assert "raised" in {each.kind for each in found}
    book.close()
