"""Recordings joined to one stream, without their digital silence, in which each sample can be traced to its file."""

import bisect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aegan_monitor.audio.device.dead_channel import STUCK_S, StuckSignalDetector
from aegan_monitor.audio.recording import Recording
from aegan_monitor.errors import CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.tools.progress import format_offset
from aegan_monitor.types import FloatArray, Run

BLOCKS_PER_S = 4  # less than STUCK_S a block: a silence is found wherever it begins


class JoinedRecordings:
    """A stream of several files.

    Attributes:
        sample_rate_hz: Rate of the stream.
        n_samples: Samples that were read, silent ones included.
    """

    def __init__(self, paths: Sequence[Path], sample_rate_hz: int, channel: int | None, refuse: Callable[[CaptureError], object]) -> None:
        """Store the parameters; `refuse` takes the error of a file that is damaged, of which the rest is left out."""
        self.sample_rate_hz = sample_rate_hz
        self.n_samples = 0
        self._paths, self._channel, self._refuse = paths, channel, refuse
        self._starts: list[tuple[int, Path]] = []  # first sample of each file that was read
        self._after_gap = False

    def find(self, end_sample: int) -> tuple[Path, float]:
        """The file that holds the sample before `end_sample`, and how many seconds into it that is."""
        first = bisect.bisect_left(self._starts, end_sample, key=lambda start: start[0])
        start_sample, path = self._starts[max(0, first - 1)]
        return path, (end_sample - start_sample) / self.sample_rate_hz

    @property
    def spans_s(self) -> dict[Path, tuple[float, float]]:
        """Where each file that was read begins and ends in the stream; the last time, if it was given several times."""
        ends = [*(start for start, _ in self._starts[1:]), self.n_samples]
        return {
            path: (start / self.sample_rate_hz, end / self.sample_rate_hz) for (start, path), end in zip(self._starts, ends, strict=True)
        }

    def describe_place(self, end_sample: int) -> str:
        """Stream time in seconds, file, and offset in the file, as in `97.82 s  b.wav at 0:37`."""
        path, offset_s = self.find(end_sample)
        return f"{end_sample / self.sample_rate_hz:9.2f} s  {show_path(path)} at {format_offset(offset_s)}"

    def read(self, report: Callable[[str], object]) -> Iterator[Run]:
        """The sound of the stream. Silence of STUCK_S or longer is left out as a microphone's is, and a gap follows it."""
        detector = StuckSignalDetector(self.sample_rate_hz, alive=True)
        for block in self._read_blocks():
            sound = detector.push(block)
            n_stuck = round(detector.stuck_s * self.sample_rate_hz)
            if detector.stuck_s >= STUCK_S:
                if not self._after_gap:
                    report(f"{self.describe_place(self.n_samples - n_stuck + 1)}  sensor silent: not scored until sound comes again")
                self._after_gap = True
                continue
            start_sample = self.n_samples - n_stuck - sum(map(len, sound))
            for samples in sound:
                yield Run(samples, start_sample, self._after_gap)
                start_sample, self._after_gap = start_sample + len(samples), False

    def _read_blocks(self) -> Iterator[FloatArray]:
        for path in self._paths:
            try:
                with Recording(path, self.sample_rate_hz, self._channel) as recording:
                    self._starts.append((self.n_samples, path))
                    while len(samples := recording.read(self.sample_rate_hz // BLOCKS_PER_S)):
                        self.n_samples += len(samples)
                        yield samples
            except CaptureError as error:
                self._refuse(error)
                self._after_gap = True
