"""A bundle is installed and taken back under live sound; a damaged file and a full disk leave the one that is there."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.tools.bundles.archive import write_archive
from aegan_monitor.tools.bundles.running import RunningDaemon, find_daemon
from alternating import HOP_SAMPLES, AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from command_line import CommandLine, assert_lines
from other_bundles import make_bundle, write_small_config
from running import EVENT_TOPIC, Daemon, write_config
from small_disk import run_on_small_disk
from synthetic import write_wav

RATE_HZ = 16_000
EVENTS_PER_S = 40.0
DEADLINE_S = 60.0
PAGE_BYTES = 4096  # of a tmpfs


def add_fan(config: Path) -> None:
    """Add a machine that hears recordings, with a bundle of its own."""
    text = config.read_text()
    capture = "{kind: file, paths: [fan.wav], loop: true}"
    config.write_text(text.replace("machines: [", f"health_interval_s: 1\nmachines: [{{name: fan, bundle: fan, capture: {capture}}}, "))


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_installed_and_taken_back_under_live_sound(
    aegan_monitor: CommandLine, broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other machine decides at every hop; health names the bundle in use after each step, and a damaged file changes nothing."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    write_wav(tmp_path / "fan.wav", Pump(41).read(30 * RATE_HZ))
    first, second = make_bundle(tmp_path / "fan", 1.0), make_bundle(tmp_path / "next", 2.0)
    write_archive(tmp_path / "next", tmp_path / "next.tar")
    damaged = bytearray((tmp_path / "next.tar").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.tar").write_bytes(damaged)
    config = write_config(tmp_path, broker.port)
    add_fan(config)
    of_fan = ("--config", config, "--machine", "fan")
    with Subscriber(broker.port) as subscriber, Daemon(config, AlternatingSound(), EVENTS_PER_S) as daemon:

        def wait_for_bundle(digest: str) -> None:
            """Wait until the last health message names it."""
            wait_until(lambda: find_last(subscriber)["fan"]["bundle_digest"] == digest, f"{digest} in use", DEADLINE_S)

        subscriber.wait_for(lambda m: m.topic == "aegan/box/health", DEADLINE_S)
        wait_until(lambda: daemon.n_logged > 5, "decisions", DEADLINE_S)
        wait_for_bundle(first)
        assert_lines(
            aegan_monitor("bundle", "install", tmp_path / "damaged.tar", *of_fan), 78, f"{tmp_path}/damaged.tar/.*: expected sha256 .*"
        )
        done = aegan_monitor("bundle", "install", tmp_path / "next.tar", *of_fan)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "the daemon has reloaded"), done.stderr
        wait_for_bundle(second)
        done = aegan_monitor("bundle", "rollback", *of_fan)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "the daemon has reloaded"), done.stderr
        wait_for_bundle(first)
        assert daemon.log.count("reloaded: fan replaced, pump runs on") == 2
        n_events = daemon.n_logged
        wait_until(lambda: len(subscriber.received(EVENT_TOPIC)) >= n_events, "all events until now")
        events = [message.json() for message in subscriber.received(EVENT_TOPIC)]
        pump = find_last(subscriber)["pump"]
    samples = dict(sorted((event["sequence"], event["sample"]) for event in events))
    assert list(samples) == list(range(1, len(samples) + 1))
    assert {later - sooner for sooner, later in itertools.pairwise(samples.values())} == {HOP_SAMPLES}
    assert (pump["gaps_total"], pump["dropped_samples_total"]) == (0, 0)


def find_last(subscriber: Subscriber) -> dict[str, dict[str, object]]:
    """The machines in the last health message."""
    machines: dict[str, dict[str, object]] = json.loads(subscriber.payloads("aegan/box/health")[-1])["machines"]
    return machines


def count_pages(folder: Path) -> int:
    """What its files take on a tmpfs."""
    return sum(-(-path.stat().st_size // PAGE_BYTES) for path in folder.iterdir())


@pytest.mark.mount
@pytest.mark.parametrize(
    ("n_free_pages", "line"), [(-100, "disk: the bundle takes 5.3 MB, and 4.[0-9] MB are free"), (-1, ".*: No space left on device")]
)
def test_a_full_disk(tmp_path: Path, n_free_pages: int, line: str) -> None:
    """One line, and neither the place nor the disk keeps anything of it, with the room seen before and without."""
    disk, pages = tmp_path / "disk", count_pages(demo_bundle())
    disk.mkdir()
    config = write_small_config(tmp_path, disk / "pump")
    command = [sys.executable, "-m", "aegan_monitor.cli", "bundle", "install", demo_bundle(), "--config", config]
    done = run_on_small_disk(disk, (pages + n_free_pages) * PAGE_BYTES, command)
    assert done.stdout == ""
    assert_lines(done, 1, f".*{line}.*")


HOLDER = """
import signal, sqlite3, sys
if sys.argv[2] == "reloads":
    signal.signal(signal.SIGHUP, lambda *_: None)
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE IF NOT EXISTS rows (row)")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["reloads", "ends"])
def test_only_a_process_that_reloads_gets_the_signal(tmp_path: Path, kind: str) -> None:
    """The process that has the outbox open is found by its lock; a backup or sqlite3, which SIGHUP would end, is no daemon."""
    outbox = tmp_path / "outbox.sqlite"
    assert find_daemon(outbox) is None
    command = [sys.executable, "-c", HOLDER, str(outbox), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        expected = RunningDaemon(holder.pid, os.environ.get("RUNTIME_DIRECTORY")) if kind == "reloads" else None
        assert find_daemon(outbox) == expected
        holder.communicate()
    assert find_daemon(outbox) is None
