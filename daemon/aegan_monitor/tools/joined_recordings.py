"""Recordings joined to one stream, without their digital silence, in which each sample can be traced to its file."""

import bisect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aegan_monitor.audio.device.dead_channel import STUCK_S, StuckSignalDetector
from aegan_monitor.audio.file import FileCapture
from aegan_monitor.errors import CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.tools.progress import format_offset
from aegan_monitor.types import Block, Run

BLOCKS_PER_S = 4  # less than STUCK_S a block: a silence is found wherever it begins


class JoinedRecordings:
    """A stream of several files.

    Attributes:
        sample_rate_hz: Rate of the stream.
        n_samples: Samples that were read, silent ones included.
    """

    def __init__(self, paths: Sequence[Path], sample_rate_hz: int, channel: int | None, refuse: Callable[[CaptureError], object]) -> None:
        """Store the parameters; `refuse` takes the error of a file that is damaged further on, which is left there."""
        self.sample_rate_hz = sample_rate_hz
        self.n_samples = 0
        self._paths, self._refuse = paths, refuse
        self._capture = FileCapture(paths, sample_rate_hz, "fast", sample_rate_hz // BLOCKS_PER_S, channel=channel)
        self._starts: list[tuple[int, int]] = []  # first sample and place in `paths` of each file that was read
        self._after_gap = False

    def describe(self) -> str:
        """What is read."""
        return self._capture.describe()

    def find(self, end_sample: int) -> tuple[Path, float]:
        """The file that holds the sample before `end_sample`, and how many seconds into it that is."""
        start_sample, place = self._starts[max(0, bisect.bisect_left(self._starts, (end_sample, -1)) - 1)]
        return self._paths[place], (end_sample - start_sample) / self.sample_rate_hz

    def describe_place(self, end_sample: int) -> str:
        """Stream time in seconds, file, and offset in the file, as in `97.82 s  b.wav at 0:37`."""
        path, offset_s = self.find(end_sample)
        return f"{end_sample / self.sample_rate_hz:9.2f} s  {show_path(path)} at {format_offset(offset_s)}"

    def read(self, report: Callable[[str], object]) -> Iterator[Run]:
        """The sound of the stream. Silence of STUCK_S or longer is left out as a microphone's is, and a gap follows it.

        Raises:
            CaptureError: A file vanished.
        """
        detector = StuckSignalDetector(self.sample_rate_hz, alive=True)
        self._capture.open()
        try:
            while (block := self._read_block()) is not None:
                sound = detector.push(block.samples)
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
        finally:
            self._capture.close()

    def _read_block(self) -> Block | None:
        while True:
            try:
                block = self._capture.read()
            except CaptureError as error:
                self._refuse(error)
                self._capture.skip()
                self._after_gap = True
                continue
            if block is not None:
                if not self._starts or self._starts[-1][1] != self._capture.place:
                    self._starts.append((block.start_sample, self._capture.place))
                self.n_samples = block.start_sample + len(block.samples)
            return block
