"""Log lines with time and level for a terminal, and with a priority mark for systemd's journal."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import TextIO

PLAIN_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_SYSLOG = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_SYSLOG_DEBUG = 7


def mark(level: int) -> str:
    """The prefix `<N>`, which the journal removes and stores as the line's priority.

    Source: sd-daemon(3).
    """
    return f"<{next((number for bound, number in _SYSLOG if level >= bound), _SYSLOG_DEBUG)}>"


def goes_to_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether systemd has connected this stream to its journal, and it was not redirected since.

    Source: systemd.exec(5), `$JOURNAL_STREAM`.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalFormatter(logging.Formatter):
    """Marks every line, those of a traceback too: to the journal each is an entry of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The marked lines."""
        return "\n".join(mark(record.levelno) + line for line in super().format(record).splitlines())


def make_handler(stream: TextIO, environment: Mapping[str, str]) -> logging.Handler:
    """Writes to a stream in the form that its reader understands."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JournalFormatter("%(message)s") if goes_to_journal(stream, environment) else logging.Formatter(PLAIN_FORMAT))
    return handler


def print_error(text: str) -> None:
    """One line on stderr that is no log line: why a command ends."""
    print(f"{mark(logging.ERROR) if goes_to_journal(sys.stderr, os.environ) else ''}{text}", file=sys.stderr)
