"""Reads a recording of any sample rate at the rate that is wanted, block by block."""

from collections.abc import Iterator

import soxr

from aegan_monitor.audio.recording import Recording
from aegan_monitor.errors import CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.types import FloatArray

SLOWEST_HZ, FASTEST_HZ = 1000, 1_000_000  # beyond, a header is damaged


def read_at_rate(recording: Recording, sample_rate_hz: int, block_s: int) -> Iterator[FloatArray]:
    """The samples that are left of a recording, float32, resampled to `sample_rate_hz`, about `block_s` seconds at once.

    Raises:
        CaptureError: As `Recording.read`, or its rate cannot be right.
    """
    rate_hz = recording.sample_rate_hz
    if not SLOWEST_HZ <= rate_hz <= FASTEST_HZ:
        raise CaptureError(f"{show_path(recording.path)}: expected a rate from {SLOWEST_HZ} to {FASTEST_HZ} Hz, found {rate_hz}")
    resampler = soxr.ResampleStream(rate_hz, sample_rate_hz, 1) if rate_hz != sample_rate_hz else None
    is_last = False
    while not is_last:
        samples = recording.read(block_s * rate_hz)
        is_last = len(samples) == 0
        yield resampler.resample_chunk(samples, is_last) if resampler else samples
