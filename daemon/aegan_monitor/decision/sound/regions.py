"""Regions of a spectrogram that deviate from normal sound: bands, frames, and the size of the deviation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.types import FloatArray

SHAPES = ((1, 13), (3, 5), (9, 3))  # bands x frames of the smoothing: a tone of 0.4 s, a patch, an impact
REACH = (4, 6)  # bands and frames of the smoothing to each side
LEAST_EXCESS = 8.0  # reached by 2 of 120 normal clips of the demo's pump
LEAST_STEADY = 3.0  # in STEADY_SHARE of the time; normal sound of the same pump on another day reaches 2
STEADY_SHARE = 0.9
MOST_REGIONS = 3  # of either kind
LONGEST_GAP = 16  # frames (0.5 s) between two parts of one event
TINY = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Region:
    """Part of a spectrogram `[n_bands, n_frames]`.

    Attributes:
        bands, frames: Its rows and columns.
        excess: At its peak, in usual deviations (steady: median over time of its farthest band); negative where the sound is quieter.
        is_steady: It lasts all the time.
    """

    bands: slice
    frames: slice
    excess: float
    is_steady: bool


def measure(deviation: FloatArray, normal: FloatArray) -> FloatArray:
    """Deviation from the usual value of each band, smoothed with each of SHAPES: `[n_shapes, n_bands, n_frames]`.

    Both arguments are smoothed; each band of `deviation` `[n_bands, n_frames]` is then measured from the median of the band in
    `normal` (the deviation of normal sound, `[n_bands, any]`) and in its standard deviations, or the median band's if those
    are larger, because a short recording underestimates the spread of some bands.
    """
    found = np.empty((len(SHAPES), *deviation.shape), np.float32)
    for plane, shape in zip(found, SHAPES, strict=True):
        usual = smooth(normal, shape)
        spread = usual.std(axis=1, keepdims=True)
        spread = np.maximum(spread, max(float(np.median(spread)), TINY))
        plane[:] = (smooth(deviation, shape) - np.median(usual, axis=1, keepdims=True)) / spread
    return found


def describe_band(low_hz: float, high_hz: float) -> str:
    """The band of a region in words."""
    return f"{low_hz / 1000:.2f} to {high_hz / 1000:.2f} kHz"


def describe_side(excess: float, than: str) -> str:
    """The side to which a region deviates; `than` follows the comparative."""
    return f"{'louder' if excess > 0 else 'quieter'} than {than}"


def describe_size(excess: float) -> str:
    """The size of a deviation."""
    return f"{abs(excess):.0f} times the usual deviation"


def smooth(picture: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """The mean over `shape` (odd) cells around each, edges repeated."""
    padded = np.pad(picture, [(side // 2, side // 2) for side in shape], mode="edge")
    n_bands, n_frames = picture.shape
    rows: FloatArray = np.zeros((n_bands, padded.shape[1]), np.float32)
    for i in range(shape[0]):
        rows += padded[i : i + n_bands]
    total: FloatArray = np.zeros((n_bands, n_frames), np.float32)
    for i in range(shape[1]):
        total += rows[:, i : i + n_frames]
    total /= np.float32(shape[0] * shape[1])
    return total


def farthest(planes: FloatArray) -> FloatArray:
    """For each place the value of the plane in which it is farthest from 0, `[n_bands, n_frames]`."""
    high, low = planes.max(axis=0), planes.min(axis=0)
    found: FloatArray = np.where(high > -low, high, low)
    return found


def find_steady(planes: FloatArray) -> list[Region]:
    """Bands that deviate to one side nearly all the time; their median is subtracted from `planes` `[n_shapes, n_bands, n_frames]`."""
    low, middle, high = np.quantile(planes[0], [1 - STEADY_SHARE, 0.5, STEADY_SHARE], axis=1)
    found = []
    for sign, nearest in ((1, low), (-1, -high)):
        bulk = runs(nearest >= LEAST_STEADY)
        found += [Region(bands, slice(0, planes.shape[2]), sign * float(np.max(sign * middle[bands])), is_steady=True) for bands in bulk]
        for bands in runs(sign * middle >= LEAST_STEADY / 2):  # with its flanks, which would otherwise be regions of their own
            if np.any(nearest[bands] >= LEAST_STEADY):
                planes[:, bands] -= np.median(planes[:, bands], axis=2, keepdims=True)
    return sorted(found, key=lambda region: -abs(region.excess))[:MOST_REGIONS]


def find_passing(planes: FloatArray, least: float = LEAST_EXCESS) -> Iterator[Region]:
    """Regions that deviate by at least `least`, the farthest first; each is set to 0 in `planes` before the next search."""
    for _ in range(MOST_REGIONS):
        plane, band, frame = np.unravel_index(int(np.abs(planes).argmax()), planes.shape)
        excess = float(planes[plane, band, frame])
        if abs(excess) < least:
            return
        picture = np.sign(excess) * planes[plane]
        yield Region(*grow(picture, int(band), int(frame), abs(excess) / 2), excess, is_steady=False)
        flanks = grow(picture, int(band), int(frame), least / 3)
        planes[:, *(slice(max(0, part.start - reach), part.stop + reach) for part, reach in zip(flanks, REACH, strict=True))] = 0


def grow(picture: FloatArray, band: int, frame: int, level: float) -> tuple[slice, slice]:
    """The box around a cell: all bands whose mean over its frames, and all frames whose mean over its bands, is over `level`."""
    bands, frames = slice(band, band + 1), slice(frame, frame + 1)
    while True:
        before = bands, frames
        frames = widen(frames, picture[bands].mean(axis=0) > level, LONGEST_GAP)
        bands = widen(bands, picture[:, frames].mean(axis=1) > level, 0)
        if before == (bands, frames):
            return bands, frames


def widen(part: slice, holds: NDArray[np.bool_], gap: int) -> slice:
    """`part`, extended on both sides over cells that hold, across gaps of at most `gap` cells."""
    places = np.flatnonzero(holds)
    before, behind = places[places < part.start][::-1], places[places >= part.stop]
    n_before = count_reached(part.start - 1 - before, gap)
    n_behind = count_reached(behind - part.stop, gap)
    return slice(part.start - n_before, part.stop + n_behind)


def count_reached(distances: NDArray[np.intp], gap: int) -> int:
    """Cells to the last of the rising `distances` (0 is the next cell) that is reached without a gap wider than `gap`."""
    steps = np.diff(distances, prepend=-1) - 1
    wide = np.flatnonzero(steps > gap)
    n = int(wide[0]) if len(wide) else len(distances)
    return int(distances[n - 1]) + 1 if n else 0


def runs(holds: NDArray[np.bool_]) -> list[slice]:
    """The runs of true values."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return [slice(int(start), int(stop)) for start, stop in zip(steps[::2], steps[1::2], strict=True)]
