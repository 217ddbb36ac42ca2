"""Writes lines of JSON to a file, a pipe or a device."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from aegan_monitor.errors import AeganError


@contextlib.contextmanager
def open_lines(path: Path | None) -> Iterator[Callable[[str], object]]:
    """A function that writes a line to `path` at once, or nowhere without a path.

    Raises:
        AeganError: The file cannot be opened.
    """
    if path is None:
        yield lambda _: None
        return
    try:
        file = path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise AeganError(f"{path}: cannot be written: {error.strerror}; choose another --jsonl") from error
    with file:
        yield lambda line: file.write(line + "\n")
