"""The ranges of frequency that a picture marks: those that the alarm names, else the largest differences from normal sound. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from aegan_monitor.messages.explanation import Change
from aegan_monitor.types import DoubleArray

MOST_MARKS = 3
LEAST_DB = 4.0  # of a mark that the alarm does not name; loads and days differ by 3
SLOPE_DB = 1.0  # to which the slopes of a mark belong to it: they are no mark of their own


class Mark(NamedTuple):
    """A range of frequency, and what to say of it in short lines."""

    from_hz: float
    to_hz: float
    lines: tuple[str, ...]


def mark_changes(changes: Iterable[Change]) -> list[Mark]:
    """The ranges that the alarm names."""
    return [
        Mark(
            change.from_hz,
            change.to_hz,
            (
                _describe_range(change.from_hz, change.to_hz),
                f"{_describe_side(change.difference_db)} than {'ever' if change.is_unheard else 'usual'}",
                f"{change.deviations:.0f} times the usual deviation",
            ),
        )
        for change in changes
    ]


def find_marks(difference_db: DoubleArray, highest_hz: float) -> list[Mark]:
    """The largest differences among those of linear bands `[n_bands]` from 0 to `highest_hz`, each as wide as half of it reaches."""
    left_db = np.convolve(np.pad(difference_db, 1, mode="edge"), np.ones(3) / 3, "valid")
    band_hz = highest_hz / (len(left_db) + 1)
    found: list[Mark] = []
    while len(found) < MOST_MARKS and np.abs(left_db).max() >= LEAST_DB:
        peak = int(np.abs(left_db).argmax())
        peak_db = float(left_db[peak])
        first, last = _reach(left_db * np.sign(peak_db), peak, abs(peak_db) / 2)
        slope = _reach(left_db * np.sign(peak_db), peak, SLOPE_DB)
        left_db[slope[0] : slope[1] + 1] = 0
        from_hz, to_hz = first * band_hz, (last + 2) * band_hz  # of triangles that overlap by half
        found.append(Mark(from_hz, to_hz, (_describe_range(from_hz, to_hz), f"{_describe_side(peak_db)} than normal")))
    return found


def _reach(values_db: DoubleArray, peak: int, least_db: float) -> tuple[int, int]:
    """The first and the last of the bands around `peak` that have `least_db` or more."""
    ends = np.flatnonzero(values_db < least_db)
    return int(ends[ends < peak].max(initial=-1)) + 1, int(ends[ends > peak].min(initial=len(values_db))) - 1


def _describe_range(from_hz: float, to_hz: float) -> str:
    return f"{from_hz / 1000:.2f} to {to_hz / 1000:.2f} kHz"


def _describe_side(difference_db: float) -> str:
    return f"{abs(difference_db):.0f} dB {'louder' if difference_db > 0 else 'quieter'}"
