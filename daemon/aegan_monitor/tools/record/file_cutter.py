"""Cutting long recordings into clips for training: `aegan-monitor record --from`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aegan_monitor.audio.recording import Recording
from aegan_monitor.errors import EXIT_FAILED, CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.tools.record.clip_cutter import ClipCutter
from aegan_monitor.tools.record.clip_folder import format_time
from aegan_monitor.tools.record.clip_writer import CLIP_S, ClipWriter


@dataclass(slots=True)
class FileCutter:
    """Cuts recordings of any rate, one channel of each; no clip holds sound of two files.

    Attributes:
        channel: Channel to take, from 0; None expects files of one channel.
        sample_rate_hz: Rate of the clips.
        report: Takes a line on progress.
        warn: Takes a line on a file that is refused.
    """

    paths: Sequence[Path]
    channel: int | None
    writer: ClipWriter
    sample_rate_hz: int
    report: Callable[[str], object]
    warn: Callable[[str], object]
    _n_refused: int = field(default=0, init=False)
    _stopping: bool = field(default=False, init=False)  # no Event, see stop_on_signals

    def stop(self) -> None:
        """End soon (any thread, or a signal)."""
        self._stopping = True

    def run(self) -> int:
        """Cut all files; the exit code, which is 0 when none was refused and a clip was written.

        Raises:
            CaptureError: Another process writes into the folder.
            DataError: The folder cannot be used.
        """
        exit_code = self.writer.run(self._cut_all, lambda: [f"{self._n_refused} file(s) refused"] if self._n_refused else [])
        return EXIT_FAILED if self._n_refused else exit_code

    def _cut_all(self) -> str:
        for path in self.paths:
            try:
                if reason := self._cut(path):
                    return reason
            except CaptureError as error:  # of this file alone
                self._n_refused += 1
                self.warn(str(error))
            if self._stopping:
                break
        return ""

    def _cut(self, path: Path) -> str:
        """Cut one file; why no other may follow, or empty."""
        cutter, n_before = ClipCutter(CLIP_S * self.sample_rate_hz), self.writer.n_clips
        with Recording(path, self.sample_rate_hz, self.channel, any_rate=True) as recording:
            # Recorders give the files of each day the same names.
            self.writer.begin(f"{show_path(path.name)} {format_time(path.stat().st_mtime)}")
            while len(samples := recording.read(CLIP_S * self.sample_rate_hz)) and not self._stopping:
                for clip in cutter.cut(samples):
                    if reason := self.writer.write(clip, ""):
                        return reason
        n_clips, rest_s = self.writer.n_clips - n_before, cutter.n_begun_samples / self.sample_rate_hz
        self.report(f"{show_path(path)}: {n_clips} clips of {CLIP_S} s; {rest_s:.1f} s at its end are left over")
        return ""
