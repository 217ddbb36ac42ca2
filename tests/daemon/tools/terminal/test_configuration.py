"""`config init` writes a configuration that loads, and loses nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.cli import main
from aegan_monitor.config.model import load_config
from aegan_monitor.errors import AeganError, ConfigError
from aegan_monitor.tools.terminal.configuration import fill_template, read_template, split_broker, write_configuration


def test_the_values_stand_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Comments stay in their column where there is room, and a relative bundle is found from the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    options = [
        "--machine",
        "press-2",
        "--bundle",
        "bundles/press",
        "--device",
        "usb:1-1.4",
        "--broker",
        "broker.example:1884",
        "--privacy",
        "true",
    ]
    assert main(["config", "init", "etc/m.yaml", *options]) == 0
    assert capsys.readouterr().out == "etc/m.yaml: written; next: aegan-monitor check --config etc/m.yaml\n"
    config = load_config(Path("etc/m.yaml"))
    assert (config.mqtt.host, config.mqtt.port, config.machines[0].name) == ("broker.example", 1884, "press-2")
    assert config.evidence.privacy
    assert config.machines[0].bundle.resolve() == tmp_path / "bundles" / "press"
    assert config.machines[0].capture.device == "usb:1-1.4"  # type: ignore[union-attr]
    lines = zip(read_template().splitlines(), Path("etc/m.yaml").read_text().splitlines(), strict=True)
    changed = [(before, after) for before, after in lines if before != after]
    moved = [before for before, after in changed[1:] if len(before.partition("#")[0]) != len(after.partition("#")[0])]
    assert moved == [] or "bundle" in moved[0]  # the folder of the test may be longer than that of the template


def test_without_options_the_defaults_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is asked without a terminal; the last line says what is left to do."""
    path = tmp_path / "monitor.yaml"
    assert main(["config", "init", str(path)]) == 0
    assert capsys.readouterr().out == (f"{path}: written; next: set the machine's bundle in it, then aegan-monitor check --config {path}\n")
    assert load_config(path).mqtt.host == "localhost"


def test_an_existing_file_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file stays as it is, and one line says so; so does a link that leads nowhere."""
    path, link = tmp_path / "monitor.yaml", tmp_path / "link.yaml"
    path.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    for each in (path, link):
        assert main(["config", "init", str(each)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line == f"aegan-monitor: {each}: already exists and is kept; name another file, or remove it"
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value", "line"),
    [
        ("--machine", "Pumpe 1", "config init: --machine: expected letters, digits, - and _, the first a letter or digit, found 'Pumpe 1'"),
        ("--broker", "mqtt://x", "config init: --broker: expected a host name or address, without scheme and port, found 'mqtt://x'"),
        ("--broker", "x:99999", "config init: --broker: expected a whole number from 1 to 65535 or null, found 99999"),
        ("--device", "", "config init: --device: expected text or null, found ''"),
    ],
)
def test_a_wrong_value_is_named_by_its_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, line: str
) -> None:
    """One line, and no file."""
    assert main(["config", "init", str(tmp_path / "m.yaml"), option, value]) == 78
    assert capsys.readouterr().err == f"aegan-monitor: {line}\n"
    assert not (tmp_path / "m.yaml").exists()


def test_a_wrong_answer_is_asked_for_again(tmp_path: Path) -> None:
    """At a terminal; an empty answer is the default, and an option needs no question."""
    answers, asked, reported = iter(["hall", "Pumpe 1", "pump-1", "", "~/x", "perhaps", "true"]), list[str](), list[str]()

    def ask(question: str) -> str:
        asked.append(question)
        return next(answers)

    write_configuration(tmp_path / "m.yaml", {"broker": "h"}, ask, reported.append)
    assert [question.split()[0] for question in asked] == ["Name", "Name", "Name", "Folder", "Microphone,", "Privacy:", "Privacy:"]
    assert len(reported) == 3
    config = load_config(tmp_path / "m.yaml")
    assert (config.node, config.machines[0].name, config.mqtt.host, config.evidence.privacy) == ("hall", "pump-1", "h", True)


def test_broken_off_questions_leave_nothing(tmp_path: Path) -> None:
    """Ctrl-D writes no file."""

    def ask(_: str) -> str:
        raise EOFError

    with pytest.raises(AeganError, match="nothing was written"):
        write_configuration(tmp_path / "m.yaml", {}, ask, print)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [("h", ("h", None)), ("h:1", ("h", "1")), ("[::1]:2", ("::1", "2")), ("::1", ("::1", None)), ("[fe80::1%lo]", ("fe80::1%lo", None))],
)
def test_a_broker_has_a_port_or_none(text: str, found: tuple[str, str | None]) -> None:
    """IPv6 addresses have colons of their own."""
    assert split_broker(text) == found


def texts() -> Iterator[str]:
    """Texts that YAML reads as something else."""
    yield from ("no", "null", "~", "2024-13-45", "1e3", "0x10", "a: b", "# c", "'", '"', "\\", "\u2028", "!!bool maybe", "- x", "{}", "é")


@settings(max_examples=30)
@given(st.one_of(st.text(min_size=1, max_size=40), st.sampled_from(list(texts()))))
def test_any_device_is_kept_or_refused(device: str) -> None:
    """What YAML would read as something else is put in quotes."""
    try:
        text = fill_template({"device": device}, Path())
    except ConfigError:
        return
    import yaml

    assert yaml.safe_load(text)["machines"][0]["capture"]["device"] == device
