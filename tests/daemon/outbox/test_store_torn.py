"""The store after a power cut: every reported transaction is there, and the next one entirely or not at all."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.entry import Entry
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.store import Store
from aegan_monitor.outbox.writer import Writer
from chaos import scaled
from platter import mix
from writing import settle

TOPIC = "aegan/hall/pump/event"
N_TRANSACTIONS, N_CUTS = 400, scaled(300, at_least=60)
PAGE_BYTES = 4096

State = tuple[dict[int, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Moment:
    """Database and log file when a transaction was reported, with the rows at that time."""

    state: State
    file: bytes
    log: bytes


def read(path: Path) -> State:
    """The rows that a start finds."""
    store = Store(path)
    try:
        found = store.open()
    finally:
        store.close()
    return {event.number: event.message.payload for event in found.added}, found.alarms.get("pump", b"")


def write_history(path: Path, rng: random.Random) -> list[Moment]:
    """Enough transactions of the writer to cause checkpoints of the log."""
    store = Store(path)
    store.open()
    rows: dict[int, bytes] = {}
    history = []
    for number in range(1, N_TRANSACTIONS + 1):
        payload = f"e{number}".encode() + b"x" * rng.randrange(6000)
        removed = [known for known in rows if rng.random() < 0.05]
        event = Entry(number, Message(TOPIC, payload, 1, False, "event"), 1e9 + number)
        store.write(Changes([event], removed, {"pump": payload}))
        rows = {known: held for known, held in {**rows, number: payload}.items() if known not in removed}
        history.append(Moment((rows, payload), path.read_bytes(), Path(f"{path}-wal").read_bytes()))
    store.close()
    return history


def test_a_power_cut_leaves_the_transaction_before_or_the_next(tmp_path: Path) -> None:
    """A power cut at any byte, also during a checkpoint, leaves the previous or the next transaction."""
    rng = random.Random(5)
    history = write_history(tmp_path / "live.sqlite", rng)
    brought = [place for place in range(1, N_TRANSACTIONS) if history[place].file != history[place - 1].file]
    assert len(brought) > 2
    n_next = 0
    path = tmp_path / "cut.sqlite"
    for number in range(N_CUTS):
        place = rng.choice(brought if number % 3 == 0 else range(1, N_TRANSACTIONS))
        before, after = history[place - 1], history[place]
        into_file = place in brought and number % 2 == 0  # then the log is on the disk already
        path.write_bytes(mix(before.file, after.file, rng) if into_file else before.file)
        Path(f"{path}-wal").write_bytes(after.log if into_file else mix(before.log, after.log, rng))
        state = read(path)
        assert state == after.state or (state == before.state and not into_file), f"cut {number} in transaction {place}: {state[1][:10]!r}"
        n_next += state == after.state
    assert N_CUTS / 10 < n_next < N_CUTS * 9 / 10, n_next


def write_one_more(path: Path) -> list[bytes]:
    """The events on the disk after a writer has started there and stored the event `after`."""
    outbox = Outbox()
    writer = Writer(outbox, Store(path))
    writer.start()
    outbox.put(Message(TOPIC, b"after", 1, False, "event"))
    settle(outbox, writer)
    writer.stop()
    assert writer.problem == ""
    return list(read(path)[0].values())


@pytest.mark.parametrize("seed", range(scaled(30)))
def test_a_daemon_starts_on_whatever_is_left(tmp_path: Path, seed: int) -> None:
    """With spoiled or truncated database files the writer still starts and stores new events."""
    rng = random.Random(seed)
    path = tmp_path / "o.sqlite"
    store = Store(path)
    store.open()
    for number in range(1, 60):
        payload = b"x" * rng.randrange(3000)
        store.write(Changes([Entry(number, Message(TOPIC, payload, 1, False, "event"), 1e9)], alarms={"pump": payload}))
    store.close()
    content = bytearray(path.read_bytes())
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(content) // PAGE_BYTES) * PAGE_BYTES + rng.choice([0, 512, 1000])
        content[at : at + 512] = rng.choice([bytes(512), rng.randbytes(512)])
    path.write_bytes(content[: rng.choice([len(content), len(content) - rng.randrange(len(content))])])
    assert b"after" in write_one_more(path)


def test_a_kill_while_a_damaged_file_is_set_aside_is_mended(tmp_path: Path) -> None:
    """A kill between renaming a damaged file and its log does not give that log to the new file."""
    live, path = Store(tmp_path / "live.sqlite"), tmp_path / "o.sqlite"
    live.open()
    for number in range(1, 20):
        live.write(Changes([Entry(number, Message(TOPIC, b"before", 1, False, "event"), 1e9)]))
    Path(f"{path}-wal").write_bytes(Path(f"{live.path}-wal").read_bytes())
    live.close()
    assert write_one_more(path) == [b"after"]
