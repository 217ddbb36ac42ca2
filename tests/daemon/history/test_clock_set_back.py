"""The wall clock is set back a day while an alarm goes on: a whole monitor, with its evidence, its history and its outbox."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.config.model import load_config
from aegan_monitor.detection.bundle import Bundle, demo_bundle
from aegan_monitor.evidence.folder import CASE, PICTURE, SOUNDS, WritableFolder
from aegan_monitor.evidence.room import Room
from aegan_monitor.evidence.writer import EvidenceWriter
from aegan_monitor.history.history import History
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.store import HistoryStore
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Event
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.types import Run
from alternating import SCORE
from soak import make_loop
from synthetic import write_wav

DISCARD_PORT = 9  # no broker
DAY = timedelta(days=1)
KEEP_DAYS = 0.01  # a quarter of an hour


class Clock:
    """A part of the daemon that sets the wall clock back, in the worker thread, when the first alarm is raised."""

    name, problem = "clock", ""

    def __init__(self) -> None:
        self.events: list[str] = []
        self._offset = DAY

    def now(self) -> datetime:
        """A day ahead until then."""
        return datetime.now(UTC) + self._offset

    def take_message(self, machine: str | None, payload: Payload) -> None:  # noqa: ARG002 - as a part
        """See `Part`."""
        if isinstance(payload, Event):
            self.events.append(payload.kind)
            self._offset = timedelta()

    def start(self) -> None:
        """See `Part`."""

    def stop(self) -> None:
        """See `Part`."""

    def take_sound(self, machine: str, run: Run, time: datetime) -> None:
        """See `Part`."""


def test_a_clock_that_is_set_back_a_day_loses_nothing(tmp_path: Path) -> None:
    """Alarms go on. Both cases are in the history, with evidence, and stay, though a case is kept for minutes only."""
    sound = write_wav(tmp_path / "pump.wav", np.tile(make_loop(26, 12), 2))
    path = tmp_path / "monitor.yaml"
    path.write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {DISCARD_PORT}}}\noutbox: {{path: outbox.sqlite}}\nmachines: [{{name: pump, "
        f"bundle: {demo_bundle()}, score: {SCORE}, alarm: {{policy: threshold, on_delay_s: 0, off_delay_s: 0, recurrence_s: 1}}, "
        f"capture: {{kind: file, paths: [{sound}], pace: fast}}}}]\n"
    )
    clock = Clock()
    folder, config = WritableFolder(tmp_path / "evidence"), EvidenceConfig(min_free_mb=0, keep_days=KEEP_DAYS)
    history = History(HistoryStore(tmp_path / "history.sqlite", 10), wall_clock=clock.now)
    bundles: dict[str, Bundle] = {}
    evidence = EvidenceWriter(folder, config, bundles.get, wall_clock=lambda: clock.now().timestamp())
    monitor = Monitor(load_config(path), wall_clock=clock.now, parts=[history, evidence, clock])
    bundles |= {line.machine.name: line.bundle for line in monitor._setup.lines}
    monitor.run()
    assert clock.events == ["raised", "cleared", "raised"]
    reader, now = HistoryReader(tmp_path / "history.sqlite"), clock.now()
    first, second = reader.read_cases()  # the newest by the clock is the first one
    assert first.began_at > now > second.began_at
    assert (first.ended_at, second.ended_at) == (first.began_at, None)  # by the clock it ended a day before it began
    assert all(reader.read_series("pump", begin, begin + DAY).times for begin in (now - DAY / 2, now + DAY / 2))
    assert {event.kind for event in reader.read_events()} >= {"start", "raised", "cleared", "ended", "stop"}
    tomorrow_s = (now + DAY).timestamp()  # the clock that stamps files was set back, too
    os.utime(folder.path / "pump" / first.id / CASE, (tomorrow_s, tomorrow_s))
    Room(folder, config, set).expire(now.timestamp())
    for case in (first, second):
        assert set(folder.files("pump", case.id)) >= {SOUNDS[0], PICTURE, CASE}
