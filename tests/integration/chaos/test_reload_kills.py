"""The daemon is killed around reloads that add, change and remove machines: events stay in order, and removed machines leave nothing."""

import json
import random
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.config.model import load_config
from aegan_monitor.errors import AeganError
from aegan_monitor.homeassistant.discovery import announce
from aegan_monitor.messages.topics import Topics
from aegan_monitor.service.reload_answer import NAME, request_reload
from alternating import QUANTILE, SCORE, AlternatingSound
from broker import Mosquitto, Received, Subscriber, wait_until
from chaos import IS_FULL, scaled
from outbox_messages import MemoryOutbox
from prepared import Prepared
from running import CLIP_HOPS, Daemon, find_retained
from synthetic import copy_demo_as_format_2, write_wav

N_LANES, N_KILLS = 2, scaled(16, at_least=3)  # in each lane
EVENTS_PER_S = 40.0
LONGEST_RELOAD_S, LONGEST_AFTER_S = 0.15, 0.05  # kills come so long after a reload was asked for, or after it was made
DEADLINE_S = 60.0
TOPICS = Topics("aegan", "box")
CAPTURES = {"pump": "{kind: stdin, sample_format: s16le}", "fan": "{kind: file, paths: [fan.wav], pace: fast}"}
STATUS = TOPICS.name("status")

EventKey = tuple[str, int, str]  # topic, number, id
Margins = dict[str, float]  # of each machine's alarm, which is all that changes of one


def change(margins: Margins, dice: random.Random) -> Margins:
    """Add, change or remove the fan, or change the pump."""
    name = dice.choice(["fan", "fan", "pump"])
    if name in margins and name == "fan" and dice.random() < 0.6:
        return {"pump": margins["pump"]}
    return {**margins, name: margins.get(name, 0.0) + 0.001}


def write_config(folder: Path, port: int, margins: Margins) -> Path:
    """Write the machines: each decision of the pump is an event, the few events of the fan come at once."""
    alarm = f"quantile: {QUANTILE}, on_delay_s: 0, off_delay_s: 0, margin"
    machines = [
        f"{{name: {name}, bundle: older, score: {SCORE}, alarm: {{{alarm}: {margin}}}, capture: {CAPTURES[name]}}}"
        for name, margin in margins.items()
    ]
    path = folder / "monitor.yaml"
    if not (folder / "older").exists():
        copy_demo_as_format_2(folder / "older")  # it knows no level of normal sound, and so judges each second
    path.write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {port}, keepalive_s: 5, retry_s: 1}}\noutbox: {{path: outbox.sqlite}}\n"
        f"machines: [{', '.join(machines)}]\n"
    )
    return path


