"""How much normal sound there was, and of how many recordings."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aegan_train.progress import format_duration
from aegan_train.recordings.folder import Clip

CONFIDENCE = 0.95
DAYS_FOR_ONE_IN_20 = math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - 1 / 20))  # 59


@dataclass(frozen=True, slots=True)
class Amount:
    """Amount of normal sound.

    Attributes:
        n_fitted_files, fitted_s: The sound that was trained on.
        n_held_out_files, held_out_s: The sound that was held out.
        n_fitted_recordings, n_held_out_recordings: Recordings that these files were cut from; None where one is not known.
    """

    n_fitted_files: int
    fitted_s: float
    n_fitted_recordings: int | None
    n_held_out_files: int
    held_out_s: float
    n_held_out_recordings: int | None

    def describe(self) -> list[str]:
        """The lines that `fit` prints."""
        fitted = describe_amount(self.fitted_s, self.n_fitted_files, self.n_fitted_recordings)
        held_out = describe_amount(self.held_out_s, self.n_held_out_files, self.n_held_out_recordings)
        lines = [f"normal sound: {fitted} to train on; {held_out} held out"]
        if self.n_fitted_recordings is None or self.n_held_out_recordings is None:
            lines.append(
                "  which files were cut from one recording is not known (no tags, no manifest.csv): all together may prove no more than one"
            )
        lines.append(
            f"  files of one recording are alike, and say little about other days: {DAYS_FOR_ONE_IN_20} recordings of different days "
            "without an alarm prove at most one day in 20 with one"
        )
        return lines


def measure_amount(fitted: Sequence[Clip], fitted_s: float, held_out: Sequence[Clip], held_out_s: float) -> Amount:
    """The amount of these files."""
    return Amount(len(fitted), fitted_s, count_recordings(fitted), len(held_out), held_out_s, count_recordings(held_out))


def count_recordings(clips: Iterable[Clip]) -> int | None:
    """The number of recordings that the clips were cut from; None where that of a clip is not known."""
    recordings = {clip.recording for clip in clips}
    return None if "" in recordings else len(recordings)


def describe_amount(sound_s: float, n_files: int, n_recordings: int | None) -> str:
    """`12 min (72 files of 9 recordings)`."""
    of = "" if n_recordings is None else f" of {n_recordings} recording{'s' * (n_recordings != 1)}"
    return f"{format_duration(sound_s)} ({n_files} file{'s' * (n_files != 1)}{of})"
