"""Level and coarse bands of a stretch of sound: what is known of a machine without its network."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from aegan_monitor.detection.features import dbfs_from_power
from aegan_monitor.types import DoubleArray, FloatArray

N_BANDS = 8  # of equal width on the mel scale
LEAST_POWER = 1e-15  # -150 dB


@dataclass(frozen=True, slots=True)
class SoundBands:
    """Level and coarse bands of some sound.

    Attributes:
        level_dbfs: RMS without DC, relative to a full-scale sine (AES17).
        bands_dbfs: The same within each band, float64 `[N_BANDS]`, from low to high.
    """

    level_dbfs: float
    bands_dbfs: DoubleArray

    def as_array(self) -> DoubleArray:
        """The level and the bands, `[1 + N_BANDS]`."""
        return np.concatenate([[self.level_dbfs], self.bands_dbfs])

    def amplify(self, gain_db: float) -> "SoundBands":
        """Those of the same sound `gain_db` louder."""
        return SoundBands(self.level_dbfs + gain_db, self.bands_dbfs + gain_db) if gain_db else self


def band_edges_hz(sample_rate_hz: int) -> DoubleArray:
    """Edges of the bands, `[N_BANDS + 1]`, from 0 to half the sample rate."""
    highest_mel = 2595 * np.log10(1 + sample_rate_hz / 2 / 700)
    edges: DoubleArray = 700 * (10 ** (np.linspace(0, highest_mel, N_BANDS + 1) / 2595) - 1)
    return edges


@lru_cache(maxsize=4)
def _make_window(n_samples: int) -> tuple[DoubleArray, float]:
    """A Hann window, and what a sum of powers under it is divided by."""
    window = np.hanning(n_samples)
    return window, n_samples * float(np.square(window).sum())


@lru_cache(maxsize=4)
def _find_bounds(n_samples: int, sample_rate_hz: int) -> list[int]:
    """The bins of the spectrum at which the bands but the first begin."""
    found: list[int] = np.searchsorted(np.fft.rfftfreq(n_samples, 1 / sample_rate_hz), band_edges_hz(sample_rate_hz)[1:-1]).tolist()
    return found


def measure_bands(samples: FloatArray, sample_rate_hz: int) -> SoundBands:
    """The bands of float32 `[n_samples]`, some thousand at least; one Hann window spans them all.

    Source: mel scale of O'Shaughnessy (1987); power by Parseval's theorem, corrected for the window.
    """
    exact = samples.astype(np.float64)
    exact -= exact.mean()
    window, divisor = _make_window(len(exact))
    spectrum = np.fft.rfft(exact * window)
    power = (np.square(spectrum.real) + np.square(spectrum.imag)) * 2 / divisor
    parts = [float(part.sum()) for part in np.split(power, _find_bounds(len(exact), sample_rate_hz))]
    return SoundBands(dbfs_from_power(float(np.square(exact).mean())), 10 * np.log10(2 * np.maximum(parts, LEAST_POWER)))


class BandMeter:
    """Measures a stream second by second, however it is split."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self.restart(0)

    def restart(self, start_sample: int) -> None:
        """Begin at `start_sample`, after a gap; a second that was not complete is dropped."""
        self._end_sample, self._waiting = start_sample, np.zeros(0, np.float32)

    def push(self, samples: FloatArray) -> list[tuple[int, SoundBands]]:
        """(end sample, bands) of each second that `samples`, float32 `[n_samples]`, complete."""
        waiting = np.concatenate([self._waiting, samples])
        n_whole = len(waiting) - len(waiting) % self._sample_rate_hz
        self._waiting = waiting[n_whole:]
        found = []
        for second in waiting[:n_whole].reshape(-1, self._sample_rate_hz):
            self._end_sample += self._sample_rate_hz
            found.append((self._end_sample, measure_bands(second, self._sample_rate_hz)))
        return found
