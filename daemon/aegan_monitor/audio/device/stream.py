"""An open device: all its channels, at its own rate."""

from dataclasses import dataclass
from typing import Protocol

from aegan_monitor.types import FloatArray


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a device delivers at a time: float32 `[n_samples, n_channels]`; `overflowed`: some were lost before it."""

    samples: FloatArray
    overflowed: bool = False


class Stream(Protocol):
    """Belongs to one thread; no call of it takes much longer than its timeout, whatever hangs."""

    @property
    def sample_rate_hz(self) -> int:
        """The device's own."""

    @property
    def n_channels(self) -> int:
        """How many a chunk has."""

    def read(self, timeout_s: float) -> Chunk | None:
        """What has come; None when nothing came in that time.

        Raises:
            CaptureError: The device is gone.
        """

    def close(self) -> None:
        """Let go of the device."""
