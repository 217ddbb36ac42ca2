"""The progress line of a command."""

import io

import pytest

from aegan_monitor.tools.progress import Progress, format_offset
from fakes import Terminal


def test_a_terminal_shows_share_and_time_left() -> None:
    """After a quarter in 10 s the line shows 30 s left; it is cleared before other output."""
    times = iter([0.0, 10.0, 10.1, 20.0])
    terminal = Terminal()
    progress = Progress(terminal, lambda: next(times))
    for share in (0.25, 0.26, 1.0):
        progress.show(share)
    progress.clear()
    assert terminal.getvalue() == "\r 25 %, 0:30 left\x1b[K\r100 %, 0:00 left\x1b[K\r\x1b[K"


def test_a_file_shows_nothing() -> None:
    """A file shows no progress."""
    times, stream = iter([0.0, 10.0]), io.StringIO()
    progress = Progress(stream, lambda: next(times))
    progress.show(0.5)
    progress.clear()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (37.9, "0:37"), (3599, "59:59"), (3757, "1:02:37")])
def test_an_offset_is_minutes_and_seconds(seconds: float, shown: str) -> None:
    """An offset is shown as minutes and seconds."""
    assert format_offset(seconds) == shown
