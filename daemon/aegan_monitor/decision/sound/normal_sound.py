"""How a level and a spectrum differ from normal sound: as those of a machine may, or as only a fault of the microphone makes them."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aegan_monitor.decision.sound.sound_bands import N_BANDS, band_edges_hz
from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import DoubleArray

LEVEL_CHANGED = "level_changed"
LEVEL_MARGIN_DB = 1.0  # a level so far above the calibrated range is another level
BAND_MARGIN_DB = 3.0  # the same for a band: they differ more from day to day
LEAST_KEPT = 2  # lowest bands that stay while upper bands are missing
LEAST_STEP_DB = 2.5
NEWEST = 5  # seconds, of which some may belong to a step already
RECENT = NEWEST + 10  # seconds with which a step is compared, and the newest
LARGE_DC = 0.01  # from the calibrated mean; full scale is 1
CLIPPED_DC = 0.5  # of the RMS: unsymmetrical clipping alone moves the mean less


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a difference is a fault, in dB.

    Attributes:
        low: Of the level, below the calibration.
        missing: Of a band, below the calibration.
        shape: Of each band from the sound before, after the gain is taken out.
    """

    low: float
    missing: float
    shape: float


BEGINS = Limits(low=2.0, missing=9.0, shape=1.5)
LASTS = Limits(low=1.0, missing=6.0, shape=4.0)  # so that a fault near a limit does not come and go


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the microphone or of what follows it.

    Attributes:
        state: Word of the `sensor` topic.
        detail: One line for people: what is wrong, and what to do.
    """

    state: str
    detail: str


class NormalSound:
    """Normal sound of one machine in its operating states, and the sound of the last seconds.

    Attributes:
        accepted_db: Change of the level that was reported, and is taken as normal since.
    """

    def __init__(self, states: Sequence[NormalState], sample_rate_hz: int) -> None:
        """Store the states, one at least."""
        quantiles = np.array([[state.level_dbfs, *state.bands_dbfs] for state in states])  # [n_states, 1 + N_BANDS, 3]
        self._low, self._median, self._high = np.moveaxis(quantiles, 2, 0)
        self._dc = np.array([state.dc for state in states])
        self._edges_hz = band_edges_hz(sample_rate_hz)
        self._recent: deque[DoubleArray] = deque(maxlen=RECENT)
        self._before: DoubleArray | None = None  # before a step, `[1 + N_BANDS]`
        self.accepted_db = 0.0

    def remember(self, found: DoubleArray) -> None:
        """Add a second without a fault, `[1 + N_BANDS]` in dBFS, to those with which a step is compared."""
        self._recent.append(found)
        if len(self._recent) == RECENT:
            self._before = np.median(list(self._recent)[: RECENT - NEWEST], axis=0)
        if self.accepted_db and self._fits(found, 0.0):
            self.accepted_db = 0.0

    def accept(self, seconds: Sequence[DoubleArray]) -> None:
        """Take the level of these seconds as normal: the gain between them and the operating state that is nearest in shape."""
        changes = (np.median(seconds, axis=0) - self._median)[:, 1:]
        gains = np.median(changes, axis=1)
        self.accepted_db = float(gains[np.argmin(np.max(np.abs(changes - gains[:, None]), axis=1))])
        self._before = None
        self._recent.clear()

    def find_offset(self, dc: float, clipped_dbfs: float | None) -> Fault | None:
        """The fault of a mean that differs from the calibrated one; `clipped_dbfs` is the level of clipped sound."""
        rms = 0.0 if clipped_dbfs is None else 10 ** (clipped_dbfs / 20) / np.sqrt(2)
        if np.min(np.abs(dc - self._dc)) < max(LARGE_DC, CLIPPED_DC * rms):
            return None
        return Fault("dc_offset", f"the samples have a DC offset of {dc:.2f}; check the cable and the sound card, or use another input")

    def find_fault(self, found: DoubleArray, limits: Limits) -> Fault | None:
        """The fault that explains level and bands `[1 + N_BANDS]` in dBFS; None for sound that a machine can make."""
        if self._fits(found, 0.0) or self._fits(found, self.accepted_db):
            return None
        return self._find_missing_bands(found, limits) or self._find_low_level(found, limits) or self._find_step(found, limits)

    def _fits(self, found: DoubleArray, gain_db: float) -> bool:
        """Whether an operating state has this level and these bands, changed by `gain_db`."""
        plain, margins = found - gain_db, np.array([LEVEL_MARGIN_DB] + N_BANDS * [BAND_MARGIN_DB])
        return bool(np.any(np.all((plain >= self._low - margins) & (plain <= self._high + margins), axis=1)))

    def _find_missing_bands(self, found: DoubleArray, limits: Limits) -> Fault | None:
        """Upper bands far below the calibration, while the lowest are as they were."""
        kept = np.abs(found - np.clip(found, self._low, self._high))[:, 1:] < BAND_MARGIN_DB
        missing = (self._low - found)[:, 1:] > limits.missing
        for first in range(LEAST_KEPT + 1, N_BANDS):  # the band below it may be anything
            if np.any(np.all(kept[:, : first - 1], axis=1) & np.all(missing[:, first:], axis=1)):
                from_hz = self._edges_hz[first]
                return Fault(
                    "band_missing",
                    f"the sound above {from_hz / 1000:.1f} kHz is missing, below it is as usual; "
                    "check what covers the microphone, and the sample rate of its source",
                )
        return None

    def _find_low_level(self, found: DoubleArray, limits: Limits) -> Fault | None:
        least, level = float(self._low[:, 0].min()), float(found[0])
        if level >= least - limits.low:
            return None
        return Fault(
            "level_low",
            f"the level of {level:.0f} dBFS is {least - level:.0f} dB below that of normal sound; check the microphone, its place and its "
            "gain; if the machine is off, record that state too, and train again",
        )

    def _find_step(self, found: DoubleArray, limits: Limits) -> Fault | None:
        """A level in no operating state, with the spectrum of the sound before."""
        known = self._median + self.accepted_db if self._before is None else self._before[None]
        changes = (found - known)[:, 1:]
        gains = np.median(changes, axis=1)
        same = np.max(np.abs(changes - gains[:, None]), axis=1) <= limits.shape
        is_inside = (found[0] >= self._low[:, 0] - BEGINS.low) & (found[0] <= self._high[:, 0] + LEVEL_MARGIN_DB)
        if np.any(is_inside) or not np.any(same & (np.abs(gains) >= LEAST_STEP_DB)):
            return None
        gain_db = float(gains[same][np.argmin(np.abs(gains[same]))])
        return Fault(
            LEVEL_CHANGED,
            f"the level changed by {gain_db:+.1f} dB, and the spectrum did not; check gain and place of the microphone",
        )
