"""The running daemon: watchdog, starts and ends, and alarms over restarts."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.alarm.stored import dump_record, read_record
from aegan_monitor.audio.source import Capture
from aegan_monitor.audio.supervisor import STOP_S
from aegan_monitor.config.model import MachineConfig, load_config
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.errors import CaptureError
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.store import Store
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.service.systemd import Notifier
from aegan_monitor.types import Block
from broker import STEP_DEADLINE_S, find_free_port, wait_until
from fakes import EndingCapture
from monitoring import HoldingCapture, running, write_config
from stopwatch import Stopwatch

FAST = 12.0  # the clock then runs so many times as fast; a turn of the daemon still counts as one
FED = b"WATCHDOG=1"
FEED_S = 0.05
RATE_HZ = 16_000
LATE = "pump: its sensor works, but no decision came within its deadline"


class TricklingCapture:
    """A capture that delivers single samples, too few for a clip; `gone` simulates an unplugged device."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.gone = threading.Event()
        self._n_blocks = 0

    def describe(self) -> str:
        return "a loose plug"

    def open(self) -> None:
        if self.gone.is_set():
            raise CaptureError("a loose plug: no such device; plug it in")

    def read(self) -> Block | None:
        if self.gone.wait(0.005):
            raise CaptureError("a loose plug: stopped; plug it in")
        self._n_blocks += 1
        return Block(np.zeros(1, np.float32), self._n_blocks - 1)

    def close(self) -> None:
        pass


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager's socket; the notifications arrive in a queue."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.setblocking(False)
        yield bound


def heard(systemd: socket.socket) -> list[bytes]:
    """All notifications since the last call."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(systemd.recv(4096))
    return found


def test_deaf_or_hung_is_not_fed_and_told_to_be_deaf_is(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The watchdog is not fed while a healthy sensor gives no decision, but is fed while a sensor fault is published."""
    monkeypatch.setenv("WATCHDOG_USEC", f"{round(4e6 * FEED_S)}")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    path = tmp_path / "monitor.yaml"
    path.write_text(
        f"mqtt: {{host: 127.0.0.1, port: {find_free_port()}}}\noutbox: {{path: outbox.sqlite}}\n"
        f"machines: [{{name: pump, bundle: {demo_bundle()}, retry_s: 0.1}}]\n"
    )
    captures: list[TricklingCapture] = []
    began_s = time.monotonic()

    def make_capture(_: MachineConfig, sample_rate_hz: int) -> Capture:
        captures.append(TricklingCapture(sample_rate_hz))
        return captures[0]

    notifier = Notifier(str(tmp_path / "notify"))
    reported: list[bytes] = []
    speed = 1.0

    def is_fed() -> bool:
        reported.extend(heard(systemd))
        return FED in reported

    monitor = Monitor(
        load_config(path), capture=make_capture, notifier=notifier, clock=lambda: began_s + speed * (time.monotonic() - began_s)
    )
    with running(monitor):
        wait_until(is_fed, "food")
        assert reported.index(b"READY=1") < reported.index(FED)
        speed = FAST
        wait_until(lambda: LATE in caplog.text, "a machine over its time")
        heard(systemd)
        time.sleep(10 * FEED_S)  # in which nothing must come
        assert FED not in heard(systemd)
        captures[0].gone.set()
        wait_until(lambda: FED in heard(systemd), "food")
        assert caplog.text.count(LATE) == 1


