"""A report as files: text, JSON, and a picture where matplotlib is installed."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aegan_monitor.errors import AeganError
from aegan_monitor.files import show_path, write_whole
from aegan_monitor.tools.plot import require_plot


def make_folder(folder: Path, option: str) -> None:
    """Make the folder of a report; it may exist.

    Raises:
        AeganError: It cannot be made; `option` names it on the command line.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AeganError(f"{show_path(folder)}: no folder can be made: {error.strerror}; choose another {option}") from error


def write_report(
    folder: Path, name: str, lines: Sequence[str], facts: Mapping[str, object], draw: Callable[[], bytes], option: str
) -> list[str]:
    """Write NAME.txt, NAME.json and, with matplotlib, NAME.png; the lines that say so.

    Args:
        folder: It exists.
        name: NAME.
        lines: The text; the JSON has it as `lines`, too.
        facts: What else is in the JSON.
        draw: Makes the content of the picture.
        option: Names the folder on the command line.

    Raises:
        AeganError: A file cannot be written.
    """
    text, data, picture = (folder / f"{name}.{kind}" for kind in ("txt", "json", "png"))
    _write(text, "".join(f"{line}\n" for line in lines).encode(), option)
    _write(data, json.dumps({**facts, "lines": lines}, indent=1, allow_nan=False).encode() + b"\n", option)
    try:
        require_plot(picture)
    except AeganError as error:
        return [f"{show_path(text)} and {show_path(data)}: written", f"{error}; no picture was drawn"]
    _write(picture, draw(), option)
    return [f"{show_path(text)}, {show_path(data)} and {show_path(picture)}: written"]


def _write(path: Path, content: bytes, option: str) -> None:
    try:
        write_whole(path.resolve(), content)
    except OSError as error:
        raise AeganError(f"{show_path(path)}: cannot be written: {error.strerror}; choose another {option}") from error
