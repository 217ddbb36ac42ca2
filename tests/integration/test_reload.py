"""Reloads of a running daemon: a machine that did not change loses no sample and no decision."""

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import DIGEST_KEY, RECORD, demo_bundle, digest_of
from alternating import ALARM, HOP_SAMPLES, SCORE, AlternatingSound
from broker import Mosquitto, Subscriber, find_free_port, wait_until
from running import EVENT_TOPIC, Daemon, find_retained
from synthetic import copy_demo_as_format_2, write_wav

RATE_HZ = 16_000
N_RELOADS = 6
N_LOOKS = 9  # at what is open: an attempt to reach the broker, and the memory's figure for health, come and go for moments
N_DECISIONS = 10  # at least while a slow bundle is read, of forty a second
DEADLINE_S = 120.0
LARGE_FILE, LARGE_BYTES, WRONG_SHA256 = "encoder.onnx", 2_000_000_000, 64 * "0"  # a second at any disk's and core's best
EVENTS_PER_S = 40.0
MAX_THREADS = 8  # main, two captures, outbox, mqtt, and those of a session with two
YARD = f"{{name: yard, bundle: {demo_bundle()}}}"  # as it is made, the log says that its bundle means nothing at a microphone
PUMP = f"{{name: pump, bundle: older, score: {SCORE}, alarm: {ALARM}, capture: {{kind: stdin, sample_format: s16le}}}}"


def fan(more: str = "", bundle: Path | None = None) -> str:
    """A machine that is in alarm after its first decision."""
    capture = "{kind: file, paths: [faulty.wav], loop: true}"
    alarm = "{quantile: 0.5, margin: 0, on_delay_s: 0}"
    return f"{{name: fan, bundle: {bundle or demo_bundle()}, alarm: {alarm}, capture: {capture}{more}}}"


def write_config(folder: Path, port: int, *machines: str) -> Path:
    """Overwrite the configuration."""
    path = folder / "monitor.yaml"
    if not (folder / "older").exists():
        copy_demo_as_format_2(folder / "older")  # it knows no level of normal sound, and so judges each second
    path.write_text(
        f"node: box\nhealth_interval_s: 1\nmqtt: {{host: 127.0.0.1, port: {port}, keepalive_s: 5, retry_s: 1}}\n"
        f"outbox: {{path: outbox.sqlite}}\nmachines: [{', '.join(machines)}]\n"
    )
    return path


def reload(daemon: Daemon) -> tuple[int, str]:
    """Reload as the unit does on `systemctl reload`: exit code and output."""
    command = [sys.executable, "-m", "aegan_monitor.cli", "reload", str(daemon.pid)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=DEADLINE_S)
    return done.returncode, done.stderr


def wait_for_log(daemon: Daemon, text: str) -> None:
    """Wait until the log reader has this line."""
    wait_until(lambda: text in daemon.log, f"{text!r} in its log", DEADLINE_S)


def make_slow_bundle(folder: Path) -> Path:
    """A bundle whose damage is found only after reading gigabytes of zeros (a sparse file)."""
    shutil.copytree(demo_bundle(), folder)
    with (folder / LARGE_FILE).open("wb") as file:
        file.truncate(LARGE_BYTES)
    record = json.loads((folder / RECORD).read_text())
    record["files"][LARGE_FILE] = {"sha256": WRONG_SHA256, "n_bytes": LARGE_BYTES}
    (folder / RECORD).write_text(json.dumps({**record, DIGEST_KEY: digest_of(record)}))
    return folder


def replace_fan(folder: Path, broker: Mosquitto, daemon: Daemon, subscriber: Subscriber) -> None:
    """Replace the fan by another with the same bundle and threshold: its alarm keeps its id, without an event."""
    raised = subscriber.wait_for(lambda m: m.topic == "aegan/box/fan/event", DEADLINE_S).json()
    assert (raised["kind"], raised["sequence"]) == ("raised", 1)
    write_config(folder, broker.port, PUMP, fan(", no_data_s: 7"))
    assert reload(daemon) == (0, "")
    wait_for_log(daemon, "reloaded: pump runs on, fan replaced\n")
    kept = subscriber.wait_for(lambda m: m.topic == "aegan/box/fan/alarm" and not m.json()["confirmed"] and m.json()["active"]).json()
    assert kept["alarm_id"] == kept["event_id"] == raised["id"]
    subscriber.wait_for(lambda m: m.topic == "aegan/box/fan/alarm" and m.json()["confirmed"] and m.json()["alarm_id"] == raised["id"])


def fail_to_load_a_slow_bundle(folder: Path, broker: Mosquitto, daemon: Daemon, subscriber: Subscriber) -> None:
    """Decisions continue while the bundle is read; then caller, log and health give the reason."""
    slow = make_slow_bundle(folder / "slow")
    write_config(folder, broker.port, PUMP, YARD, fan(bundle=slow))
    code, reported = reload(daemon)
    refused = [line.partition(": the configuration from before stays in use: ")[2] for line in reported.splitlines()]
    problem = refused[0]
    assert problem.startswith(f"{slow / LARGE_FILE}: expected sha256 {WRONG_SHA256[:12]}...")
    assert (code, reported) == (1, f"aegan-monitor: reload: the configuration from before stays in use: {problem}\n")
    failure = f"reload failed, the configuration from before stays in use: {problem}\n"
    wait_for_log(daemon, failure)
    meanwhile = daemon.log.partition(" yard: its bundle is the demo's")[2].partition(failure)[0]
    assert meanwhile.count(" pump: alarm ") > N_DECISIONS, meanwhile
    subscriber.wait_for(lambda m: m.topic == "aegan/box/health" and m.json()["reload_problem"] == problem)


