"""Cases of the past: from the history on the daemon's computer, with and without its broker."""

from datetime import timedelta
from pathlib import Path

import pytest

from aegan_monitor.cli import main
from aegan_monitor.history.records import Records
from aegan_monitor.history.store import HistoryStore
from example_messages import TIME, make_event
from plant_messages import CASE, make_alarm

CONFIG = "node: hall\nmqtt: {host: 127.0.0.1, port: 9}\nhistory: {path: h.sqlite}\nmachines: [{name: pump, bundle: b}]\n"
REFUSED = "Connection refused; no broker listens there; start it, or correct "


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with a configuration whose broker does not run, and a history with a case that has ended."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monitor.yaml").write_text(CONFIG)
    event = make_event(1).model_copy(update={"case": CASE, "cause": CASE.cause})
    ended = make_alarm(since=TIME + timedelta(minutes=5))
    store, records = HistoryStore(tmp_path / "h.sqlite", 10), Records()
    store.write([], [statement for payload in (event, ended) for statement in records.make_statements("pump", payload)])
    store.close()
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_without_the_broker_the_history_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning says that the broker is away."""
    assert main(["cases"]) == 0
    done = capsys.readouterr()
    assert done.err.startswith(f"aegan-monitor: MQTT broker 127.0.0.1:9: {REFUSED}")
    assert done.out.splitlines()[0].split()[:4:3] == ["5b0b5f4c", "pump"]
    assert main(["cases", "5b0b"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("  raised")
    assert main(["cases", "nix"]) == 1
    assert capsys.readouterr().err.endswith("no case 'nix'; list them with: aegan-monitor cases\n")


def test_a_damaged_history_is_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then the broker alone is left."""
    (folder / "h.sqlite").write_bytes(b"no database")
    assert main(["cases"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("; without the history, only open cases are known")
    assert second.startswith(f"aegan-monitor: MQTT broker 127.0.0.1:9: {REFUSED}")


def test_another_node_has_its_history_elsewhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --topic the history of this node is not read."""
    assert (folder / "h.sqlite").exists()
    assert main(["cases", "--topic", "aegan/mill"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
