"""The commented configuration that `aegan-monitor config` prints: `configs/monitor.yaml`."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "monitor.yaml", _PACKAGE.parents[1] / "configs" / "monitor.yaml")  # in a wheel, in a checkout


def read_example() -> str:
    """The text without its first line, which names the schema for editors."""
    path = next(path for path in _PLACES if path.is_file())
    return path.read_text(encoding="utf-8").partition("\n")[2]
