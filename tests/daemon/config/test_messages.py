"""What is said of wrong values, word for word, in one file: `messages.snapshot.txt`.

Its lines without an indent are configurations with one fault each (`pump:` is a machine's section), those below them what is said.
After a change of wording: `python tests/daemon/config/test_messages.py`, and read the difference.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.config.validation import validate
from aegan_monitor.errors import ConfigError

SNAPSHOT = Path(__file__).with_name("messages.snapshot.txt")
MACHINE = {"name": "pump", "bundle": "b"}
CASES = [line for line in SNAPSHOT.read_text(encoding="utf-8").splitlines() if not line.startswith(" ")]


def complain(case: str) -> str:
    """The messages about a case, one line each; none for a right one."""
    data: dict[str, Any] = yaml.safe_load(case)
    machine = {**MACHINE, **data.pop("pump", {})}
    try:
        validate(MonitorConfig, {"machines": [machine], **data}, "m.yaml")
    except ConfigError as error:
        return str(error)
    return ""


def find_key(case: str) -> str:
    """The path of the innermost key of a case."""
    data, path = yaml.safe_load(case), ""
    while isinstance(data, dict) and data:
        key, data = list(data.items())[-1]
        path = f"{path}.{key}" if path else str(key)
    return path.replace("pump.", "machines[0].", 1)


def write_snapshot() -> str:
    """The whole snapshot file with the present messages."""
    return "".join(f"{case}\n" + "".join(f"    {line}\n" for line in complain(case).splitlines()) for case in CASES)


@pytest.mark.parametrize("case", CASES)
def test_each_wrong_value_has_one_line_with_its_key(case: str) -> None:
    """Each wrong value gives one line with its key."""
    (line,) = complain(case).splitlines()
    key = find_key(case)
    assert line.startswith(f"m.yaml: {key.rpartition('.')[0] or key}")  # a key that is missing stands beside the last


def test_the_words_are_those_of_the_snapshot() -> None:
    """The messages equal the snapshot, so that a change of wording is deliberate."""
    expected = SNAPSHOT.read_text(encoding="utf-8")
    assert write_snapshot() == expected, "the wording has changed: run `python tests/daemon/config/test_messages.py`, read the difference"


if __name__ == "__main__":
    SNAPSHOT.write_text(write_snapshot(), encoding="utf-8")
