"""How a level and a spectrum differ from normal sound: as those of a machine may, or as only a fault of the microphone makes them."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aegan_monitor.decision.sound.sound_bands import N_BANDS, band_edges_hz
from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import DoubleArray

BAND_MISSING, LEVEL_CHANGED, LEVEL_LOW = "band_missing", "level_changed", "level_low"
LEVEL_MARGIN_DB = 1.0  # a level so far outside the calibrated range is another level
BAND_MARGIN_DB = 3.0  # the same for a band: they differ more from day to day
LEAST_KEPT = 2  # lowest bands that stay while upper bands are missing
LEAST_LEVEL_SPREAD_DB = 0.7  # of the level, however steady it was
MOST_LOST_DB = 15.0  # a step down by more leaves too little of the sound, and is a low level
LEAST_SPREAD_DB = 0.5  # of a band, however steady it was
NEWEST = 5  # seconds, of which some may belong to a step already
BEFORE = 10  # seconds with which a step is compared
RECENT = 60 + NEWEST  # seconds that show how much the spectrum varies by itself, and the newest
NORMAL_DEVIATIONS = 1.4826  # standard deviations of a normal distribution in a median absolute deviation
NORMAL_RANGE = 4.65  # and in the range from the quantile 0.01 to 0.99
LARGE_DC = 0.01  # from the calibrated mean; full scale is 1
CLIPPED_DC = 0.5  # of the RMS: unsymmetrical clipping alone moves the mean less


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a difference is a fault, in dB where nothing else is said.

    Attributes:
        low: Of the level, below the calibration.
        missing: Of a band, below the calibration.
        shape: Of a step, RMS over level and bands: how far each deviates from the common step, in its spread before the step.
        level: Of a step of the level from that of the bands.
        step: Of a step from none, in the spread of the level before.
    """

    low: float
    missing: float
    shape: float
    level: float
    step: float


