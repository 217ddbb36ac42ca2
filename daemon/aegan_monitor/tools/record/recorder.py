"""`aegan-monitor record`: normal sound as clips that `aegan-train fit` takes as they are."""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, repeat

from aegan_monitor.audio.level import Level, measure_level
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import Listener
from aegan_monitor.errors import EXIT_FAILED
from aegan_monitor.tools.record.clip_cutter import ClipCutter
from aegan_monitor.tools.record.clip_folder import ClipFolder, encode_clip, format_time, quantise
from aegan_monitor.types import FloatArray

CLIP_S = 10
SHORTEST_PART, LONGEST_PART = 2, 60  # clips: 20 s, as training cuts a folder without a manifest; 10 min
LIVE_S = 0.5
MB = 1_000_000
DEFAULT_KEEP_FREE_MB = 500.0


@dataclass(frozen=True, slots=True)
class Quota:
    """When enough was recorded.

    Attributes:
        n_clips: Of this start.
        max_bytes: All clips of the machine's folder.
        keep_free_bytes: Left to others on the disk.
    """

    n_clips: float = math.inf
    max_bytes: float = math.inf
    keep_free_bytes: float = DEFAULT_KEEP_FREE_MB * MB


def number_parts() -> Iterator[int]:
    """To which part of a start each of its clips belongs, one after the other.

    Training holds out whole parts, an eighth of the clips, and cannot hold out one that is longer. Nobody knows how long a recording
    will be: so a part is a tenth of what came before it, within SHORTEST_PART and LONGEST_PART.
    """
    n_clips = 0
    for part in count():
        length = min(LONGEST_PART, max(SHORTEST_PART, n_clips // 10))
        n_clips += length
        yield from repeat(part, length)


class Recorder:
    """Cuts what a listener hears into clips and keeps them until the quota is reached, or the sound or the disk ends."""

    def __init__(
        self,
        listener: Listener,
        ring: Ring,
        folder: ClipFolder,
        sample_rate_hz: int,
        quota: Quota,
        tell: Callable[[str], object],
        show: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Store; `show` takes a line that may be overwritten (on a terminal)."""
        self._listener, self._ring, self._folder, self._rate_hz = listener, ring, folder, sample_rate_hz
        self._quota, self._tell, self._show, self._clock, self._now = quota, tell, show, clock, now
        self._cutter = ClipCutter(CLIP_S * sample_rate_hz)
        self._levels: list[Level] = []
        self._n_silent = self._n_without_room = 0
        self._was_silent = False
        self._problem = ""
        self._started_s = 0.0
        self._session = ""
        self._parts = number_parts()
        self._stopping = False  # no Event, see stop_on_signals

    @property
    def n_clips(self) -> int:
        """Clips that were kept."""
        return len(self._levels)

    def stop(self) -> None:
        """End soon (any thread, or a signal)."""
        self._stopping = True

    def run(self) -> int:
        """Record until the end; the exit code.

        Raises:
            CaptureError: The folder is another's, or a capture that is not tried again broke.
            DataError: The folder cannot be used.
        """
        if mended := str(self._folder.open()):
            self._tell(f"{self._folder.folder}: an earlier recording was cut off: {mended}")
        self._started_s, self._session = self._clock(), format_time(self._now())
        try:
            reason = self._lack_room(0) or self._listen()
        finally:
            self._folder.close()
        if self._listener.error and not self._stopping:
            self._tell(self.summarise())
            raise self._listener.error
        if reason:
            self._tell(reason)
        self._tell(self.summarise())
        self._tell(self._folder.advise())
        return EXIT_FAILED if self._problem or not (self._levels or reason) else 0

    def coverage(self) -> float:
        """Percent of the time since the start that is in clips, the begun one too, and one that found no room."""
        elapsed_s = self._clock() - self._started_s
        heard_s = (self.n_clips + self._n_without_room) * CLIP_S + self._cutter.n_begun_samples / self._rate_hz
        return min(100.0, 100 * heard_s / elapsed_s) if elapsed_s > 0 else 100.0

    def summarise(self) -> str:
        """What was recorded, in one line."""
        n_clipped = sum(level.n_clipped > 0 for level in self._levels)
        parts = [
            f"{self.n_clips} clips",
            f"{self.n_clips * CLIP_S / 3600:.2f} h",
            f"coverage {self.coverage():.1f} %",
            f"{n_clipped} clipped",
        ]
        if self._levels:
            low, high = (choose(level.rms_dbfs for level in self._levels) for choose in (min, max))
            parts.append(f"level {low:.1f} to {high:.1f} dBFS")
        if self._n_silent:
            parts.append(f"{self._n_silent} without sound not kept")
        if self._cutter.n_gaps:
            parts.append(f"{self._cutter.n_gaps} gap(s), {self._cutter.thrown_samples_total / self._rate_hz:.1f} s thrown away at them")
        return f"recorded: {', '.join(parts)}"

    def _listen(self) -> str:
        self._listener.start()
        try:
            return self._record()
        finally:
            self._listener.stop()

    def _record(self) -> str:
        """Until the end; why it ended, or empty where nobody has to be told."""
        shown_s = -math.inf
        told = ""
        while not self._stopping and not self._ring.ended:
            sensor = self._listener.sensor()
            if sensor.detail not in ("", told) and not self._listener.error:  # which is told at the end
                self._tell(f"{sensor.detail}; waiting for it")
            told = sensor.detail
            run = self._ring.read(0.5)
            if run is None:
                continue
            n_gaps, n_begun = self._cutter.n_gaps, self._cutter.n_begun_samples
            clips = list(self._cutter.cut(run))
            if self._cutter.n_gaps > n_gaps:
                self._tell(f"gap: sound was lost; {n_begun / self._rate_hz:.1f} s of a begun clip thrown away")
            for samples in clips:
                if reason := self._keep(samples):
                    return reason
            if self._show and len(run.samples) and self._clock() - shown_s >= LIVE_S:
                shown_s = self._clock()
                self._show(f"now {measure_level(run.samples)}  {self._progress()}")
        return ""

    def _keep(self, samples: FloatArray) -> str:
        """Write one clip; why no other may follow, or empty."""
        pcm = quantise(samples)
        if pcm.max() == pcm.min():  # what is left of it in 16 bits
            self._n_silent += 1
            if not self._was_silent:
                self._tell(f"{measure_level((pcm / 32768).astype('float32'))}  not kept; waiting for sound")
            self._was_silent = True
            return ""
        self._was_silent = False
        level = measure_level(samples)
        began = format_time(self._now() - CLIP_S)
        flight = f"{self._session}/{next(self._parts):03d}"
        clip = encode_clip(pcm, self._rate_hz, flight, began)
        try:
            if reason := self._lack_room(len(clip)):
                self._n_without_room = 1
                return reason
            path = self._folder.write(clip, level, flight, began)
        except OSError as error:
            self._problem, self._n_without_room = "disk", 1
            return f"stopped: {self._folder.folder}: {error.strerror}; all clips before are whole, free some space and start again"
        self._levels.append(level)
        self._tell(f"{path.name}  {level}  {self._progress()}")
        return "enough: that was the quota" if self.n_clips >= self._quota.n_clips else ""

    def _lack_room(self, n_bytes: int) -> str:
        """Why there is no room for so many bytes; empty when there is."""
        if self._folder.n_bytes + n_bytes > self._quota.max_bytes:
            holds = f"{self._folder.n_bytes / MB:.1f} MB, at most {self._quota.max_bytes / MB:g} MB"
            return f"enough: {self._folder.folder} holds {holds} (--max-mb)"
        free = shutil.disk_usage(self._folder.folder).free
        if free - n_bytes < self._quota.keep_free_bytes:
            self._problem = "disk"
            return (
                f"stopped: {self._folder.folder}: {free / MB:.0f} MB free on its disk, {self._quota.keep_free_bytes / MB:g} MB stay free "
                "(--keep-free-mb); free some space, or record elsewhere"
            )
        return ""

    def _progress(self) -> str:
        wanted = f" of {self._quota.n_clips:g}" if self._quota.n_clips < math.inf else ""
        return f"{self.n_clips}{wanted} clips  coverage {self.coverage():.1f} %"