def remove_fan(folder: Path, broker: Mosquitto, daemon: Daemon, subscriber: Subscriber) -> None:
    """Remove the fan: its alarm ends with `removed`, and its retained topics are cleared."""
    write_config(folder, broker.port, PUMP)
    assert reload(daemon) == (0, "")
    removed = subscriber.wait_for(lambda m: m.topic == "aegan/box/fan/event" and m.json()["kind"] == "removed").json()
    assert (removed["sequence"], removed["active"]) == (2, False)
    is_of_fan = re.compile("aegan/box/fan/(alarm|sensor)$|homeassistant/[^/]+/box_fan/").match
    wait_until(lambda: not any(map(is_of_fan, find_retained(subscriber.received()))), "the end of what was kept of the fan")
    with Subscriber(broker.port) as later:
        wait_until(lambda: find_retained(later.received()) == find_retained(subscriber.received()), "what is kept now")
        assert any(topic.startswith("homeassistant/") for topic in find_retained(later.received()))
        assert not [m for m in later.received() if m.retained and is_of_fan(m.topic)]


def change_broker(folder: Path, other: Mosquitto, daemon: Daemon, old: Subscriber, new: Subscriber) -> None:
    """Change the broker: the old one receives `offline`, the new one `online` and the events."""
    write_config(folder, other.port, PUMP)
    assert reload(daemon) == (0, "")
    wait_for_log(daemon, "reloaded: pump runs on, another connection to the broker\n")
    new.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "online")
    old.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "offline")
    wait_until(lambda: len(new.received(EVENT_TOPIC)) > 20, "events at the other broker")


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_reloads_good_and_bad(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over successful and failed reloads the unchanged machine decides at every hop."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    write_wav(tmp_path / "faulty.wav", Pump(41, fault_from_s=0.0).read(30 * RATE_HZ))
    config = write_config(tmp_path, broker.port, PUMP, fan())
    with contextlib.ExitStack() as ends:
        other = Mosquitto(tmp_path / "other")
        other.start()
        ends.callback(other.stop)
        old, new = (ends.enter_context(Subscriber(port)) for port in (broker.port, other.port))
        daemon = ends.enter_context(Daemon(config, AlternatingSound(), EVENTS_PER_S))
        replace_fan(tmp_path, broker, daemon, old)
        fail_to_load_a_slow_bundle(tmp_path, broker, daemon, old)
        remove_fan(tmp_path, broker, daemon, old)
        change_broker(tmp_path, other, daemon, old, new)
        assert daemon.end() == 0
        new.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "offline")
        health = json.loads(new.payloads("aegan/box/health")[-1])["machines"]["pump"]
        events = [message.json() for message in (*old.received(EVENT_TOPIC), *new.received(EVENT_TOPIC))]
    samples = dict(sorted((event["sequence"], event["sample"]) for event in events))
    assert list(samples) == list(range(1, len(samples) + 1))
    hops = [later - sooner for sooner, later in itertools.pairwise(samples.values())]
    assert hops == [HOP_SAMPLES] * (len(samples) - 1)
    assert (health["gaps_total"], health["dropped_samples_total"]) == (0, 0)


@pytest.mark.timeout(300)
def test_many_reloads_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many reloads that replace every session leave no memory, thread or file behind."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    write_wav(tmp_path / "faulty.wav", Pump(41).read(10 * RATE_HZ))
    config = write_config(tmp_path, find_free_port(), PUMP, fan())
    text = config.read_text()
    with Daemon(config, AlternatingSound()) as daemon:
        wait_until(lambda: all(f" {name}: sensor ok" in daemon.log for name in ("pump", "fan")), "sound of both", DEADLINE_S)
        process = Path("/proc", str(daemon.pid))

        def measure_mb() -> float:
            """Resident memory in MB."""
            return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

        def count_files() -> int:
            """The open files, without short-lived ones."""
            return len(list((process / "fd").iterdir()))

        def reload_with(n_threads: int) -> None:
            """Reload so that every session is replaced."""
            config.write_text(f"{text}inference: {{n_threads: {n_threads}}}\n")
            assert reload(daemon) == (0, "")
            wait_until(lambda: len(list((process / "task").iterdir())) <= MAX_THREADS, "the end of the reload's thread")

        before_mb = measure_mb()
        reload_with(2)
        n_files = min(count_files() for _ in range(N_LOOKS))  # what is opened once, on first use, is open by now
        for n_threads in [1, 2] * (N_RELOADS // 2):
            reload_with(n_threads)
            assert measure_mb() < 2 * before_mb
            wait_until(lambda: count_files() <= n_files, f"{n_files} open files, as after the first reload")