BEGINS = Limits(low=2.0, missing=9.0, shape=1.5, level=1.5, step=3.0)
LASTS = Limits(low=1.0, missing=6.0, shape=10.0, level=6.0, step=0.0)  # so that a fault near a limit does not come and go


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the microphone or of what follows it.

    Attributes:
        state: Word of the `sensor` topic.
        detail: One line for people: what is wrong, and what to do.
        level_change_db: The step of a level that changed, as `detail` names it; None for other faults.
    """

    state: str
    detail: str
    level_change_db: float | None = None


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
        self.accepted_db = 0.0

    def remember(self, found: DoubleArray) -> None:
        """Add a second without a fault, `[1 + N_BANDS]` in dBFS, to those with which a step is compared."""
        self._recent.append(found)

    def accept(self, seconds: Sequence[DoubleArray]) -> None:
        """Take the level of these seconds, which follow a step, as normal from now on.

        The step is measured from the seconds before it, and from the operating state that is nearest in shape. Either counts by the inverse
        of its variance: a machine under a steady load is compared with the seconds before, one whose level varies with both.
        """
        now = np.median(seconds, axis=0)
        from_states = now - self._median
        gains = np.median(from_states, axis=1)
        nearest = np.argmin(np.max(np.abs(from_states - gains[:, None]), axis=1))
        gain_db, before = float(gains[nearest]), np.array(self._recent)[:-NEWEST]
        if len(before) >= BEFORE:
            from_before = self.accepted_db + float(np.median(now - np.median(before, axis=0)))
            varies = max((self._high - self._low)[nearest, 0] / NORMAL_RANGE, LEAST_LEVEL_SPREAD_DB)
            varied = max(float(_measure_spread(before[:, :1])[0]), LEAST_LEVEL_SPREAD_DB)
            gain_db += varies**2 / (varies**2 + 2 * varied**2) * (from_before - gain_db)  # 2, as both minutes vary
        self._take_level(gain_db)

    def find_return(self, found: DoubleArray) -> bool:
        """Whether level and bands are again those of the calibration, and not those at the accepted level; they count from now on."""
        has_returned = bool(self.accepted_db) and self._fits(found) and not self._fits(found - self.accepted_db)
        if has_returned:
            self._take_level(0.0)
        return has_returned

    def _take_level(self, accepted_db: float) -> None:
        self.accepted_db = accepted_db
        self._recent.clear()

    def find_offset(self, dc: float, clipped_dbfs: float | None) -> Fault | None:
        """The fault of a mean that differs from the calibrated one; `clipped_dbfs` is the level of clipped sound."""
        rms = 0.0 if clipped_dbfs is None else 10 ** (clipped_dbfs / 20) / np.sqrt(2)
        if np.min(np.abs(dc - self._dc)) < max(LARGE_DC, CLIPPED_DC * rms):
            return None
        return Fault("dc_offset", f"the samples have a DC offset of {dc:.2f}; check the cable and the sound card, or use another input")

    def find_fault(self, found: DoubleArray, present: str | None) -> Fault | None:
        """The fault that explains level and bands `[1 + N_BANDS]` in dBFS; None for sound that a machine can make.

        `present` is the state of the fault before, which lasts until it is well within the limits.
        """
        plain = found - self.accepted_db
        if self._fits(plain):
            return None
        limits = {state: LASTS if state == present else BEGINS for state in (BAND_MISSING, LEVEL_CHANGED, LEVEL_LOW)}
        return (
            self._find_missing_bands(plain, limits[BAND_MISSING])
            or self._find_step(found, limits[LEVEL_CHANGED])
            or self._find_low_level(plain, limits[LEVEL_LOW])
        )

    def _fits(self, plain: DoubleArray) -> bool:
        """Whether an operating state has this level and these bands."""
        margins = np.array([LEVEL_MARGIN_DB] + N_BANDS * [BAND_MARGIN_DB])
        return bool(np.any(np.all((plain >= self._low - margins) & (plain <= self._high + margins), axis=1)))

    def _find_missing_bands(self, found: DoubleArray, limits: Limits) -> Fault | None:
        """Upper bands far below the calibration, while the lowest are as they were."""
        kept = np.abs(found - np.clip(found, self._low, self._high))[:, 1:] < BAND_MARGIN_DB
        missing = (self._low - found)[:, 1:] > limits.missing
        for first in range(LEAST_KEPT + 1, N_BANDS):  # the band below it may be anything
            if np.any(np.all(kept[:, : first - 1], axis=1) & np.all(missing[:, first:], axis=1)):
                from_hz = self._edges_hz[first]
                return Fault(
                    BAND_MISSING,
                    f"the sound above {from_hz / 1000:.1f} kHz is missing, below it is as usual; "
                    "check what covers the microphone, and the sample rate of its source",
                )
        return None

    def _find_low_level(self, found: DoubleArray, limits: Limits) -> Fault | None:
        least, level = float(self._low[:, 0].min()), float(found[0])
        if level >= least - limits.low:
            return None
        return Fault(
            LEVEL_LOW,
            f"the level of {level + self.accepted_db:.0f} dBFS is {least - level:.0f} dB below that of normal sound; check the microphone, "
            "its place and its gain; if the machine is off, record that state too, and train again",
        )

    def _find_before(self) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        """(level and bands before the newest seconds, spread of their shape, spread of the level), `[n, 1 + N_BANDS]` and `[n]` in dB.

        There is one sound before, or each operating state where too little was heard.
        """
        before = np.array(self._recent)[:-NEWEST]
        if len(before) < BEFORE:
            spread = (self._high - self._low) / NORMAL_RANGE
            levels = np.maximum(spread[:, 0], LEAST_LEVEL_SPREAD_DB)
            return self._median + self.accepted_db, np.maximum(spread, LEAST_SPREAD_DB), levels
        spread = _measure_spread(before - np.median(before, axis=1, keepdims=True))
        levels = np.maximum(_measure_spread(before[:, :1]), LEAST_LEVEL_SPREAD_DB)
        return np.median(before[-BEFORE:], axis=0)[None], np.maximum(spread, LEAST_SPREAD_DB)[None], levels

    def _find_step(self, found: DoubleArray, limits: Limits) -> Fault | None:
        """A level in no operating state, with the spectrum of the sound before, as far as that does not vary by itself."""
        level = found[0] - self.accepted_db
        if np.any((level >= self._low[:, 0] - LEVEL_MARGIN_DB) & (level <= self._high[:, 0] + LEVEL_MARGIN_DB)):
            return None
        before, spread, usual = self._find_before()
        changes = found - before
        gains = np.median(changes, axis=1)
        deviations = np.sqrt(np.mean(np.square((changes - gains[:, None]) / spread), axis=1))
        same = (deviations <= limits.shape) & (np.abs(changes[:, 0] - gains) <= limits.level)
        steps = gains[same & (np.abs(gains) >= limits.step * usual) & (gains >= -MOST_LOST_DB)]
        if not len(steps):
            return None
        gain_db = round(float(steps[np.argmin(np.abs(steps))]), 1)
        return Fault(
            LEVEL_CHANGED,
            f"the level changed by {gain_db:+.1f} dB, and the spectrum did not; check gain and place of the microphone; after a minute "
            "the machine is judged at the new level",
            gain_db,
        )


def _measure_spread(values: DoubleArray) -> DoubleArray:
    """Standard deviation of each column of `[n, n_columns]`, from the median absolute deviation: a bang does not count."""
    spread: DoubleArray = NORMAL_DEVIATIONS * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return spread
