"""Level of samples, and signs of a device that delivers no sound."""

from dataclasses import dataclass

import numpy as np

from aegan_monitor.detection.features import dbfs_from_power
from aegan_monitor.types import FULL_SCALE, FloatArray

QUIETEST_DBFS, LOUDEST_DBFS = -37.0, -12.0  # good for normal sound: room for a louder fault, and quiet parts are over the noise
BAR_FLOOR_DB = -60.0
BAR_LENGTH = 20  # a line fits 80 columns
LARGE_DC = 0.01  # -40 dB of full scale: above the noise of any working microphone


@dataclass(frozen=True, slots=True)
class Level:
    """Level of some samples.

    Attributes:
        rms_dbfs: Level without the mean, relative to a full-scale sine (AES17), -150 at least.
        peak_dbfs: Largest sample with the mean, relative to 1.0, -150 at least.
        dc: Mean; full scale is 1.
        n_clipped: Samples at full scale.
        is_constant, is_zero: All samples are equal (a dead device), or 0 (a muted one).
    """

    rms_dbfs: float
    peak_dbfs: float
    dc: float
    n_clipped: int
    is_constant: bool
    is_zero: bool

    @property
    def warning(self) -> str:
        """A large DC offset, or empty."""
        return f"DC offset {self.dc:.2f}" if abs(self.dc) >= LARGE_DC else ""

    def __str__(self) -> str:
        """One line."""
        if self.is_zero:
            return "digital silence: muted?"
        if self.is_constant:
            return f"constant at {self.peak_dbfs:.1f} dBFS: a dead device?"
        clipped = f"  CLIPPED {self.n_clipped} samples" if self.n_clipped else ""
        return f"{self.rms_dbfs:6.1f} dBFS  peak {self.peak_dbfs:6.1f} dBFS{clipped}{f'  {self.warning}' if self.warning else ''}"


def measure_level(samples: FloatArray) -> Level:
    """The level of float32 `[n_samples]`, one at least."""
    size = np.abs(samples)
    peak = float(size.max())
    exact = samples.astype(np.float64)
    return Level(
        rms_dbfs=dbfs_from_power(float(exact.var())),
        peak_dbfs=dbfs_from_power(peak**2 / 2),
        dc=float(exact.mean()),
        n_clipped=int(np.count_nonzero(size >= FULL_SCALE)),
        is_constant=bool(samples.max() == samples.min()),
        is_zero=peak == 0.0,
    )


def draw_bar(rms_dbfs: float) -> str:
    """A level from BAR_FLOOR_DB to full scale as a bar."""
    n_filled = round(BAR_LENGTH * min(1.0, max(0.0, 1 - rms_dbfs / BAR_FLOOR_DB)))
    return f"[{'#' * n_filled}{' ' * (BAR_LENGTH - n_filled)}]"
