"""Recording normal sound from a microphone or a pipe as clips for training."""

import math
import time
from collections.abc import Callable

from aegan_monitor.audio.level import measure_level
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import CaptureSupervisor
from aegan_monitor.tools.record.clip_cutter import ClipCutter
from aegan_monitor.tools.record.clip_folder import format_time
from aegan_monitor.tools.record.clip_writer import CLIP_S, ClipWriter
from aegan_monitor.types import Run

LIVE_S = 0.5


class Recorder:
    """Cuts what a supervisor captures into clips until the quota is reached, or the sound or the disk ends."""

    def __init__(
        self,
        supervisor: CaptureSupervisor,
        ring: Ring,
        writer: ClipWriter,
        sample_rate_hz: int,
        report: Callable[[str], object],
        show: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Store the parameters; `show` takes a line that may be overwritten (on a terminal)."""
        self._listener, self._ring, self._writer, self._rate_hz = supervisor, ring, writer, sample_rate_hz
        self._report, self._show, self._clock, self._now = report, show, clock, now
        self._cutter = ClipCutter(CLIP_S * sample_rate_hz)
        self._n_gaps = self._n_discarded_samples = 0
        self._started_s = 0.0
        self._shown_s = self._waiting_since_s = -math.inf
        self._missing = ""  # why nothing comes
        self._stopping = False  # no Event, see stop_on_signals

    def stop(self) -> None:
        """End soon (any thread, or a signal)."""
        self._stopping = True

    def run(self) -> int:
        """Record until the end; the exit code.

        Raises:
            CaptureError: Another process writes into the folder, or a capture that is not reopened broke.
            DataError: The folder cannot be used.
        """
        self._started_s = self._clock()
        self._writer.begin(format_time(self._now()))
        exit_code = self._writer.run(self._listen, self._list_facts)
        if self._listener.error and not self._stopping:
            raise self._listener.error
        return exit_code

    def _list_facts(self) -> list[str]:
        gaps = f"{self._n_gaps} gap(s), {self._n_discarded_samples / self._rate_hz:.1f} s discarded at them"
        return [f"coverage {self.coverage():.1f} %", *([gaps] if self._n_gaps else [])]

    def coverage(self) -> float:
        """Percent of the time since the start that was captured: clips, and the begun one."""
        elapsed_s = self._clock() - self._started_s
        heard_s = self._writer.n_clips * CLIP_S + self._cutter.n_begun_samples / self._rate_hz
        return min(100.0, 100 * heard_s / elapsed_s) if elapsed_s > 0 else 100.0

    def _listen(self) -> str:
        self._listener.start()
        try:
            while not self._stopping and not self._ring.ended:
                run = self._ring.read(0.5)
                self._report_sensor(is_heard=run is not None)
                if run is not None and (reason := self._take(run)):
                    return reason
            return ""
        finally:
            self._listener.stop()

    def _report_sensor(self, *, is_heard: bool) -> None:
        """Say at once that nothing comes, and why, and when sound comes again; samples may come a moment before the state of the sensor."""
        sensor = self._listener.sensor()
        missing = "" if is_heard or sensor.state == "ended" or self._listener.error else sensor.detail  # an error is printed at the end
        now_s = self._clock()
        if missing and not self._missing:
            self._waiting_since_s = now_s
        if missing and missing != self._missing:
            self._report(f"WAITING, nothing is recorded: {missing}")
        elif self._missing and not missing:
            self._report(f"recording goes on after {now_s - self._waiting_since_s:.0f} s")
        if missing != self._missing:
            self._writer.note(missing)
        self._missing = missing

    def _take(self, run: Run) -> str:
        """Cut a run; why no other may follow, or empty."""
        if run.after_gap:
            n_discarded = self._cutter.restart()
            self._n_gaps += 1
            self._n_discarded_samples += n_discarded
            self._report(f"gap: sound was lost; {n_discarded / self._rate_hz:.1f} s of a begun clip discarded")
        for samples in self._cutter.cut(run.samples):
            if reason := self._writer.write(samples, format_time(self._now() - CLIP_S)):
                return reason
        if self._show and len(run.samples) and self._clock() - self._shown_s >= LIVE_S:
            self._shown_s = self._clock()
            self._show(f"now {measure_level(run.samples)}  {self._writer.describe_progress()}  coverage {self.coverage():.1f} %")
        return ""
