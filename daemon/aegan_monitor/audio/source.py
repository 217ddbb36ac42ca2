"""Protocols of the sources of samples: a microphone (`mic`), recordings (`file`) or a pipe (`stdin`)."""

from typing import Protocol, runtime_checkable

import numpy as np

from aegan_monitor.types import Block, FloatArray

LARGEST_SAMPLE = 1000.0  # 60 dB over full scale: integers read as floats, or a broken driver


class Capture(Protocol):
    """A stream of samples of one channel, used by one thread."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the samples; `open` fails if the source cannot give it."""

    def describe(self) -> str:
        """Name of the device or the file."""

    def open(self) -> None:
        """Open the source.

        Raises:
            CaptureError: It is missing, or does not have the expected format.
        """

    def read(self) -> Block | None:
        """Wait for the next block; None at the end. A block without samples lets the caller check whether to stop.

        Raises:
            CaptureError: The source failed; `fault` is the state of the sensor.
        """

    def close(self) -> None:
        """Close the source, if it is open."""


@runtime_checkable
class DeviceCapture(Capture, Protocol):
    """A device with its own clock, which may be unplugged and opened again. These members are safe for any thread.

    After `open`, the sample index has advanced by the time that was lost, and the first block is marked `overflowed`.
    """

    @property
    def rate_deviation_ppm(self) -> float | None:
        """Deviation of the sample clock from the nominal rate, in ppm; None until it is known."""

    def has_news(self) -> bool:
        """Whether a device has appeared or disappeared since the last `open`: another attempt may succeed."""


def find_bad_sample(samples: FloatArray) -> int | None:
    """Index of the first sample that is NaN, infinite or over LARGEST_SAMPLE; None without one."""
    good = np.abs(samples) <= LARGEST_SAMPLE  # false for NaN
    return None if good.all() else int(np.argmin(good))
