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
    """The prefix `<N>`, which the journal stores as the priority of the line. Source: sd-daemon(3)."""
    return f"<{next((number for bound, number in _SYSLOG if level >= bound), _SYSLOG_DEBUG)}>"


def goes_to_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether this stream is connected to systemd's journal. Source: systemd.exec(5), `$JOURNAL_STREAM`."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or not a file
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalFormatter(logging.Formatter):
    """Marks every line: the journal stores each line of a traceback as an entry."""

    def format(self, record: logging.LogRecord) -> str:
        """The marked lines."""
        return "\n".join(mark(record.levelno) + line for line in super().format(record).splitlines())


def make_handler(stream: TextIO, environment: Mapping[str, str]) -> logging.Handler:
    """A handler with the format of the stream: the journal or a terminal."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JournalFormatter("%(message)s") if goes_to_journal(stream, environment) else logging.Formatter(PLAIN_FORMAT))
    return handler


def print_error(text: str) -> None:
    """Print the reason why a command ends on stderr."""
    print(f"{mark(logging.ERROR) if goes_to_journal(sys.stderr, os.environ) else ''}{text}", file=sys.stderr)
