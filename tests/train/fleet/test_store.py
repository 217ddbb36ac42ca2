"""Recordings in a store: an S3 on the loopback address, and what is no store."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.errors import DataError
from aegan_train.fleet.store import COPIES, fetched, list_recordings
from train.fleet.conftest import N_CLIPS, WritePlant

FLEET = (sys.executable, "-m", "aegan_train.cli", "fleet")
pytestmark = [pytest.mark.s3, pytest.mark.timeout(600)]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket `plant`; stopped, it is gone."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        *(("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_DEFAULT_REGION", "us-east-1")),
        *(("AWS_MAX_ATTEMPTS", "1"), ("AWS_EC2_METADATA_DISABLED", "true")),
    ):
        monkeypatch.setenv(name, value)
    run_s3("mkdir", "s3://plant")
    yield server
    server.stop()


def run_s3(method: str, *arguments: object) -> None:
    """Call a method of the store's file system, in a process of its own: it keeps connections and threads."""
    program = f"import fsspec, sys; fsspec.filesystem('s3').{method}(*sys.argv[1:], **{{'recursive': True}} if {method == 'put'} else {{}})"
    subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=True, env=dict(os.environ))


def run_fleet(plant: Path) -> tuple[int, dict[str, Any], str]:
    """Exit code, machines and what was printed."""
    done = subprocess.run([*FLEET, str(plant)], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    report = json.loads((plant.parent / "fleet" / "fleet.json").read_text())
    return done.returncode, {machine["name"]: machine for machine in report["machines"]}, done.stdout


def test_a_store_gives_the_same_bundle_as_a_folder(store: Any, write_plant: WritePlant, tmp_path: Path) -> None:
    """What lies in S3 is copied for a task alone. What was done is known again, and a store that is gone is a line."""
    near = write_plant("  - {name: a}\n", {"a": N_CLIPS}, tmp_path / "near")
    run_s3("put", f"{tmp_path}/near/recordings/", "s3://plant/recordings/")
    far = write_plant("  - {name: a}\n  - {name: gone}\n", {}, tmp_path / "far")
    far.write_text(f"recordings: s3://plant/recordings\n{far.read_text()}")
    code, machines, printed = run_fleet(far)
    assert (code, machines["a"]["state"]) == (1, "complete"), printed
    assert machines["gone"]["problem"].startswith("s3://plant/recordings/gone: no WAV or FLAC recording there")
    assert machines["a"]["bundle_digest"] == run_fleet(near)[1]["a"]["bundle_digest"]
    assert "2 tasks, of which 2 were done before" in run_fleet(far)[2]
    store.stop()
    code, machines, printed = run_fleet(far)
    assert code == 1
    assert machines["a"]["problem"].startswith("s3://plant/recordings/a: cannot be read: ")
    assert "\n" not in machines["a"]["problem"]


@pytest.mark.parametrize(
    ("place", "words"),
    [("nothing://a/b", "expected a folder, or an address as s3://bucket/folder"), ("memory://empty", "no WAV or FLAC recording there")],
)
def test_what_is_no_store_is_refused(place: str, words: str) -> None:
    """One line says what is expected."""
    with pytest.raises(DataError, match=words):
        list_recordings(place)


def test_copies_of_killed_processes_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next task on that computer removes them; those of a process that runs stay, and a task without a store makes no folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with subprocess.Popen(["true"]) as ended:
        pass
    (tmp_path / f"{COPIES}{ended.pid}-x" / "0").mkdir(parents=True)
    running = tmp_path / f"{COPIES}{os.getppid()}-x"
    running.mkdir()
    with fetched(["--data", "recordings"]) as arguments:
        assert arguments == ["--data", "recordings"]
        assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(DataError), fetched(["nothing://a"]):
        pass
    assert list(tmp_path.iterdir()) == [running]
