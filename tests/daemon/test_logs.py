"""Log lines on a terminal and in systemd's journal."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from aegan_monitor.logs import goes_to_journal, make_handler


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TextIO]:
    """A file in place of stderr."""
    with (tmp_path / "stderr").open("w+", encoding="utf-8") as file:
        yield file


def journal(stream: TextIO) -> dict[str, str]:
    """The environment in which systemd has connected this stream to its journal."""
    status = os.fstat(stream.fileno())
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def written(stream: TextIO, environment: dict[str, str]) -> list[str]:
    """The lines of a few records."""
    log = logging.Logger("a logger of its own", logging.DEBUG)  # noqa: LOG001 - one that outlives no test
    log.addHandler(make_handler(stream, environment))
    log.debug("pump: %s", "detail")
    log.info("pump: sensor ok")
    log.warning("pump: alarm raised: D_maha 47 is above its threshold 16")
    try:
        raise OSError("gone")
    except OSError:
        log.exception("pump: please report this")
    log.critical("two\nlines")
    stream.seek(0)
    return stream.read().splitlines()


def test_the_journal_gets_a_priority_a_line_and_no_time(stream: TextIO) -> None:
    """In the journal each line, also of a traceback, has its priority and no time."""
    lines = written(stream, journal(stream))
    assert lines[:5] == [
        "<7>pump: detail",
        "<6>pump: sensor ok",
        "<4>pump: alarm raised: D_maha 47 is above its threshold 16",
        "<3>pump: please report this",
        "<3>Traceback (most recent call last):",
    ]
    assert lines[-3:] == ["<3>OSError: gone", "<2>two", "<2>lines"]
    assert all(re.match("<[2-7]>", line) for line in lines)


@pytest.mark.parametrize("environment", [{}, {"JOURNAL_STREAM": "8:1"}, {"JOURNAL_STREAM": ""}])
def test_people_get_time_and_level(stream: TextIO, environment: dict[str, str]) -> None:
    """A terminal and a file get time and level."""
    first = written(stream, environment)[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} DEBUG pump: detail", first)


def test_a_stream_that_is_no_file_is_no_journal(stream: TextIO) -> None:
    """A closed stderr raises nothing."""
    environment = journal(stream)
    assert goes_to_journal(stream, environment)
    stream.close()
    assert not goes_to_journal(stream, environment)


@pytest.mark.process
def test_the_reason_why_a_service_does_not_start_is_an_error_to_the_journal(stream: TextIO, tmp_path: Path) -> None:
    """The error of a failed start has priority `err`, so `journalctl -p err` shows it."""
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(tmp_path / "none.yaml")]
    done = subprocess.run(command, stderr=stream, env={**os.environ, **journal(stream)}, check=False, timeout=60)
    stream.seek(0)
    (line,) = stream.read().splitlines()
    assert (done.returncode, line.startswith(f"<3>aegan-monitor: {tmp_path / 'none.yaml'}: ")) == (78, True)
