"""A reload of a daemon that runs: a machine that did not change loses neither a sample nor a decision, whatever is done to the others."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aegan_monitor.bundle import DIGEST_KEY, RECORD, digest_of
from aegan_monitor.demo import bundle_path
from aegan_monitor.demo.pump import Pump
from alternating import ALARM, HOP_SAMPLES, SCORE, AlternatingSound
from broker import Mosquitto, Subscriber, find_free_port, wait_until
from running import EVENT_TOPIC, Daemon
from synthetic import write_wav

RATE_HZ = 16_000
N_RELOADS = 6
LARGE_FILE, LARGE_BYTES, WRONG_SHA256 = "encoder.onnx", 4_000_000_000, 64 * "0"  # seconds at any disk's and core's best
MAX_THREADS = 8  # main, two captures, outbox, mqtt, and those of a session with two
PUMP = f"{{name: pump, bundle: {bundle_path()}, score: {SCORE}, alarm: {ALARM}, capture: {{kind: stdin, sample_format: s16le}}}}"


def fan(more: str = "", bundle: Path | None = None) -> str:
    """A machine that is in alarm after its first decision."""
    capture = "{kind: file, paths: [faulty.wav], loop: true}"
    alarm = "{quantile: 0.5, margin: 0, on_delay_s: 0}"
    return f"{{name: fan, bundle: {bundle or bundle_path()}, alarm: {alarm}, capture: {capture}{more}}}"


def write_config(folder: Path, port: int, *machines: str) -> Path:
    """A configuration, over the one before."""
    path = folder / "monitor.yaml"
    path.write_text(
        f"node: box\nhealth_interval_s: 1\nmqtt: {{host: 127.0.0.1, port: {port}, keepalive_s: 5, retry_s: 1}}\n"
        f"outbox: {{path: outbox.sqlite}}\nmachines: [{', '.join(machines)}]\n"
    )
    return path


def start_reload(daemon: Daemon) -> subprocess.Popen[str]:
    """As the unit does on `systemctl reload`."""
    return subprocess.Popen([sys.executable, "-m", "aegan_monitor.cli", "reload", str(daemon.pid)], stderr=subprocess.PIPE, text=True)


def reload(daemon: Daemon) -> tuple[int, str]:
    """Exit code, and what it said."""
    process = start_reload(daemon)
    _, told = process.communicate(timeout=30)
    return process.returncode, told


def make_slow_bundle(folder: Path) -> Path:
    """A bundle that is found wrong only after gigabytes of zeros, which take no place on the disk, were read."""
    shutil.copytree(bundle_path(), folder)
    with (folder / LARGE_FILE).open("wb") as file:
        file.truncate(LARGE_BYTES)
    record = json.loads((folder / RECORD).read_text())
    record["files"][LARGE_FILE] = {"sha256": WRONG_SHA256, "n_bytes": LARGE_BYTES}
    (folder / RECORD).write_text(json.dumps({**record, DIGEST_KEY: digest_of(record)}))
    return folder


def replace_fan(folder: Path, broker: Mosquitto, daemon: Daemon, subscriber: Subscriber) -> None:
    """Its alarm ends with an event that says why."""
    raised = subscriber.wait_for(lambda m: m.topic == "aegan/box/fan/event", 30.0).json()
    assert (raised["kind"], raised["sequence"]) == ("raised", 1)
    write_config(folder, broker.port, PUMP, fan(", no_data_s: 7"))
    assert reload(daemon) == (0, "")
    assert "reloaded: pump runs on, fan replaced\n" in daemon.log
    cleared = subscriber.wait_for(lambda m: m.topic == "aegan/box/fan/event" and m.json()["kind"] == "cleared").json()
    assert cleared["cause"] == "reconfigured: a reload has changed or removed the machine, and ended the alarm that was active before"
    assert cleared["sequence"] == 2
    subscriber.wait_for(lambda m: m.topic == "aegan/box/fan/alarm" and m.json()["event_id"] == cleared["id"] and not m.json()["active"])


def fail_to_load_a_slow_bundle(folder: Path, broker: Mosquitto, daemon: Daemon, subscriber: Subscriber) -> None:
    """Decisions go on while it is read; then the reason is told to whoever asked, in the log and in health."""
    slow = make_slow_bundle(folder / "slow")
    write_config(folder, broker.port, PUMP, fan(bundle=slow))
    with start_reload(daemon) as reloading:
        n_before = len(subscriber.received(EVENT_TOPIC))
        wait_until(lambda: len(subscriber.received(EVENT_TOPIC)) > n_before + 10, "decisions while a bundle is loaded")
        assert reloading.poll() is None
        _, told = reloading.communicate(timeout=60)
    refused = [line.partition(": the configuration from before stays in use: ")[2] for line in told.splitlines()]
    problem = refused[0]
    assert problem.startswith(f"{slow / LARGE_FILE}: expected sha256 {WRONG_SHA256[:12]}...")
    assert (reloading.returncode, told) == (1, f"aegan-monitor: reload: the configuration from before stays in use: {problem}\n")
    assert f"reload failed, the configuration from before stays in use: {problem}\n" in daemon.log
    subscriber.wait_for(lambda m: m.topic == "aegan/box/health" and m.json()["reload_problem"] == problem)


def remove_fan(folder: Path, broker: Mosquitto, daemon: Daemon, subscriber: Subscriber) -> None:
    """The broker forgets what it kept of it."""
    write_config(folder, broker.port, PUMP)
    assert reload(daemon) == (0, "")
    for kind in ("alarm", "sensor"):
        subscriber.wait_for(lambda m, kind=kind: m.topic == f"aegan/box/fan/{kind}" and m.payload == "")  # type: ignore[misc]
    with Subscriber(broker.port, "aegan/box/+/+") as later:
        later.wait_for(lambda m: m.topic == "aegan/box/pump/sensor" and m.retained)
        assert not [m for m in later.received() if "/fan/" in m.topic]
    with Subscriber(broker.port, "homeassistant/+/+/alarm/config") as later:
        later.wait_for(lambda m: "box_pump" in m.topic and m.retained)
        assert not [m for m in later.received() if "box_fan" in m.topic]


def change_broker(folder: Path, other: Mosquitto, daemon: Daemon, old: Subscriber, new: Subscriber) -> None:
    """One hears `offline`, then the other `online`, and the events."""
    write_config(folder, other.port, PUMP)
    assert reload(daemon) == (0, "")
    assert "reloaded: pump runs on, another connection to the broker\n" in daemon.log
    new.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "online")
    old.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "offline")
    wait_until(lambda: len(new.received(EVENT_TOPIC)) > 20, "events at the other broker")


@pytest.mark.broker
@pytest.mark.timeout(180)
def test_reloads_good_and_bad(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through all of them, the machine that did not change decides at each hop, without a hole."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    write_wav(tmp_path / "faulty.wav", Pump(41, fault_from_s=0.0).read(30 * RATE_HZ))
    config = write_config(tmp_path, broker.port, PUMP, fan())
    with contextlib.ExitStack() as ends:
        other = Mosquitto(tmp_path / "other")
        other.start()
        ends.callback(other.stop)
        daemon = ends.enter_context(Daemon(config, AlternatingSound()))
        old, new = (ends.enter_context(Subscriber(port, "aegan/box/#")) for port in (broker.port, other.port))
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


@pytest.mark.timeout(120)
def test_many_reloads_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each makes every session anew: memory, threads and files are those of the last."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    write_wav(tmp_path / "faulty.wav", Pump(41).read(10 * RATE_HZ))
    config = write_config(tmp_path, find_free_port(), PUMP, fan())
    text = config.read_text()
    with Daemon(config, AlternatingSound()) as daemon:
        wait_until(lambda: "sensor ok" in daemon.log, "sound", 30.0)
        process = Path("/proc", str(daemon.pid))

        def measure() -> tuple[float, int]:
            """Resident megabytes, and open files."""
            n_pages = int((process / "statm").read_text().split()[1])
            return n_pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list((process / "fd").iterdir()))

        before_mb, n_files = measure()
        for n_threads in [2, 1] * (N_RELOADS // 2):
            config.write_text(f"{text}inference: {{n_threads: {n_threads}}}\n")
            assert reload(daemon) == (0, "")
            wait_until(lambda: len(list((process / "task").iterdir())) <= MAX_THREADS, "the end of the reload's thread")
            resident_mb, n_files_now = measure()
            assert resident_mb < 2 * before_mb
            assert n_files_now == n_files
