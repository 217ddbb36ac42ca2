"""A plant drawn from one seed: machines, microphones, broker, disk, kills, reloads and commands. It replays exactly."""

import json
import random
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aegan_monitor.alarm.stored import read_record
from aegan_monitor.messages.payloads import Event
from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.backoff import LONGEST_RETRIAL_S
from aegan_monitor.service.runtime import Line
from checks import Checks
from depths import Depth, Scores, Sound
from microphones import Microphones
from simulated_broker import MemoryBroker
from simulated_daemon import TOPICS, Daemon, Fate, Killed
from troubles import LASTING, OF_BROKER, SLOWING, Trouble, draw_troubles
from witness import Witness

BEGAN_AT = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
NAMES = ("fan", "pump", "saw")
COMMANDS = ("acknowledge", "shelve", "unshelve", "close", "dance")  # the last one is none
RETAINED_SHARE = 0.1  # of the commands
WRITES_FIRST_SHARE = 0.7  # of the steps in which the outbox's thread runs before that of MQTT
CALM_S = 60.0  # from the last trouble to the last commands
MEMORY = Path("/dev/shm")  # noqa: S108 # a disk that needs no time


class Plant:
    """One plant, which runs by steps; `say` takes the lines of its story."""

    _daemon: Daemon | None

    def __init__(self, seed: int, depth: str, hours: float | None, folder: Path, say: Callable[[str], None]) -> None:
        """`hours` is the time with trouble; None draws it."""
        rng = self._rng = random.Random(f"{depth} {seed}")
        self.depth: Depth = Scores(rng) if depth == "scores" else Sound()
        self.names = NAMES[: rng.choice((1, 1, 2, 3)) if depth == "scores" else 1]
        self.now_s, self.hours = 0.0, hours or (72 ** rng.random() if depth == "scores" else 1.0)
        self._waiting = draw_troubles(rng, self.names, 3600 * self.hours)[::-1]
        self._broker, self._witness = MemoryBroker(), Witness()
        self._checks, self._microphones = Checks(self.depth, self.names, self._witness), Microphones(self.depth)
        self._folder, self._print = folder, say
        self._until_s = dict.fromkeys(((what, name) for what in LASTING for name in ("", *self.names)), -1.0)
        self._sizes, self._bundles = dict.fromkeys(self.names, 0.0), dict.fromkeys(self.names, 0)
        self._n_steps, self._n_commands, self._starts_at_s, self._clock_error_s = 0, 0, 0.0, 0.0
        self._daemon, self._fate, self._has_lost = None, Fate(), False
        self._sudden: dict[str, Callable[[str], object]] = {
            "command": lambda name: self._command(name, rng.choice(COMMANDS), is_retained=rng.random() < RETAINED_SHARE),
            "gap": lambda name: self._microphones.skip(name, rng.randrange(1, 10 * self.depth.step_samples)),
            "kill": lambda _: self._fate.doom(rng.randrange(12)),
            "stop": self._stop,
            "new settings": self._replace,
            "new bundle": self._replace,
            "connection cut": lambda _: self._broker.cut_after(rng.randrange(5)),
            "broker killed": lambda _: None,
            "clock set": lambda _: None,
        }

    def run(self) -> None:
        """Run the plant; then end all trouble, and let a fault of each machine begin that lasts.

        Raises:
            AssertionError: Something is not as it must be.
        """
        while self.now_s < 3600 * self.hours:
            while self._waiting and self._waiting[-1].at_s <= self.now_s:
                self._begin(self._waiting.pop())
            self._step()
        self._say("all trouble ends, and each machine has a fault")
        self._until_s = dict.fromkeys(self._until_s, -1.0)
        self._starts_at_s = self.now_s
        for name in self.names:
            self._begin(Trouble(self.now_s, "fault", name, self.now_s + 1e9))
        enough_s = max(map(self.depth.delay_s, self._sizes.values())) + LONGEST_RETRIAL_S + 10 * self.depth.clip_s
        ends_s = self.now_s + enough_s
        unshelved = set[str]()
        while self.now_s < ends_s and not (unshelved == set(self.names) and all(self._witness.of(name).is_shown for name in self.names)):
            self._step()
            if self._daemon is None:  # a kill that began before
                ends_s = self.now_s + enough_s
            if self.now_s > self._checks.calm_since_s + CALM_S:
                unshelved |= {name for name in self.names if name not in unshelved and self._command(name, "unshelve")}
        for name in self.names:
            assert self._witness.of(name).is_shown, f"{name}: a fault lasts, and no alarm is active in the end"
        self._stop("")

    def _say(self, text: str) -> None:
        self._print(f"{timedelta(seconds=round(self.now_s))!s:>16} {text}")

    def _is(self, what: str, machine: str = "") -> bool:
        return self.now_s < self._until_s[what, machine]

    def _wanted(self) -> list[str]:
        return [name for name in self.names if not self._is("left the configuration", name)] or [self.names[0]]

    def _begin(self, trouble: Trouble) -> None:
        what, name = trouble.what, trouble.machine
        self._say(trouble.describe())
        if what in LASTING:
            self._until_s[what, name] = max(self._until_s[what, name], trouble.until_s)
            if what == "fault":
                self._sizes[name] = self._rng.random() ** 3  # more weak ones than gross ones
                self._checks.begin_fault(name, self._sizes[name])
            return
        self._checks.disturb(self.now_s)
        if what == "new bundle":
            self._bundles[name] += 1
            self._checks.begin_run(name, forgets=True)
        if what == "clock set":
            self._clock_error_s = self._rng.choice((-1.0, 1.0)) * 10 ** self._rng.uniform(0, 5)
        if what == "broker killed":
            self._broker.is_doomed = True
        if self._daemon is not None:
            self._sudden[what](name)

    def _step(self) -> None:
        self.now_s += self.depth.step_s
        self._n_steps += 1
        self._set_conditions()
        for packet in self._broker.forward():
            if event := self._witness.hear(packet.topic, packet.payload):
                self._say(f"  {packet.topic.split('/')[2]}: event {event.sequence}, {event.kind}")
        if any(map(self._is, (*OF_BROKER, "busy processor"))) or not self._broker.is_connected:  # an answer is kept for a minute
            self._checks.excuse_commands()
        if self._daemon is not None:
            self._checks.look_at_delivered(self._daemon)
        elif self.now_s >= self._starts_at_s:
            self._start()
        for name in self.names:
            self._sound(name)
        if not self._is("busy processor"):
            self._survive(self._work)
            self._checks.look(self._daemon, self.now_s)

    def _set_conditions(self) -> None:
        broker = self._broker
        broker.is_down, broker.hangs, broker.refuses = map(self._is, OF_BROKER)
        if any(map(self._is, SLOWING)):
            self._checks.disturb(self.now_s)
        self._witness.look_at_refusals(self.now_s, is_refusing=broker.refuses)
        if self._daemon is not None:
            self._daemon.store.is_full = self._is("disk full")

    def _sound(self, name: str) -> None:
        is_faulty = self._is("fault", name)
        self._checks.sound(name, is_faulty=is_faulty)
        sound = self.depth.sound(self._n_steps, self._sizes[name] if is_faulty else None)
        if self._daemon is not None and (line := self._daemon.lines.get(name)):
            is_missing, has_gaps = self._is("missing microphone", name), self._is("gap after gap", name)
            self._microphones.listen(line, sound, self._n_steps, is_missing=is_missing, has_gaps=has_gaps)

    def _work(self) -> None:
        if self._daemon is None:
            return
        wanted = self._wanted()
        if set(wanted) != self._daemon.lines.keys():
            for name in set(wanted) ^ self._daemon.lines.keys():
                self._checks.begin_run(name, forgets=True)
            self._daemon.reload(wanted)
        self._daemon.work(writes_first=self._rng.random() < WRITES_FIRST_SHARE)

    def _command(self, name: str, command: str, *, is_retained: bool = False) -> bool:
        """Send a command; False if it does not reach the machine."""
        self._n_commands += 1
        command_id = f"c{self._n_commands}"
        duration = {"duration_s": round(10 ** self._rng.uniform(0, 4))} if command == "shelve" else {}
        payload = json.dumps({"command": command, "id": command_id, **duration}).encode()
        is_there = self._daemon is not None and name in self._daemon.lines
        if not is_there or not self._broker.command(TOPICS.name("command", name), payload, retained=is_retained):
            return False
        self._say(f"  {name}: {command}{' (retained)' if is_retained else ''} has reached the daemon")
        self._checks.expect_answer(command_id, self.now_s, is_retained=is_retained)
        return True

    def _stop(self, _: str) -> None:
        if self._daemon is not None:
            self._survive(self._daemon.end)
        if self._daemon is not None:  # it was not killed
            self._leave(self._rng.choice((0.0, 30.0, 600.0)))

    def _replace(self, name: str) -> None:
        daemon = self._daemon
        if daemon is not None and name in daemon.lines:
            self._survive(lambda: daemon.reload(list(daemon.lines), {name}))
            self._checks.begin_run(name)

    def _survive(self, act: Callable[[], None]) -> None:
        """Let the daemon do something, in which it may be killed."""
        try:
            act()
        except Killed:
            self._say("  the daemon is killed")
            if self._daemon is not None:
                self._daemon.die(self._rng.randrange(5))
            self._leave(self._rng.choice((0.0, 0.0, 20.0, 300.0, 3600.0)))

    def _leave(self, away_s: float) -> None:
        """The daemon has ended, and starts again after a time."""
        self._has_lost = self._daemon is not None and self._daemon.forgets
        self._daemon, self._starts_at_s = None, self.now_s + away_s
        self._checks.excuse_commands()

    def _start(self) -> None:
        self._say("  the daemon starts")
        self._checks.disturb(self.now_s)
        daemon = Daemon(
            self._folder / "outbox.sqlite", self._broker, self._fate, self._make_line, self._made, lambda: self.now_s, self._wall_time
        )
        daemon.load()
        for name in self.names:
            self._witness.restart(name, read_record(daemon.outbox.alarms.get(name)).sequence, has_lost=self._has_lost)
            self._checks.begin_run(name, forgets=self._has_lost, is_killed=True)
        self._daemon, self._has_lost = daemon, False
        self._survive(lambda: daemon.reload(self._wanted()))

    def _wall_time(self) -> datetime:
        return BEGAN_AT + timedelta(seconds=self.now_s + self._clock_error_s)

    def _make_line(self, name: str) -> Line:
        return self.depth.make_line(name, f"bundle {self._bundles[name]}")

    def _made(self, message: Message) -> None:
        if message.kind == "event" and self._daemon is not None:
            name = message.topic.split("/")[2]
            self._checks.look_at_event(name, Event.model_validate_json(message.payload), self._daemon.lines.get(name))


def run_plant(seed: int, depth: str = "scores", hours: float | None = None, say: Callable[[str], None] = lambda _: None) -> Plant:
    """Run the plant of a seed.

    Raises:
        AssertionError: Something is not as it must be; the text begins with the command that replays it.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        plant = Plant(seed, depth, hours, Path(folder), say)
        try:
            plant.run()
        except AssertionError as error:
            given = f" {hours:g}" if hours else ""
            raise AssertionError(f"tests/simulation/plant/plant.py {seed} {depth}{given}: after {plant.now_s:.0f} s: {error}") from error
    return plant
