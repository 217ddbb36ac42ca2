"""`aegan-monitor run` as a process that hears alternating sound through a pipe: one event for each decision."""

import contextlib
import itertools
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.alarm.stored import read_record
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.messages.topics import QOS_AND_RETAINED
from alternating import ALARM, SCORE, AlternatingSound
from broker import Received
from prepared import Child
from synthetic import copy_demo_as_format_2, write_wav

CLIP_HOPS = 10  # before the first decision
KEPT = {"config", *(kind for kind, (_, is_retained) in QOS_AND_RETAINED.items() if is_retained)}  # last levels of topics
EVENT_TOPIC, ALARM_TOPIC = "aegan/box/pump/event", "aegan/box/pump/alarm"
COMMAND_TOPIC, RESULT_TOPIC = "aegan/box/pump/command", "aegan/box/pump/result"


class Daemon:
    """`aegan-monitor run` on a pipe, fed by a thread at many times real time; every decision is an event."""

    def __init__(
        self,
        config: Path,
        sound: AlternatingSound,
        events_per_s: float = 12.0,
        *,
        apart: bool = False,
        process: Child | None = None,
        code: Path | None = None,
    ) -> None:
        """Start, or take a `process`; `code` is a folder with another version of the program.

        Events come in pairs, of whose alarm states the outbox may send the second alone, or each `apart`.
        """
        self._n_pieces = 2 if apart else 1  # of the loop, which makes two events
        self._turn_s = 2 / self._n_pieces / events_per_s
        command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
        environment = {**os.environ, "PYTHONPATH": str(code)} if code else None
        self._process = process or subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=False, env=environment)
        self._sound = sound
        self._ending = threading.Event()
        self._log: list[str] = []
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._feed, self._read)]
        for thread in self._threads:
            thread.start()

    @property
    def n_logged(self) -> int:
        """The number of events in the log."""
        return self.log.count(" pump: alarm ")

    @property
    def log(self) -> str:
        """The log so far."""
        return "".join(list(self._log))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the daemon."""
        self.kill()

    def kill(self) -> None:
        """Kill the daemon, as a power cut does."""
        self._process.kill()
        self._finish()

    def end(self) -> int:
        """Close its input; returns the exit code."""
        self._ending.set()
        return self._finish()

    def _finish(self) -> int:
        code = self._process.wait(60.0)
        self._ending.set()
        for thread in self._threads:
            thread.join(10.0)
        return code

    def _feed(self) -> None:
        """Write pieces of the loop into the pipe."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(self._sound.pcm * (CLIP_HOPS // 2))
            n_bytes = len(self._sound.pcm) // self._n_pieces
            for piece in itertools.cycle(range(self._n_pieces)):
                if self._ending.wait(self._turn_s):
                    break
                pipe.write(self._sound.pcm[piece * n_bytes : (piece + 1) * n_bytes])
                pipe.flush()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._log.append(line.decode())


def write_config(folder: Path, port: int, *, host: str = "127.0.0.1", keepalive_s: int = 5, more: str = "") -> Path:
    """A configuration with short waits, so that many outages fit into a minute."""
    path, bundle = folder / "monitor.yaml", folder / "older"
    if not bundle.exists():
        copy_demo_as_format_2(bundle)  # it knows no level of normal sound, and so judges each second
    path.write_text(
        f"node: box\nmqtt: {{host: {host}, port: {port}, keepalive_s: {keepalive_s}, retry_s: 1}}\noutbox: {{path: outbox.sqlite}}\n{more}"
        f"machines: [{{name: pump, bundle: {bundle}, score: {SCORE}, alarm: {ALARM}, "
        "capture: {kind: stdin, sample_format: s16le}}]\n"
    )
    return path


def find_retained(messages: list[Received]) -> set[str]:
    """The topics that are retained at the broker after all these messages."""
    last = {message.topic: message.payload for message in messages if message.topic.rpartition("/")[2] in KEPT}
    return {topic for topic, payload in last.items() if payload}


def stored_alarm(path: Path, machine: str = "pump") -> AlarmRecord:
    """The stored alarm record of a machine after the daemon has ended."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        [(record,)] = connection.execute("SELECT record FROM alarms WHERE machine = ?", (machine,)).fetchall()
    return read_record(record)


@contextlib.contextmanager
def running(folder: Path, port: int, mqtt: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`aegan-monitor run` on a normal pump in real time, ended with the block."""
    sound = write_wav(folder / "pump.wav", Pump(41).read(60 * 16_000))
    config = folder / "monitor.yaml"
    config.write_text(
        f"node: box\nhealth_interval_s: 1\noutbox: {{path: outbox.sqlite}}\nmqtt: {{host: 127.0.0.1, port: {port}, {mqtt}}}\n"
        f"machines: [{{name: pump, bundle: {demo_bundle()}, capture: {{kind: file, paths: [{sound}], loop: true}}}}]\n"
    )
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def publish(port: int, payload: str, machine: str = "pump") -> None:
    """Publish a command for a machine with mosquitto_pub."""
    topic = COMMAND_TOPIC.replace("pump", machine)
    subprocess.run(["mosquitto_pub", "-p", str(port), "-q", "1", "-t", topic, "-m", payload], check=True)
