"""How loud samples are, and whether they are sound at all."""

from dataclasses import dataclass

import numpy as np

from aegan_monitor.types import FloatArray

FLOOR_POWER = 1e-15  # -150 dBFS, where the score topic ends too
FULL_SCALE = 32767 / 32768  # the largest 16-bit sample; what reaches it was cut off


@dataclass(frozen=True, slots=True)
class Level:
    """Of some samples, in dB relative to a full-scale square wave.

    Attributes:
        rms_dbfs: -150 at the least.
        peak_dbfs: Of the largest sample; -150 at the least.
        n_clipped: Samples at full scale.
        is_constant: All samples are the same, as a muted (0) or dead device gives them.
        is_zero: All samples are 0.
    """

    rms_dbfs: float
    peak_dbfs: float
    n_clipped: int
    is_constant: bool
    is_zero: bool

    def __str__(self) -> str:
        """For people."""
        if self.is_zero:
            return "digital silence: muted?"
        if self.is_constant:
            return f"constant at {self.peak_dbfs:.1f} dBFS: a dead device?"
        clipped = f"  CLIPPED {self.n_clipped} samples" if self.n_clipped else ""
        return f"{self.rms_dbfs:6.1f} dBFS  peak {self.peak_dbfs:6.1f} dBFS{clipped}"


def measure_level(samples: FloatArray) -> Level:
    """The level of float32 `[n_samples]`, at least one."""
    size = np.abs(samples)
    peak = float(size.max())
    power = float(np.mean(samples.astype(np.float64) ** 2))
    return Level(
        rms_dbfs=10 * float(np.log10(max(power, FLOOR_POWER))),
        peak_dbfs=10 * float(np.log10(max(peak**2, FLOOR_POWER))),
        n_clipped=int(np.count_nonzero(size >= FULL_SCALE)),
        is_constant=bool(samples.max() == samples.min()),
        is_zero=peak == 0.0,
    )
