"""Writing clips into a folder until there are enough or the disk is full, and the summary of what was written."""

import math
import shutil
from collections.abc import Callable, Iterator
from itertools import count, repeat

import numpy as np

from aegan_monitor.audio.flac import encode_clip, quantise
from aegan_monitor.audio.level import Level, measure_level
from aegan_monitor.clock import now
from aegan_monitor.errors import EXIT_FAILED
from aegan_monitor.messages.recording import RecordingState
from aegan_monitor.tools.record.advice import ENOUGH_S, EVERY_STATE, describe_amount, describe_level
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_monitor.types import FloatArray

CLIP_S = 10
SHORTEST_PART, LONGEST_PART = 2, 60  # clips: 20 s, as training cuts a folder that does not say; 10 min
MB = 1_000_000


def number_parts() -> Iterator[int]:
    """The part of a recording that each of its clips belongs to, one after the other.

    Training holds out whole parts, an eighth of the clips, and cannot hold out one that is longer. The length of a recording
    is not known in advance: so a part is a tenth of what came before it, between SHORTEST_PART and LONGEST_PART.
    """
    n_clips = 0
    for part in count():
        length = min(LONGEST_PART, max(SHORTEST_PART, n_clips // 10))
        n_clips += length
        yield from repeat(part, length)


class ClipWriter:
    """Clips of one process."""

    def __init__(
        self,
        folder: ClipFolder,
        sample_rate_hz: int,
        report: Callable[[str], object],
        *,
        n_wanted: float = math.inf,
        keep_free_bytes: float,
        lists_clips: bool = True,
    ) -> None:
        """Store; `n_wanted` clips are enough, and `keep_free_bytes` of the disk stay free."""
        self._levels: list[Level] = []  # of each clip that was written
        self._has_failed = False
        self._folder, self._rate_hz, self._report = folder, sample_rate_hz, report
        self._n_wanted, self._keep_free_bytes, self._lists_clips = n_wanted, keep_free_bytes, lists_clips
        self._recording, self._parts = "", number_parts()
        self._began_at = now()
        self._n_silent = 0
        self._was_silent = False

    @property
    def n_clips(self) -> int:
        """Clips that were written."""
        return len(self._levels)

    def run(self, cut: Callable[[], str], list_facts: Callable[[], list[str]]) -> int:
        """Lock the folder, let `cut` write into it until it ends or gives a reason, and print a summary with more facts; the exit code.

        Raises:
            CaptureError: Another process writes into the folder.
            DataError: The folder cannot be used.
        """
        if n_removed := self._folder.open():
            self._report(f"{self._folder.folder}: {n_removed} unfinished clip(s) of an earlier recording removed")
        self.note()
        if self._n_wanted * CLIP_S < ENOUGH_S:
            self._report(describe_amount(self._n_wanted * CLIP_S))
        try:
            reason = self._lack_room() or cut()
        finally:
            self._folder.close()
        if reason:
            self._report(reason)
        self._summarise(list_facts())
        return EXIT_FAILED if self._has_failed or not (self._levels or reason) else 0

    def begin(self, recording: str) -> None:
        """From now on clips are cut from another recording, which training must not mix with the one before."""
        self._recording, self._parts = recording, number_parts()

    def write(self, samples: FloatArray, time: str) -> str:
        """Write a clip that began at `time`, unless it is silent; why no other may follow, or empty."""
        pcm = quantise(samples)
        level = measure_level((pcm / 32768).astype(np.float32))
        was_silent, self._was_silent = self._was_silent, level.is_constant
        if level.is_constant:
            self._n_silent += 1
            if not was_silent:
                self._report(f"{level}  not kept; waiting for sound")
                self.note(f"{level} (not kept)")
            return ""
        if reason := self._lack_room():
            return reason
        try:
            path = self._folder.write(encode_clip(pcm, self._rate_hz, f"{self._recording}/{next(self._parts):03d}", time))
        except OSError as error:
            self._has_failed = True
            return f"stopped: {self._folder.folder}: {error.strerror}; all clips before are whole, free some space and start again"
        self._levels.append(level)
        self.note()
        if self._lists_clips:
            self._report(f"{path.name}  {level}  {self.describe_progress()}")
        return "enough: that was the quota" if self.n_clips >= self._n_wanted else ""

    def note(self, waiting: str = "") -> None:
        """Say how far it is, for the page; `waiting` is why nothing comes."""
        verdict = [describe_amount(self._folder.count_clips() * CLIP_S), *([describe_level(self._levels)] if self._levels else [])]
        wanted = self._n_wanted * CLIP_S / 3600 if self._n_wanted < math.inf else None
        hours = self.n_clips * CLIP_S / 3600
        self._folder.note(RecordingState(began_at=self._began_at, hours=hours, hours_wanted=wanted, verdict=verdict, waiting=waiting))

    def _lack_room(self) -> str:
        """Why there is no room for a clip; empty when there is."""
        free_bytes = shutil.disk_usage(self._folder.folder).free
        if free_bytes >= self._keep_free_bytes:
            return ""
        self._has_failed = True
        return (
            f"stopped: {self._folder.folder}: {free_bytes / MB:.0f} MB free on its disk, "
            f"{self._keep_free_bytes / MB:g} MB stay free (--keep-free-mb); free some space, or record elsewhere"
        )

    def describe_progress(self) -> str:
        """How many clips there are, of how many."""
        wanted = f" of {self._n_wanted:g}" if self._n_wanted < math.inf else ""
        return f"{self.n_clips}{wanted} clips"

    def _summarise(self, facts: list[str]) -> None:
        """Print what was written, what it is good for and the next step."""
        silent = [f"{self._n_silent} without sound not kept"] if self._n_silent else []
        self._report(f"recorded: {', '.join([f'{self.n_clips} clips', f'{self.n_clips * CLIP_S / 3600:.2f} h', *facts, *silent])}")
        if self._levels:
            self._report(describe_level(self._levels))
            self._report(f"{self._folder.folder}: {describe_amount(self._folder.count_clips() * CLIP_S)}")
            self._report(EVERY_STATE)
        self._report(self._folder.advise())
