"""A real broker, and a real subscriber: mosquitto and mosquitto_sub, each a process of its own on loopback."""

import contextlib
import fcntl
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from broker_config import Saves, write_broker_config
from published import find_fault

STEP_DEADLINE_S = 30.0  # not a bound under test: only a failed step takes so long
FIRST_PORT, N_PORTS = 20_000, 12_000  # below 32,768: no client gets one of these from the kernel while nobody listens there
MARKS = "tests/caught-up"  # a message below this topic marks how far a subscriber has read
PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"  # where Debian puts mosquitto


def wait_until(predicate: Callable[[], object], what: str, timeout_s: float = STEP_DEADLINE_S) -> None:
    """Poll until the predicate holds; fail with `what` when it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.01)


_ports, _numbers = itertools.count(os.getpid() * 7919), itertools.count()
CLAIMS = Path(tempfile.gettempdir(), f"aegan-test-ports-{os.geteuid()}").open("ab")  # noqa: SIM115 - byte n is locked while port n is owned


def find_free_port() -> int:
    """A loopback port on which nobody listens, and which no test of this machine gets again while this process lives."""
    while True:
        port = FIRST_PORT + next(_ports) % N_PORTS
        with socket.socket() as probe, contextlib.suppress(OSError):
            fcntl.lockf(CLAIMS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            probe.bind(("127.0.0.1", port))
            return port


class Mosquitto:
    """A mosquitto process on a free loopback port. A restart keeps the port and, without `saves`, loses all messages.

    Attributes:
        port: Where it listens; known before `start`.
        more: Further lines of its configuration; those of its listener come first.
        running: Every broker that runs in this test process.
    """

    running: ClassVar[set["Mosquitto"]] = set()

    def __init__(
        self,
        folder: Path,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        *,
        more: Sequence[str] = (),
        address: str = "127.0.0.1",
        saves: Saves | None = None,
        quiet: bool = False,
        through: Sequence[str] = (),
    ) -> None:
        """Store.

        With `users` (name to password) nobody else may connect; `acl` is the text of an acl_file. What it has acknowledged it `saves`
        to its disk right afterwards, or so late that a kill loses it, or never; a `quiet` one logs little. `through` is a command that
        runs it somewhere else.
        """
        self.port = find_free_port()
        self.more = more
        self._folder = folder
        self._users = users
        self._acl = acl
        self._address, self._saves, self._through = address, saves, through
        self._verbose = [] if quiet else ["-v"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self._folder / "mosquitto.log").read_text()

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        program = shutil.which("mosquitto", path=PATH) or "mosquitto"
        self._folder.mkdir(parents=True, exist_ok=True)
        listeners = [f"listener {self.port} {self._address}", *self.more]
        config = write_broker_config(self._folder, listeners, self._users, self._acl, self._saves)
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._n_logged = log.tell()
            self._process = subprocess.Popen([*self._through, program, *self._verbose, "-c", str(config)], stdout=log, stderr=log)
        self.running.add(self)
        wait_until(self._listens, f"mosquitto on port {self.port}")

    def stop(self) -> None:
        """Stop it by SIGTERM; harmless when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a power cut does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Stop the process (SIGSTOP): connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._signal(how)
            self._signal(signal.SIGCONT)
            self._process.wait(STEP_DEADLINE_S)
            self._process = None
            self.running.discard(self)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        return " running\n" in self.log[self._n_logged :]  # said once all its listeners are open


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the broker delivered it; `retained` says that it was stored when the subscriber came."""

    topic: str
    payload: str
    qos: int
    retained: bool

    def json(self) -> Any:
        """The payload, parsed."""
        return json.loads(self.payload)


class Subscriber:
    """`mosquitto_sub` on some topics, collecting what comes; a context manager. It connects again by itself.

    On exit every message is validated against its schema (`published.find_fault`), whatever the test is about.
    """

    def __init__(
        self,
        port: int,
        topic: str = "#",
        user: tuple[str, str] | None = None,
        session: str | None = None,
        host: str = "127.0.0.1",
        through: Sequence[str] = (),
    ) -> None:
        """Store; `user` is name and password, `session` the client id under which the broker keeps what comes while we are away."""
        self._mark = f"{MARKS}/{next(_numbers)}"
        where = ["-h", host, "-p", str(port), "-q", "1", *(() if user is None else ("-u", user[0], "-P", user[1]))]
        self._mark_command = [*through, "mosquitto_pub", *where, "-t", self._mark, "-m"]
        self._command = [*through, "stdbuf", "-oL", "mosquitto_sub", "-d", *where, "-t", topic, "-t", self._mark, "-F", "%j"]
        if session is not None:
            self._command += ["-c", "-i", session]
        self._received: list[Received] = []
        self._marks: list[str] = []
        self._subscribed = threading.Event()

    def __enter__(self) -> Self:
        """Start, and wait until the broker has taken the subscription."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._subscribed.wait(STEP_DEADLINE_S):
            self.stop()
            raise AssertionError(f"not within {STEP_DEADLINE_S:g} s: mosquitto_sub's subscription")
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Stop, and check every payload against its schema."""
        self.stop()
        faults = [fault for message in self._received if (fault := find_fault(message.topic, message.payload))]
        assert error is not None or not faults, faults

    def stop(self) -> None:
        """End the process (by SIGKILL: mosquitto_sub's handler of SIGTERM disconnects from within, and may hang)."""
        self._process.kill()
        self._process.wait(STEP_DEADLINE_S)
        self._reader.join(STEP_DEADLINE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def pause(self) -> None:
        """Stop reading (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        self._process.send_signal(signal.SIGCONT)

    def catch_up(self) -> None:
        """Wait until all is here that the broker has taken so far, or had stored when we came; an ACL must let us say and hear MARKS."""
        mark = str(next(_numbers))
        subprocess.run([*self._mark_command, mark], check=True, timeout=STEP_DEADLINE_S)
        wait_until(lambda: mark in self._marks, "what the broker still had to deliver")

    def received(self, topic: str | None = None) -> list[Received]:
        """All messages so far, or those on one topic, in order."""
        return [message for message in list(self._received) if topic in (None, message.topic)]

    def payloads(self, topic: str) -> list[str]:
        """The payloads so far on one topic, in order."""
        return [message.payload for message in self.received(topic)]

    def wait_for(self, predicate: Callable[[Received], object], timeout_s: float = STEP_DEADLINE_S) -> Received:
        """The first message for which the predicate holds, past or to come."""
        try:
            wait_until(lambda: any(map(predicate, self.received())), "the message", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; received: {self._received}") from None
        return next(filter(predicate, self._received))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{") and line.endswith("\n"):  # else it was killed amid its last one
                fields = json.loads(line)
                if fields["topic"].startswith(MARKS):
                    self._marks.append(fields["payload"])
                    continue
                self._received.append(Received(fields["topic"], fields["payload"] or "", fields["qos"], bool(fields["retain"])))
            elif line.startswith("Subscribed"):
                self._subscribed.set()