class Lane:
    """A broker, a daemon that is killed repeatedly, and the observed messages."""

    def __init__(self, folder: Path, prepared: Prepared, sound: AlternatingSound, seed: int) -> None:
        self.phases: Counter[str] = Counter()
        self.stored: set[EventKey] = set()  # events that were on the disk
        self._folder, self._prepared, self._sound = folder, prepared, sound
        self._dice = random.Random(seed)
        self._margins: Margins = {"pump": 0.0}
        self._broker = Mosquitto(folder / "mosquitto", quiet=True)

    def run(self) -> None:
        """Run the whole lane."""
        loop = np.frombuffer(self._sound.pcm, "<i2")
        write_wav(self._folder / "fan.wav", np.tile(loop, CLIP_HOPS // 2 + 2))
        self._broker.start()
        try:
            with Subscriber(self._broker.port, "#") as subscriber:
                for _ in range(N_KILLS):
                    self._kill(subscriber)
                self._end(subscriber)
                self._judge(subscriber)
        finally:
            self._broker.stop()

    def _kill(self, subscriber: Subscriber) -> None:
        """One start, reload and kill."""
        config = write_config(self._folder, self._broker.port, self._margins)
        answer = self._folder / NAME
        answer.unlink(missing_ok=True)  # systemd removes the folder when a service ends
        environment = {"RUNTIME_DIRECTORY": str(self._folder)}
        process = self._prepared.start("aegan_monitor.cli", "main", [["run", "--config", str(config)]], environment)
        n_before = {text: subscriber.payloads(STATUS).count(text) for text in ("online", "offline")}
        with Daemon(config, self._sound, EVENTS_PER_S, process=process) as daemon:
            wait_until(lambda: subscriber.payloads(STATUS).count("online") > n_before["online"], "a connection", DEADLINE_S)
            wait_until(lambda: daemon.n_logged, "an event", DEADLINE_S)
            before, self._margins = self._margins, change(self._margins, self._dice)
            write_config(self._folder, self._broker.port, self._margins)
            reported: list[str] = []
            asking = threading.Thread(target=ask, args=(process.pid, answer, reported))
            asking.start()
            if self._dice.random() < 0.5:
                wait_until(lambda: "reloaded: " in daemon.log, "a reload", DEADLINE_S)
                time.sleep(self._dice.uniform(0.0, LONGEST_AFTER_S))
            else:
                time.sleep(self._dice.uniform(0.0, LONGEST_RELOAD_S))
            daemon.kill()
            asking.join(DEADLINE_S)
        wait_until(lambda: subscriber.payloads(STATUS).count("offline") > n_before["offline"], "its last will", DEADLINE_S)
        assert not [line for line in daemon.log.splitlines() if " ERROR " in line or "Traceback" in line], daemon.log
        assert reported in ([""], [f"reload: process {process.pid} cannot be reached (No such process); is the daemon running?"])
        known = self._read_store()
        kept = find_retained(subscriber.received())
        assert kept <= known, f"the broker keeps what the daemon does not know any more: {kept - known}"
        self._count("reloaded: " in daemon.log, reported == [""], before, {topic for topic in known if "fan" in topic})

    def _count(self, is_made: bool, is_answered: bool, before: Margins, of_fan: set[str]) -> None:
        """Count the phase in which the kill came."""
        self.phases["answered" if is_answered else "made" if is_made else "before it was made"] += 1
        if is_made and "fan" in before and "fan" not in self._margins:
            self.phases["fan to be cleared" if of_fan else "fan cleared"] += 1

    def _end(self, subscriber: Subscriber) -> None:
        """A last start without the fan, and a normal end."""
        self._margins = {"pump": 0.0}
        config = write_config(self._folder, self._broker.port, self._margins)
        outbox = MemoryOutbox()
        announce(load_config(config), TOPICS, outbox)
        wanted = set(outbox.everything().topics or ())
        with Daemon(config, self._sound, EVENTS_PER_S) as daemon:
            wait_until(lambda: daemon.n_logged, "an event", DEADLINE_S)
            wait_until(lambda: find_retained(subscriber.received()) == wanted, "the topics of the pump alone", DEADLINE_S)
            assert daemon.end() == 0, daemon.log
        assert self._read_store() == wanted
        wait_until(lambda: self.stored <= {key for key, _ in find_events(subscriber.received())}, "all events", DEADLINE_S)

    def _judge(self, subscriber: Subscriber) -> None:
        """Check that all events arrived once, in order, with consecutive numbers, and that the alarm of the removed fan has ended."""
        kinds: dict[str, list[tuple[int, str]]] = {}
        seen: set[EventKey] = set()
        for key, kind in find_events(subscriber.received()):
            topic, number, _ = key
            if key not in seen:
                seen.add(key)
                kinds.setdefault(topic, []).append((number, kind))
        for topic, events in kinds.items():
            assert [number for number, _ in events] == list(range(1, len(events) + 1)), topic
        of_fan = [kind for _, kind in kinds.get(TOPICS.name("event", "fan"), [])]
        assert not IS_FULL or "raised" in of_fan
        assert not of_fan or of_fan[-1] in ("cleared", "removed", "superseded")

    def _read_store(self) -> set[str]:
        """The stored retained topics, read from a copy so that the next start finds the file unchanged."""
        look = self._folder / "look"
        look.mkdir()
        for file in self._folder.glob("outbox.sqlite*"):
            shutil.copy(file, look / file.name)
        with closing(sqlite3.connect(look / "outbox.sqlite")) as connection:
            topics = {topic for (topic,) in connection.execute("SELECT topic FROM retained")}
            for topic, payload in connection.execute("SELECT topic, payload FROM rows"):
                event = json.loads(payload)
                self.stored.add((topic, event["sequence"], event["id"]))
        shutil.rmtree(look)
        return topics


def ask(pid: int, answer: Path, reported: list[str]) -> None:
    """Request a reload as `systemctl reload` does; returns its result."""
    try:
        request_reload(pid, answer)
    except AeganError as error:
        reported.append(str(error))
    else:
        reported.append("")


def find_events(messages: list[Received]) -> list[tuple[EventKey, str]]:
    """The events with their kind, in order."""
    events = [(message.topic, message.json()) for message in messages if message.topic.endswith("/event")]
    return [((topic, event["sequence"], event["id"]), event["kind"]) for topic, event in events]


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_kills_around_reloads_leave_nothing_behind(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """Kills before a reload, during it, and while its effects are published."""
    sound, began_s = AlternatingSound(), time.monotonic()
    with Prepared("aegan_monitor.cli", "aegan_monitor.service.monitor", "onnxruntime") as prepared, ThreadPoolExecutor(N_LANES) as pool:
        lanes = [Lane(tmp_path / str(seed), prepared, sound, seed) for seed in range(N_LANES)]
        list(pool.map(Lane.run, lanes))
    phases = sum((lane.phases for lane in lanes), Counter[str]())
    figure(f"{N_LANES * N_KILLS} kills in {time.monotonic() - began_s:.0f} s: {dict(phases.most_common())}")
    of_fan = phases["fan cleared"] + phases["fan to be cleared"]
    assert not IS_FULL or min(phases["before it was made"], phases["answered"], of_fan) > 0, phases
