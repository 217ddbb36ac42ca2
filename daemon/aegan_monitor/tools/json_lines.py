"""Writing lines of JSON into a file that appears when all of them are there."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from aegan_monitor.errors import AeganError


@contextlib.contextmanager
def open_lines(path: Path | None) -> Iterator[Callable[[str], object]]:
    """A function that writes a line to `path`, or nowhere without a path.

    The file appears when all lines are written. A pipe or device gets each line at once, and a link stays a link.

    Raises:
        AeganError: The file cannot be written.
    """
    if path is None:
        yield lambda _: None
        return
    target = path.resolve()
    is_stream = target.exists() and not target.is_file() and not target.is_dir()
    written = target if is_stream else target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        file = written.open("w", encoding="utf-8", buffering=1 if is_stream else -1)
    except OSError as error:
        raise AeganError(f"{path}: cannot be written: {error.strerror}; choose another --jsonl") from error
    try:
        with file:
            yield lambda line: file.write(line + "\n")
        if not is_stream:
            written.replace(target)
    finally:
        if not is_stream:
            written.unlink(missing_ok=True)
