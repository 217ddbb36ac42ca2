"""What the daemon's input integrity measures of each second, for the recordings of a training. Imports no PyTorch."""

import numpy as np

from aegan_monitor.decision.sound.second import measure_second
from aegan_monitor.decision.sound.sound_bands import N_BANDS
from aegan_monitor.types import DoubleArray, FloatArray

DC, DROP_OUT = N_BANDS + 1, N_BANDS + 2  # columns, after the level and the bands


def measure_seconds(samples: FloatArray, sample_rate_hz: int) -> DoubleArray:
    """Level, bands, DC offset and drop-out (1 or 0) of each whole second, `[n_seconds, N_BANDS + 3]`; NaN for digital silence."""
    found: list[list[float]] = []
    for start in range(0, len(samples) - sample_rate_hz + 1, sample_rate_hz):
        second = measure_second(samples[start : start + sample_rate_hz], sample_rate_hz)
        known = [*second.bands.as_array(), second.dc, second.has_drop_out]
        found.append(known if second.constant is None else [np.nan] * len(known))
    return np.array(found).reshape(-1, N_BANDS + 3)
