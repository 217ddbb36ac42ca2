"""Where samples come from: a microphone (`mic`), recordings (`file`) or a pipe (`stdin`)."""

from typing import Protocol, runtime_checkable

import numpy as np

from aegan_monitor.types import Block, FloatArray

LARGEST_SAMPLE = 1000.0  # 60 dB over full scale: integers taken for floats, or a broken driver


class Capture(Protocol):
    """A stream of samples of one channel.

    One thread opens, reads and closes. A capture that broke is closed and may be opened again: the sample index then goes
    on from where it was, plus the time known to be lost, and the first block is marked `overflowed`.
    """

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the samples; a capture that cannot have it refuses to open."""

    def describe(self) -> str:
        """What a person would recognise: the device's or the file's name."""

    def open(self) -> None:
        """Begin, or begin again after `close`.

        Raises:
            CaptureError: It cannot be had, or is not what was asked for.
        """

    def read(self) -> Block | None:
        """Wait for the next block; None at the end of a finite capture.

        A block without samples says that none came for a moment: whoever reads may want to stop.

        Raises:
            CaptureError: It broke; what follows can only be had by opening it again. Its `fault` is what the sensor topic says.
        """

    def close(self) -> None:
        """Let go of the device or file; harmless when it is not open."""


@runtime_checkable
class DeviceCapture(Capture, Protocol):
    """A capture of something that comes and goes, and has a clock of its own; any thread may ask."""

    @property
    def rate_deviation_ppm(self) -> float | None:
        """How much faster the device is than it says, in millionths; None until it is known."""

    def has_news(self) -> bool:
        """Whether a device has come or gone since the last `open`: time to try again."""


def find_bad_sample(samples: FloatArray) -> int | None:
    """Index of the first sample that is no sound: NaN, infinite, or over LARGEST_SAMPLE; None when there is none."""
    good = np.abs(samples) <= LARGEST_SAMPLE  # false for NaN
    return None if good.all() else int(np.argmin(good))
