"""The calibrated operating states, and which of them some sound belongs to."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.decision.sound.sound_bands import SoundBands
from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import DoubleArray

OFF, RUNNING = "off", "running"
LEAST_SPREAD_DB = 1.0  # a second of a steady machine varies less, but its days differ by more
FARTHEST = 2.0  # standard deviations from which the tails are long: a bang in one band must not outweigh the others
TOLERANCE_DB = 3.0  # mean over level and bands, outside the calibrated range: calibrated states lie further apart
FROM_1_TO_99 = 4.65  # standard deviations of a normal distribution between these two percentiles
LEAST_SHARE = 0.8  # of the seconds of a block that is said to be in one state


class NormalStates:
    """Recognises a calibrated state by level and coarse bands.

    Off and running are distinguished by the level alone, at the middle between the loudest off and the quietest running sound: the noise
    of a hall in which a machine stands still may have any spectrum.
    """

    def __init__(self, states: Sequence[NormalState]) -> None:
        """Derive the ranges of the states, one at least."""
        self.names = [state.name for state in states]
        ranges = np.array([[state.level_dbfs, *state.bands_dbfs] for state in states])
        self._low, self._middle, self._high = (ranges[:, :, place] for place in range(3))
        self._spread = np.maximum((self._high - self._low) / FROM_1_TO_99, LEAST_SPREAD_DB)
        self._off = np.array([name == OFF for name in self.names])
        self.lowest_running_dbfs = float(self._low[~self._off, 0].min(initial=np.inf))
        self._off_below_dbfs = (float(self._high[self._off, 0].max(initial=-np.inf)) + self.lowest_running_dbfs) / 2

    @property
    def has_off(self) -> bool:
        """Whether the machine was calibrated while it stood still."""
        return bool(self._off.any())

    def select(self, name: str) -> list[int]:
        """The states of this name; with `running` all but the off one."""
        return [place for place, each in enumerate(self.names) if each == name or (name == RUNNING and each != OFF)]

    def find(self, second: SoundBands) -> int | None:
        """The state of a second of sound; None if it is outside the range of each."""
        features = second.as_array()
        if self.has_off and second.level_dbfs <= self._off_below_dbfs:
            return self._find_nearest(features, self._off)
        outside_db = np.maximum(0, np.maximum(self._low - features, features - self._high)).mean(axis=1)
        known = (outside_db <= TOLERANCE_DB) & ~self._off
        return self._find_nearest(features, known) if known.any() else None

    def find_among(self, second: SoundBands, places: Sequence[int]) -> int:
        """The nearest of the states at `places`, one at least, however far it is."""
        return self._find_nearest(second.as_array(), np.isin(np.arange(len(self.names)), places))

    def _find_nearest(self, features: DoubleArray, candidates: NDArray[np.bool_]) -> int:
        """The most likely of the states at `candidates` `[n_states]`, by independent normal distributions with longer tails.

        Source: P. J. Huber, Robust Estimation of a Location Parameter (1964).
        """
        deviations = np.abs(features - self._middle) / self._spread
        tails = np.where(deviations <= FARTHEST, np.square(deviations) / 2, FARTHEST * (deviations - FARTHEST / 2))
        cost = np.sum(tails + np.log(self._spread), axis=1)
        return int(np.argmin(np.where(candidates, cost, np.inf)))


def state_of(block: Sequence[SoundBands], states: NormalStates) -> int | None:
    """The state of a block, given its seconds: of the first and the last one, and of most others; None if any is in another state.

    Seconds in no calibrated state are allowed within the block; at its end one may be a change that has begun.
    """
    found = [states.find(second) for second in block]
    if not found or found[0] is None or set(found) - {None} != {found[0]} or found[-1] is None:
        return None
    return found[0] if found.count(found[0]) >= LEAST_SHARE * len(found) else None
