"""The limits of the outbox, and what it hands to the store."""

from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.messages.model import Kind
from aegan_monitor.outbox.entry import Entry
from aegan_monitor.outbox.outbox import Outbox
from outbox_messages import ENTRY_BYTES, Clock, MemoryOutbox, deliver, events, filled, is_written, make_message, texts


def test_full_the_delivered_events_go_first_then_the_oldest() -> None:
    """A full outbox drops delivered events uncounted, then the oldest ones counted; states and scores use no room."""
    outbox = filled(*events(1), max_bytes=3 * ENTRY_BYTES)
    deliver(outbox)
    seen = []
    for i in range(1, 6):
        outbox.put(make_message("event", f"e{i}"))
        outbox.put(make_message("alarm", f"a{i}"))
        seen.append(texts(outbox))
    assert seen[2:] == [["e1", "e2", "e3", "a3"], ["e2", "e3", "e4", "a4"], ["e3", "e4", "e5", "a5"]]
    assert outbox.measure().dropped_total == 2
    assert sum(row.n_bytes for row in outbox.everything().added) <= 3 * ENTRY_BYTES


def test_what_has_waited_too_long_goes() -> None:
    """An event that has waited too long is dropped and counted; a delivered one is not counted."""
    clock = Clock()
    outbox = filled(*events(2), max_age_s=100.0, clock=clock)  # type: ignore[arg-type]
    clock.now_s += 99.0
    outbox.put(make_message("event", "new"))
    assert texts(outbox) == ["e0", "e1", "new"]
    clock.now_s += 2.0
    assert (deliver(outbox), outbox.measure().dropped_total) == (["new"], 2)


def test_an_event_goes_out_once_it_is_written() -> None:
    """An event is sent after the store has written it; additions and removals are handed to the store once."""
    outbox = filled(*events(2), is_written=False, keep_s=0.0)
    assert (outbox.next(), is_written(outbox)) == (None, False)
    first = outbox.changes()
    added = first.added
    assert [row.message.payload for row in added] == [b"e0", b"e1"]
    outbox.written(first)
    assert (deliver(outbox), is_written(outbox)) == (["e0", "e1"], True)
    changes = outbox.changes()
    assert (changes.added, changes.removed) == ([], [row.number for row in added])
    assert (outbox.changes().added, outbox.changes().removed) == ([], [])


def test_an_event_that_went_while_it_was_written_is_removed() -> None:
    """An event that is dropped while it is being written is removed from the store."""
    outbox = filled(*events(1), is_written=False, max_bytes=ENTRY_BYTES)
    first = outbox.changes()
    outbox.put(make_message("event", "e1"))
    outbox.written(first)
    assert outbox.changes().removed == [first.added[0].number]


def test_what_the_store_holds_goes_first() -> None:
    """Stored events are sent before newer ones, even when the store is read later; numbers stay in order."""
    stored = [Entry(number, message, 0.0) for number, message in zip((7, 9), events(2), strict=True)]
    before, after = MemoryOutbox(max_age_s=1e9), MemoryOutbox(max_age_s=1e9)
    before.restore(stored, {"pump": b"old", "fan": b"old"})
    before.put(make_message("event", "new"), alarms={"pump": b"new"})
    after.put(make_message("event", "new"), alarms={"pump": b"new"})
    after.restore(stored, {"pump": b"old", "fan": b"old"})
    for outbox in (before, after):
        assert texts(outbox) == ["e0", "e1", "new"]
        everything = outbox.everything()
        assert [row.number for row in everything.added] == sorted(row.number for row in everything.added)
        assert everything.alarms == outbox.alarms == {"pump": b"new", "fan": b"old"}
        assert deliver(outbox) == ["e0", "e1", "new"]


def test_an_event_and_the_record_of_its_alarm_are_written_together() -> None:
    """An event and its alarm record are written in one transaction; a newer record is written next."""
    outbox = Outbox()
    outbox.put(make_message("event", "e0"), alarms={"pump": b"r0"})
    first = outbox.changes()
    assert ([row.message.payload for row in first.added], first.alarms) == ([b"e0"], {"pump": b"r0"})
    outbox.put(alarms={"pump": b"r1"})
    outbox.written(first)
    assert not is_written(outbox)
    second = outbox.changes()
    assert (second.added, second.alarms) == ([], {"pump": b"r1"})
    outbox.written(second)
    assert is_written(outbox)
    assert not outbox.changes()


def test_what_is_put_wakes_the_threads() -> None:
    """Every call that puts something calls `notify`."""
    outbox, n_calls = Outbox(), 0

    def count() -> None:
        nonlocal n_calls
        n_calls += 1

    outbox.notify = count
    outbox.put(make_message("event", "e"), make_message("alarm", "a"), alarms={"pump": b"r"})
    outbox.belong(["aegan/hall/pump/alarm"])
    outbox.repeat_retained()
    assert n_calls == 3


@given(st.lists(st.sampled_from(["event", "score", "alarm", "health"]), max_size=60), st.integers(1, 20))
def test_the_bound_holds_and_every_loss_is_counted(kinds: list[Kind], n_rows: int) -> None:
    """The outbox never exceeds its bound in bytes, keeps the newest events, and counts the dropped ones."""
    outbox = MemoryOutbox(max_bytes=n_rows * ENTRY_BYTES)
    for i, kind in enumerate(kinds):
        outbox.put(make_message(kind, f"{kind}{i}"))
        assert sum(row.n_bytes for row in outbox.everything().added) <= n_rows * ENTRY_BYTES
    all_events = [f"{kind}{i}" for i, kind in enumerate(kinds) if kind == "event"]
    kept = [text for text in texts(outbox) if text.startswith("event")]
    assert kept == all_events[len(all_events) - len(kept) :]
    assert outbox.measure().dropped_total == len(all_events) - len(kept)
