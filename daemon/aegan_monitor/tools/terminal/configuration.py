"""`aegan-monitor config`: a configuration with every key and a comment, and with what is known of this computer."""

import json
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

import aegan_monitor
from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.config.names import make_name
from aegan_monitor.config.validation import validate
from aegan_monitor.errors import AeganError, ConfigError

WHERE = "config init"
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_NO_TEXT = ("port", "privacy")  # keys that are written as they are given


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that each computer has of its own: its key, its line in the template, and the question for it."""

    key: str
    line: str
    question: str


SETTINGS: Mapping[str, Setting] = {  # by the option
    "node": Setting("node", "# node: pump-house", "Name of this computer, unlike any other at the broker"),
    "machine": Setting("machines[0].name", "name: pump", "Name of the machine"),
    "bundle": Setting("machines[0].bundle", "bundle: /var/lib/aegan-monitor/bundle", "Folder of its bundle, which aegan-export wrote"),
    "device": Setting(
        "machines[0].capture.device", "device: null", "Microphone, as aegan-monitor devices lists it; null is the system's default"
    ),
    "broker": Setting("mqtt.host", "host: localhost", "MQTT broker, HOST or HOST:PORT"),
    "privacy": Setting("evidence.privacy", "privacy: false", "Privacy: true keeps no sound of alarms (speech is personal data)"),
}


def read_template() -> str:
    """The configuration with all defaults, without the first line, which is for editors in a checkout."""
    package = Path(aegan_monitor.__file__).parent
    places = package / "monitor.yaml", package.parents[1] / "configs" / "monitor.yaml"  # in a wheel, in a checkout
    return next(filter(Path.is_file, places)).read_text(encoding="utf-8").partition("\n")[2]


def write_configuration(path: Path, given: Mapping[str, str], ask: Callable[[str], str] | None, report: Callable[[str], object]) -> None:
    """Write a configuration with the values of the options; without an option `ask` gives it, and without `ask` the default stays.

    Raises:
        AeganError: The file exists: it is kept. Or the questions are broken off.
        ConfigError: A value is wrong; nothing is written.
    """
    if os.path.lexists(path):
        raise AeganError(f"{path}: already exists and is kept; name another file, or remove it")
    values = dict(given)
    fill_template(values, path.parent)
    for option, setting in SETTINGS.items() if ask else ():
        if ask and option not in given:
            _ask_until_right(option, setting, values, path.parent, ask, report)
    text = fill_template(values, path.parent)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    first = "" if "bundle" in values else "set the machine's bundle in it, then "
    report(f"{path}: written; next: {first}aegan-monitor check --config {path}")


def fill_template(values: Mapping[str, str], folder: Path) -> str:
    """The configuration with these options. A relative bundle path starts at the working directory, and is written relative to `folder`.

    Raises:
        ConfigError: A value is wrong.
    """
    text = read_template()
    for option, value in {"node": _name_host(), **values}.items():
        if not value.isprintable():
            raise ConfigError(f"{WHERE}: --{option}: expected printable text, found {value!r}")
        if option == "broker":
            host, port = split_broker(value)
            text = _set(text, SETTINGS[option].line, host)
            text = text if port is None else _set(text, "port: null", port)
        elif option == "bundle":
            text = _set(text, SETTINGS[option].line, _place_bundle(Path(os.path.expanduser(value)), folder))  # noqa: PTH111 - leaves ~nobody as it is
        else:
            text = _set(text, SETTINGS[option].line, value)
    try:
        validate(MonitorConfig, yaml.safe_load(text), WHERE, folder=folder)
    except ConfigError as error:
        raise ConfigError(_name_options(str(error))) from error
    return text


def _name_host() -> str:
    return make_name(socket.gethostname())


def _place_bundle(bundle: Path, folder: Path) -> str:
    """The path as the configuration in `folder` names it: relative if it lies below."""
    absolute, folder = bundle.absolute(), folder.absolute()
    return str(absolute.relative_to(folder) if not bundle.is_absolute() and absolute.is_relative_to(folder) else absolute)


def split_broker(text: str) -> tuple[str, str | None]:
    """Host and port of `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`; a bare IPv6 address has no port."""
    match = re.fullmatch(r"(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:]*))(?::(?P<port>[0-9]+))?", text)
    return (match["v6"] or match["host"], match["port"]) if match else (text, None)


def _ask_until_right(
    option: str, setting: Setting, values: dict[str, str], folder: Path, ask: Callable[[str], str], report: Callable[[str], object]
) -> None:
    """Put the answer into `values`; an empty one leaves the default."""
    default = _name_host() if option == "node" else setting.line.partition(": ")[2]
    while True:
        try:
            answer = ask(f"{setting.question} [{default}]: ").strip()
        except EOFError:
            raise AeganError("\nnothing was written") from None
        if answer in ("", default):
            return
        try:
            fill_template({**values, option: answer}, folder)
        except ConfigError as error:
            report(str(error))
        else:
            values[option] = answer
            return


def _name_options(problems: str) -> str:
    """Problems with options in place of keys."""
    keys = {setting.key: option for option, setting in SETTINGS.items()} | {"mqtt.port": "broker"}
    for key, option in keys.items():
        problems = problems.replace(f"{WHERE}: {key}: ", f"{WHERE}: --{option}: ")
    return problems


def _set(text: str, line: str, value: str) -> str:
    """Give the key of the template's first such line another value; its comment stays in its column."""
    key = line.removeprefix("# ").partition(": ")[0]
    begin, found, rest = text.partition(line)
    if not found:
        raise ValueError(f"the template has no line {line!r}")
    blanks = len(rest) - len(rest.lstrip(" "))
    is_plain = (_PLAIN.fullmatch(value) and yaml.safe_load(value) == value) or key in _NO_TEXT
    new = f"{key}: {value if is_plain else json.dumps(value, ensure_ascii=False)}"
    padding = max(2, len(line) + blanks - len(new)) if blanks else 0
    return f"{begin}{new}{' ' * padding}{rest.lstrip(' ')}"
