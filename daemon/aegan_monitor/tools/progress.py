"""A line on a terminal that shows how far a command is; nothing where the output is no terminal."""

import time
from collections.abc import Callable
from typing import TextIO

INTERVAL_S = 0.2


class Progress:
    """Share of the work that is done, and the time that is left at this pace."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._is_shown = stream.isatty()
        self._began_s = self._shown_s = clock()

    def show(self, share: float) -> None:
        """Show the line again, a few times a second; of work of unknown size more than 1 may be done."""
        now_s = self._clock()
        if not self._is_shown or now_s - self._shown_s < INTERVAL_S or share <= 0:
            return
        self._shown_s, share = now_s, min(1.0, share)
        left_s = (now_s - self._began_s) * (1 / share - 1)
        self._stream.write(f"\r{100 * share:3.0f} %, {format_offset(left_s)} left\x1b[K")
        self._stream.flush()

    def clear(self) -> None:
        """Remove the line, so that another can be printed."""
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def format_offset(seconds: float) -> str:
    """`m:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
