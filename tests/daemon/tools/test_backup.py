"""The backup: everything that the configuration names, in one file, from which a device is restored."""

import sqlite3
import tarfile
from contextlib import closing
from itertools import count, islice
from pathlib import Path

import pytest

from aegan_monitor.cli import main
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.store import HistoryStore
from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.entry import Entry
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.store import Store
from aegan_monitor.tools.backup import copy_held
from histories import BEGAN

ADD = "INSERT INTO events (time, machine, source, kind, text, by) VALUES (?, 'pump', 'alarm', 'raised', 'too loud', '')"


class Device:
    """A device with a history, an outbox, evidence of one case and one that is just written."""

    def __init__(self, folder: Path) -> None:
        self.state, self.config = folder / "state", folder / "monitor.yaml"
        self.config.write_text(
            f"node: box\noutbox: {{path: ../{folder.name}/state/outbox.sqlite}}\nmqtt: {{username: u, password_file: secret}}\n"
            f"machines: [{{name: pump, bundle: {demo_bundle()}}}, {{name: fan, bundle: {demo_bundle()}}}]\n"
        )
        (folder / "secret").write_text("a secret")
        self.history, self.outbox = HistoryStore(self.state / "history-box.sqlite", 10), Store(self.state / "outbox.sqlite")
        self.outbox.open()
        self.history.write([], [(ADD, (BEGAN.timestamp(),))])
        self.outbox.write(Changes([Entry(1, Message("aegan/box/pump/event", b"{}", 1, False, "event"), 1.0)]))
        for name in ("pump/c1/sound.flac", "pump/c2.tmp/sound.flac"):
            path = self.state / "evidence-box" / name
            path.parent.mkdir(parents=True)
            path.write_bytes(b"sound")

    def close(self) -> None:
        """End the monitor."""
        self.history.close()
        self.outbox.close()


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """One in a folder of its own."""
    return Device(tmp_path)


def restore(out: Path, root: Path) -> None:
    """As the documentation says, to another root."""
    with tarfile.open(out) as tar:
        tar.extractall(root, filter="data")


def test_a_stopped_monitor_comes_back_whole(device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Configuration, bundle, outbox, history and evidence, each at its path; no secret, nothing half-written."""
    device.close()
    assert main(["backup", "--config", str(device.config), str(tmp_path / "b.tar")]) == 0
    restore(tmp_path / "b.tar", tmp_path / "root")
    state = tmp_path / "root" / device.state.relative_to("/")
    assert (tmp_path / "root" / device.config.relative_to("/")).read_bytes() == device.config.read_bytes()
    assert sorted(path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file()) == [
        *("evidence-box/pump/c1/sound.flac", "history-box.sqlite", "outbox.sqlite")
    ]
    assert [event.text for event in HistoryReader(state / "history-box.sqlite").read_events()] == ["too loud"]
    assert len(Store(state / "outbox.sqlite").open().added) == 1
    bundle = tmp_path / "root" / demo_bundle().relative_to("/")
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == {path.name: path.read_bytes() for path in demo_bundle().iterdir()}
    assert b"a secret" not in (tmp_path / "b.tar").read_bytes()
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    assert "without passwords and certificates; on another device set another node" in capsys.readouterr().out


def test_a_running_monitor_is_backed_up(device: Device, tmp_path: Path) -> None:
    """What outbox and history have written is in the backup, also where it is in their logs alone."""
    assert main(["backup", "--config", str(device.config), str(tmp_path / "b.tar")]) == 0
    device.close()
    restore(tmp_path / "b.tar", tmp_path / "root")
    state = tmp_path / "root" / device.state.relative_to("/")
    assert [event.text for event in HistoryReader(state / "history-box.sqlite").read_events()] == ["too loud"]
    assert [event.number for event in Store(state / "outbox.sqlite").open().added] == [1]


def test_a_log_that_is_brought_into_the_file_meanwhile_spoils_no_copy(tmp_path: Path) -> None:
    """Between the copies of file and log the monitor writes so much that the log begins again: both are copied once more."""
    store, copied, numbers = Store(tmp_path / "o.sqlite"), list[Path](), count(1)
    store.open()

    def write(n_transactions: int) -> None:
        for number in islice(numbers, n_transactions):
            event = Entry(number, Message("aegan/box/pump/event", b"x" * 50_000, 1, False, "event"), 1.0)
            store.write(Changes([event], [number - 10], {"pump": b"%d" % number}))

    def copy_disturbed(source: Path, target: Path) -> None:
        copied.append(source)
        target.write_bytes(source.read_bytes())
        if len(copied) == 1:
            write(100)

    write(60)
    copy_held(store.path, tmp_path / "copy.sqlite", copy_disturbed)
    store.close()
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as copy:
        assert copy.execute("SELECT max(row), count(*), CAST(record AS INTEGER) FROM rows, alarms").fetchone() == (160, 10, 160)
    assert len(copied) >= 4


def test_a_file_that_exists_is_kept(device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line; nothing is left beside it."""
    device.close()
    (tmp_path / "b.tar").write_text("older")
    before = sorted(tmp_path.iterdir())
    assert main(["backup", "--config", str(device.config), str(tmp_path / "b.tar")]) == 1
    assert capsys.readouterr().err == f"aegan-monitor: {tmp_path}/b.tar: already exists and is kept; choose another name, or remove it\n"
    assert (sorted(tmp_path.iterdir()), (tmp_path / "b.tar").read_text()) == (before, "older")


def test_a_damaged_history_does_not_stop_the_rest(device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says which file; the exit code says that something is missing."""
    device.close()
    (device.state / "history-box.sqlite").write_bytes(b"no database" * 1000)
    assert main(["backup", "--config", str(device.config), str(tmp_path / "b.tar")]) == 1
    assert "history-box.sqlite: damaged (file is not a database)" in capsys.readouterr().err
    restore(tmp_path / "b.tar", tmp_path / "root")
    with closing(sqlite3.connect(tmp_path / "root" / device.state.relative_to("/") / "outbox.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM rows").fetchone() == (1,)


def test_a_part_that_is_missing_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a bundle or an outbox no device can be restored: one line for each, and the rest is in the file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    (tmp_path / "monitor.yaml").write_text("node: box\nmachines: [{name: pump, bundle: none}, {name: fan, bundle: none}]\n")
    assert main(["backup", "--config", str(tmp_path / "monitor.yaml"), str(tmp_path / "b.tar")]) == 1
    bundle, outbox = capsys.readouterr().err.splitlines()
    assert bundle.startswith(f"aegan-monitor: {tmp_path}/none: no such bundle folder")
    assert outbox.startswith(f"aegan-monitor: {tmp_path}/home/aegan-monitor/outbox-box.sqlite: no such outbox")
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert [Path(name).name for name in tar.getnames()] == ["monitor.yaml"]


def test_a_folder_that_cannot_be_written_leaves_nothing(device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and no temporary file."""
    device.close()
    assert main(["backup", "--config", str(device.config), str(tmp_path / "missing" / "b.tar")]) == 1
    assert "No such file or directory" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.tmp"))
