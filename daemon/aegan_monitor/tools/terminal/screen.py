"""Lines at the end of a terminal that are drawn again in place, and lines above them that stay."""

import shutil
from collections.abc import Sequence
from typing import TextIO

_UP_AND_CLEAR_BELOW = "\x1b[{}F\x1b[J"  # to the first column so many lines up


class Screen:
    """Writes to a terminal; one thread."""

    def __init__(self, stream: TextIO) -> None:
        """Store."""
        self._stream = stream
        self._lines: Sequence[str] = ()

    @property
    def width(self) -> int:
        """Characters of a line that does not wrap: one that does could not be drawn again."""
        return shutil.get_terminal_size().columns - 1

    @property
    def height(self) -> int:
        """Lines that fit, with the cursor below them."""
        return max(1, shutil.get_terminal_size().lines - 1)

    def draw(self, lines: Sequence[str]) -> None:
        """Draw these in place of the lines before, cut to the terminal's width and height."""
        if len(lines) > self.height:
            lines = [*lines[: self.height - 1], f"... and {len(lines) - self.height + 1} more; a larger window shows them"]
        self._write("", [line[: self.width] for line in lines])

    def say(self, text: str) -> None:
        """Print text that stays, above the lines."""
        self._write(f"{text}\n", self._lines)

    def _write(self, text: str, lines: Sequence[str]) -> None:
        clear = _UP_AND_CLEAR_BELOW.format(len(self._lines)) if self._lines else ""
        self._stream.write(clear + text + "".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._lines = lines
