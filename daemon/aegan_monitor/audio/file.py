"""Plays WAV or FLAC files, one after the other, as one stream of one rate."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from aegan_monitor.audio.recording import Recording
from aegan_monitor.errors import CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.types import Block, FloatArray

PACKET_S = 0.1  # as long as a packet of a microphone (`FRAGMENT_S` of PulseAudio's)

Pace = Literal["realtime", "fast"]


class FileCapture:
    """Recordings as one stream, at the pace of a microphone or as fast as they are read."""

    def __init__(
        self,
        paths: Sequence[Path],
        sample_rate_hz: int,
        pace: Pace = "realtime",
        block_samples: int = 8000,
        loop: bool = False,
        channel: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Store the parameters.

        Args:
            paths, sample_rate_hz: The recordings in order, and the rate of the stream; recordings of a higher rate are resampled.
            pace: `realtime` delivers blocks as long as a microphone's packets when their last sample is due, `fast` all at once.
            block_samples: Samples that are read at a time (8000 are 0.5 s at 16 kHz); fewer at the end of a recording.
            channel: Channel to play, from 0; None expects recordings of one channel.
            clock, sleep: In monotonic seconds.
        """
        self.sample_rate_hz = sample_rate_hz
        self._place = 0  # of the open recording, in paths
        self._paths, self._pace, self._block_samples = [Path(path) for path in paths], pace, block_samples
        self._loop, self._channel, self._clock, self._sleep = loop, channel, clock, sleep
        self._recording: Recording | None = None
        self._read_on: FloatArray = np.zeros(0, np.float32)  # but not delivered
        self._longest_samples = block_samples if pace == "fast" else min(block_samples, round(PACKET_S * sample_rate_hz))
        self._next_sample = 0
        self._opened_s = 0.0

    def describe(self) -> str:
        """The path of the first recording, and the number of others."""
        more = len(self._paths) - 1
        return f"{show_path(self._paths[0])} and {more} more" if more > 0 else ", ".join(map(show_path, self._paths))

    def open(self) -> None:
        """Check the header and the first sample of every recording, and open the first."""
        if not self._paths:
            raise CaptureError("no recording was named; name at least one WAV or FLAC file")
        for path in self._paths:
            with Recording(path, self.sample_rate_hz, self._channel) as recording:
                recording.read(1)
        self._opened_s = self._clock()
        self._begin(0)

    def read(self) -> Block | None:
        """The next block; None after the last recording."""
        while not len(self._read_on):
            if self._recording is None:
                return None
            self._read_on = self._recording.read(self._block_samples)
            if not len(self._read_on):
                self._begin(self._place + 1)
        samples, self._read_on = self._read_on[: self._longest_samples], self._read_on[self._longest_samples :]
        return self._deliver(samples)

    def close(self) -> None:
        """Close the open recording."""
        self._read_on = self._read_on[:0]
        if self._recording is not None:
            self._recording.close()
            self._recording = None

    def _begin(self, place: int) -> None:
        self.close()
        self._place = place % len(self._paths) if self._loop else place
        if self._place < len(self._paths):
            self._recording = Recording(self._paths[self._place], self.sample_rate_hz, self._channel)

    def _deliver(self, samples: FloatArray) -> Block:
        block = Block(samples, self._next_sample)
        self._next_sample += len(samples)
        if self._pace == "realtime":
            self._sleep(max(0.0, self._opened_s + self._next_sample / self.sample_rate_hz - self._clock()))
        return block
