"""The bands of a clip that differ from normal sound.

A residual is what is left of the mean bands of a clip after those of the nearest normal clips. So each load and speed of a machine is
compared with itself. The residual is smoothed over neighbouring bands, and held against what is usual for normal clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aegan_monitor.decision.sound.regions import Region, find_passing, smooth
from aegan_monitor.detection.record import UsualBands
from aegan_monitor.types import DoubleArray, FloatArray

SHAPES = ((1, 1), (3, 1), (9, 1))  # bands x clips of the smoothing: a tone, a resonance, broad noise
N_NEAREST = 4  # normal clips
LEAST_CHANGE = 4.0  # usual deviations; about one normal clip in ten reaches that in one of its bands
LEAST_USUAL_DB = 0.2
MARGIN_BANDS = 4  # beside a change, to which its smoothing reaches
MOST_CHANGED = 0.5  # of the bands: beyond that no rest is left to compare
MOST_USUAL = 1.5  # RMS of the other bands, in usual deviations


@dataclass(frozen=True, slots=True)
class Change:
    """A range of frequencies that differs from normal sound.

    Attributes:
        difference_db: From the nearest normal clips, of the band that differs most; negative where the sound is quieter.
        deviations: In usual deviations, without a sign: of one band, or of the mean of 3 or 9 neighbours.
        is_unheard: There the sound is louder, or quieter, than in all normal clips.
    """

    from_hz: float
    to_hz: float
    difference_db: float
    deviations: float
    is_unheard: bool


def find_residual(bands_db: DoubleArray, normal_db: DoubleArray, std_db: DoubleArray) -> DoubleArray:
    """`bands_db` `[n_bands]` without the mean of the nearest rows of `normal_db` `[n_clips, n_bands]`; `std_db` are those of the bands.

    Distances are sums of absolute differences: most bands decide which clips are near, not the few that have changed.
    """
    distances = (np.abs(normal_db - bands_db) / std_db).sum(axis=1)
    n = min(N_NEAREST, len(normal_db))
    found: DoubleArray = bands_db - normal_db[np.argpartition(distances, n - 1)[:n]].mean(axis=0)
    return found


def smooth_residuals(residuals: DoubleArray) -> FloatArray:
    """Residuals `[n_clips, n_bands]` with each of SHAPES, float32 `[n_shapes, n_bands, n_clips]`."""
    return np.stack([smooth(residuals.T.astype(np.float32), shape) for shape in SHAPES])


def measure_usual(residuals: DoubleArray) -> DoubleArray:
    """Root mean square of the smoothed residuals of normal clips `[n_clips, n_bands]`, `[n_shapes, n_bands]`.

    No band is under the median band: few clips underestimate the deviation of some bands.
    """
    own = np.sqrt(np.mean(np.square(smooth_residuals(residuals), dtype=np.float64), axis=2))
    found: DoubleArray = np.maximum(own, np.maximum(np.median(own, axis=1, keepdims=True), LEAST_USUAL_DB))
    return found


class NormalBands:
    """The mean linear bands of normal clips, and the search for changes against them."""

    def __init__(self, normal_db: DoubleArray, std_db: DoubleArray, usual: UsualBands, sample_rate_hz: int) -> None:
        """Store `normal_db` `[n_clips, n_bands]` and the standard deviations of its bands `[n_bands]`."""
        self._normal_db, self._std_db = np.ascontiguousarray(normal_db), std_db
        self._usual_db = np.array(usual.deviation_db)[:, :, None]
        self._lowest_db, self._highest_db = np.array(usual.lowest_db), np.array(usual.highest_db)
        self._edges_hz = np.linspace(0, sample_rate_hz / 2, normal_db.shape[1] + 2)  # of triangles that overlap by half

    def find_changes(self, bands_db: DoubleArray) -> list[tuple[Region, Change]]:
        """At most three regions of a clip with the mean bands `bands_db` `[n_bands]`, the farthest from normal sound first."""
        smoothed_db = smooth_residuals(find_residual(bands_db, self._normal_db, self._std_db)[None])
        planes = (smoothed_db / self._usual_db).astype(np.float32)
        return [(region, self._describe(region, bands_db, smoothed_db[:, :, 0])) for region in find_passing(planes, LEAST_CHANGE)]

    def has_addition(self, bands_db: DoubleArray, found: Sequence[tuple[Region, Change]]) -> bool:
        """Whether the regions that were `found` in `bands_db` are louder, and the other bands as in the nearest normal clips."""
        rest = np.ones(len(bands_db), bool)
        for region, _ in found:
            rest[max(0, region.bands.start - MARGIN_BANDS) : region.bands.stop + MARGIN_BANDS] = False
        if rest.mean() < MOST_CHANGED or any(region.excess < 0 for region, _ in found):
            return False
        deviations = find_residual(bands_db, self._normal_db, self._std_db)[rest] / self._usual_db[0, rest, 0]
        return bool(np.sqrt(np.mean(np.square(deviations))) <= MOST_USUAL)

    def has_change(self, bands_db: DoubleArray, region: Region) -> bool:
        """Whether the bands of `region` differ to the same side, by half of LEAST_CHANGE or more in the mean."""
        bands = region.bands
        deviations = find_residual(bands_db, self._normal_db, self._std_db)[bands] / self._usual_db[0, bands, 0]
        return bool(np.sign(region.excess) * deviations.mean() >= LEAST_CHANGE / 2)

    def _describe(self, region: Region, bands_db: DoubleArray, smoothed_db: FloatArray) -> Change:
        bands = region.bands
        differences_db = np.sign(region.excess) * smoothed_db[:, bands]
        shape, place = np.unravel_index(int(differences_db.argmax()), differences_db.shape)
        farthest = bands.start + int(place)
        beyond_db = max(bands_db[farthest] - self._highest_db[farthest], self._lowest_db[farthest] - bands_db[farthest])
        return Change(
            from_hz=round(float(self._edges_hz[bands.start]), 1),
            to_hz=round(float(self._edges_hz[bands.stop + 1]), 1),
            difference_db=round(float(smoothed_db[shape, farthest]), 1),
            deviations=round(abs(region.excess), 1),
            is_unheard=bool(beyond_db > 0),
        )