def test_a_kill_leaves_an_alarm_that_the_next_run_continues(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a kill the next run continues the alarm of a configured machine and removes that of an unconfigured one."""
    path = tmp_path / "outbox.sqlite"
    left = AlarmRecord(process="alarm", announced=True, event_ids=("old",), sequence=57)
    store = Store(path)
    store.open()
    store.write(Changes(alarms=dict.fromkeys(["fan", "pump"], dump_record(left))))
    store.close()
    config = write_config(tmp_path, find_free_port(), "pump")
    with running(Monitor(load_config(config), capture=lambda *_: HoldingCapture(RATE_HZ))):
        wait_until(lambda: "fan: alarm removed" in caplog.text, "the end of the fan's alarm")
    found = store.open()
    store.close()
    [event] = [json.loads(event.message.payload) for event in found.added]
    assert (event["kind"], event["sequence"], event["active"]) == ("removed", 58, False)
    records = {name: read_record(record) for name, record in found.alarms.items()}
    assert (records["fan"].active, records["fan"].sequence) == (False, 58)
    assert (records["pump"].active, records["pump"].sequence, records["pump"].event_ids) == (True, 57, ("old",))


def test_a_start_that_fails_is_undone_in_order(systemd: socket.socket, tmp_path: Path) -> None:
    """A start that fails ends every part that has started, and pending messages are on the disk."""
    config = write_config(tmp_path, find_free_port(), "pump")
    config.write_text(f"{config.read_text()}metrics: {{port: {find_free_port()}}}\n")

    def clock() -> float:
        """The watchdog's: it is looked at as a machine begins to listen, behind what is reported of all of them."""
        raise RuntimeError("no clock")

    notifier = Notifier(str(tmp_path / "notify"))
    monitor = Monitor(load_config(config), capture=lambda *_: HoldingCapture(RATE_HZ), notifier=notifier, clock=clock)
    with pytest.raises(RuntimeError, match="no clock"):
        monitor.run()
    assert heard(systemd)[-1] == b"STOPPING=1"
    assert_is_undone(tmp_path)


def test_a_start_without_a_thread_for_the_broker_is_undone_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start without a free thread for MQTT ends with that error, and pending messages are on the disk."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "mqtt":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monitor = Monitor(load_config(write_config(tmp_path, find_free_port(), "pump")), capture=lambda *_: HoldingCapture(RATE_HZ))
    with pytest.raises(RuntimeError, match="can't start new thread"):
        monitor.run()
    assert_is_undone(tmp_path)


def assert_is_undone(folder: Path) -> None:
    """Assert that no thread is left and that the store holds the messages of a machine."""
    assert not {"outbox", "mqtt"} & {thread.name for thread in threading.enumerate()}
    store = Store(folder / "outbox.sqlite")
    topics = store.open().topics or ()
    store.close()
    assert "aegan/box/pump/alarm" in topics


def test_hung_microphones_do_not_hold_up_the_end(tmp_path: Path) -> None:
    """Six hung drivers delay the end by one second in total."""
    path, n_machines = tmp_path / "monitor.yaml", 6
    machines = ", ".join(f"{{name: m{number}, bundle: {demo_bundle()}}}" for number in range(n_machines))
    path.write_text(f"mqtt: {{host: 127.0.0.1, port: {find_free_port()}}}\noutbox: {{path: outbox.sqlite}}\nmachines: [{machines}]\n")
    opening, released = threading.Semaphore(0), threading.Event()

    class HangingCapture(TricklingCapture):
        def open(self) -> None:
            opening.release()
            released.wait(60.0)

    monitor = Monitor(load_config(path), capture=lambda _, sample_rate_hz: HangingCapture(sample_rate_hz))
    with Stopwatch() as watch:
        with running(monitor):
            for _ in range(n_machines):
                assert opening.acquire(timeout=STEP_DEADLINE_S)
            asked_s = watch.read_s()
        assert watch.read_s() - asked_s < n_machines * STOP_S
    released.set()


def test_an_end_that_comes_late_in_a_turn_is_told_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A recording that ends late in the worker's last turn is still published as ended."""
    path = tmp_path / "monitor.yaml"
    path.write_text(
        f"mqtt: {{host: 127.0.0.1, port: {find_free_port()}}}\noutbox: {{path: outbox.sqlite}}\n"
        f"machines: [{{name: pump, bundle: {demo_bundle()}, capture: {{kind: file, paths: [a.wav]}}}}]\n"
    )
    capture = EndingCapture(RATE_HZ)
    n_looks = 0

    def clock() -> float:
        """The watchdog's: it is looked at behind everything else in a turn."""
        nonlocal n_looks
        n_looks += capture.waits.is_set()
        if n_looks > 10:  # all that there is was heard
            capture.may_end.set()
            assert capture.closed.wait(10.0)
        return time.monotonic()

    caplog.set_level("INFO")
    Monitor(load_config(path), capture=lambda *_: capture, clock=clock).run()
    assert [message for message in caplog.messages if message.startswith("pump: sensor ")] == [
        "pump: sensor ok",
        "pump: sensor ended: a recording has ended",
    ]
