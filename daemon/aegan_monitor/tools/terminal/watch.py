"""`aegan-monitor watch`: what every machine sounds like now, and each event as it comes."""

import json
import math
import textwrap
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TextIO

from aegan_monitor.errors import PublishError
from aegan_monitor.messages.payloads import Event
from aegan_monitor.tools.broker_connection import BrokerConnection
from aegan_monitor.tools.terminal.broker import QUIET_S, Broker
from aegan_monitor.tools.terminal.plant import Machine, Plant
from aegan_monitor.tools.terminal.screen import Screen
from aegan_monitor.tools.terminal.words import OK, describe_alarm, find_trouble

TOPICS = ("status", "+/alarm", "+/sensor", "+/score", "+/event")
REDRAW_S = 0.5
RETRY_S = 2.0
STALE_S = 5.0  # scores come once a second
BAR_LENGTH = 16
LONGEST_NAME = 16
STATE_WIDTH = 19


class Watch:
    """Shows what comes until it is stopped. Connects again where the connection is lost: nothing old is then shown as present."""

    def __init__(self, broker: Broker, stream: TextIO, *, as_json: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """Store; lines are redrawn if `stream` is a terminal, and printed one after the other otherwise."""
        self._broker, self._stream, self._as_json, self._clock = broker, stream, as_json, clock
        self._screen = Screen(stream) if stream.isatty() and not as_json else None
        self._plant = Plant(broker.topic)
        self._stopping = False  # no Event, see stop_on_signals
        self._until_s = math.inf

    def stop(self) -> None:
        """End soon (any thread, or a signal)."""
        self._stopping = True

    def run(self, duration_s: float = math.inf) -> int:
        """Watch until stopped, or for so long.

        Raises:
            PublishError: The broker cannot be reached at the start.
        """
        self._until_s = self._clock() + duration_s
        is_first = True
        while not self._is_over():
            self._plant = Plant(self._broker.topic)
            try:
                with self._broker.open(self._take) as connection:
                    is_first = False
                    self._broker.subscribe(connection, *TOPICS)
                    self._serve(connection)
                if not self._is_over():
                    raise self._broker.fail("the connection has ended")
            except PublishError as error:
                if is_first:
                    raise
                self._wait(f"{error}; trying again every {RETRY_S:g} s")
        return 0

    def _serve(self, connection: BrokerConnection) -> None:
        began_s, is_reported = self._clock(), False
        while not connection.ended and not self._is_over():
            connection.serve(self._is_over, REDRAW_S)
            if self._screen:
                self._screen.draw(make_board(self._plant.machines, self._clock(), _now(), self._screen.height))
            if not (self._plant.machines or is_reported) and self._clock() - began_s > 2 * QUIET_S:
                is_reported = True
                self._say(f"{self._broker.miss()} Waiting")

    def _wait(self, why: str) -> None:
        if self._screen:
            self._screen.draw([why])
        else:
            self._say(why)
        due_s = min(self._until_s, self._clock() + RETRY_S)
        while not self._stopping and self._clock() < due_s:
            time.sleep(0.05)

    def _is_over(self) -> bool:
        return self._stopping or self._clock() >= self._until_s

    def _take(self, topic: str, payload: bytes) -> None:
        news = self._plant.take(topic, payload, self._clock())
        if topic.endswith("/status"):
            self._take_status(topic.removesuffix("/status"), payload)
        if news is None:
            return
        if self._as_json:
            self._dump(news.machine.node, news.machine.name, news.kind, news.fields)
        elif news.event:
            self._say(describe_event(news.machine, news.event, _now(), self._screen.width if self._screen else None))
        elif self._screen is None and news.kind in ("score", "sensor"):
            self._say(make_row(news.machine, self._clock(), _now()).rstrip())

    def _take_status(self, node: str, payload: bytes) -> None:
        """Without a screen the last lines of a daemon that has gone would look like the present."""
        if self._as_json:
            self._dump(node.rpartition("/")[2], None, "status", payload.decode(errors="replace"))
        elif self._screen is None:
            for machine in self._plant.machines:
                if machine.topic == node:
                    self._say(make_row(machine, self._clock(), _now()).rstrip())

    def _dump(self, node: str, machine: str | None, kind: str, payload: object) -> None:
        self._stream.write(f"{json.dumps({'node': node, 'machine': machine, 'kind': kind, 'payload': payload}, ensure_ascii=False)}\n")
        self._stream.flush()

    def _say(self, text: str) -> None:
        if self._screen:
            self._screen.say(text)
        elif not self._as_json:
            self._stream.write(f"{text}\n")
            self._stream.flush()


def _now() -> datetime:
    """In the local time zone."""
    return datetime.now(UTC).astimezone()


def make_board(machines: Sequence[Machine], now_s: float, now: datetime, n_fitting: float = math.inf) -> list[str]:
    """A line a machine, below a head; where not all fit, those with trouble come first."""
    if len(machines) >= n_fitting:
        machines = sorted(machines, key=lambda machine: not find_trouble(machine))
    head = f"{'machine':<{LONGEST_NAME}}  {'alarm':<{STATE_WIDTH}}  {'to the alarm':<{BAR_LENGTH + 8}} level"
    return [head, *(make_row(machine, now_s, now) for machine in machines)] if machines else ["no machine yet"]


def make_row(machine: Machine, now_s: float, now: datetime) -> str:
    """Name, alarm, and what is heard now: how near to the alarm, level, operating state."""
    label = machine.label if len(machine.label) <= LONGEST_NAME else f"{machine.label[: LONGEST_NAME - 3]}..."
    return f"{label:<{LONGEST_NAME}}  {describe_alarm(machine, now):<{STATE_WIDTH}}  {_describe_sound(machine, now_s)}"


def _describe_sound(machine: Machine, now_s: float) -> str:
    score, scored_at_s = machine.score, machine.scored_at_s
    if machine.is_online is False:
        return ""
    if machine.sensor is not None and machine.sensor.state != OK:
        return f"DEAF: {machine.sensor.detail or machine.sensor.state}"
    if score is None or scored_at_s is None:
        return "no score yet"
    if now_s - scored_at_s > STALE_S:
        return f"no score for {now_s - scored_at_s:.0f} s"
    share = score.evidence
    if share is None:
        share = score.score / score.threshold if score.threshold > 0 else 0.0
    share = min(1.0, max(0.0, share))
    bar = "#" * round(share * BAR_LENGTH)
    return f"{100 * share:3.0f} % [{bar:<{BAR_LENGTH}}] {score.level_dbfs:6.1f} dBFS  {score.operating_state or ''}"


def describe_event(machine: Machine, event: Event, now: datetime, width: int | None) -> str:
    """An event for people, in the time zone of `now`, wrapped to `width` characters if one is given."""
    text = f"{event.time.astimezone(now.tzinfo):%H:%M:%S}  {machine.label} {event.kind.replace('_', ' ')}: {event.cause}"
    if width is None:
        return text
    return "\n".join(textwrap.wrap(text, width, subsequent_indent=" " * 10, break_on_hyphens=False))
