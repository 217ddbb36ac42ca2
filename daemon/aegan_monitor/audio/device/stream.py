"""Protocol of an open device: all channels, at its own rate."""

from dataclasses import dataclass
from typing import Protocol

from aegan_monitor.types import FloatArray


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples of one read: float32 `[n_samples, n_channels]`; `overflowed`: some were lost before it."""

    samples: FloatArray
    overflowed: bool = False


class Stream(Protocol):
    """An open device, used by one thread. No call takes much longer than its timeout, even if the device hangs."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the device."""

    @property
    def n_channels(self) -> int:
        """Channels of a chunk."""

    def read(self, timeout_s: float) -> Chunk | None:
        """The next samples; None if none came in that time.

        Raises:
            CaptureError: The device is gone.
        """

    def close(self) -> None:
        """Close the device."""
