"""How much normal sound there was, and what no alarm in it can prove."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.stats import chi2

from aegan_train.progress import format_duration
from aegan_train.recordings.folder import Clip

CONFIDENCE = 0.95
WEEK_H = 168
HOURS_FOR_ONE_A_WEEK = 3 * WEEK_H  # rule of three
DAYS_FOR_ONE_IN_20 = math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - 1 / 20))  # 59


@dataclass(frozen=True, slots=True)
class Proof:
    """Amount of normal sound, and the largest rate of false alarms that the held-out part leaves possible.

    Attributes:
        n_fitted_files, fitted_s: The sound that was trained on.
        n_held_out_files, held_out_s: The sound that was held out.
        n_fitted_recordings, n_held_out_recordings: Recordings that these files were cut from; None where one is not known.
        n_scored: Held-out clips that were scored, each as long as those of the monitor, and `scored_s`, their length together.
        n_over: Those of them that are over the threshold.
        most_an_hour: At most so many false alarms an hour, with CONFIDENCE.
    """

    n_fitted_files: int
    fitted_s: float
    n_fitted_recordings: int | None
    n_held_out_files: int
    held_out_s: float
    n_held_out_recordings: int | None
    n_scored: int
    scored_s: float
    n_over: int
    most_an_hour: float

    def describe(self) -> list[str]:
        """The lines that `fit` prints."""
        fitted = describe_amount(self.fitted_s, self.n_fitted_files, self.n_fitted_recordings)
        held_out = describe_amount(self.held_out_s, self.n_held_out_files, self.n_held_out_recordings)
        over = f"{self.n_over or 'none'} of {self.n_scored} held-out clips ({format_duration(self.scored_s)}) over the threshold"
        lines = [
            f"normal sound: {fitted} to train on; {held_out} held out",
            f"false alarms: {over}; that proves at most {describe_rate(self.most_an_hour)}, with 95 % confidence",
            f"  this sound also set the threshold; {HOURS_FOR_ONE_A_WEEK} h of new normal sound without an alarm prove at most one a week",
        ]
        if self.n_fitted_recordings is None or self.n_held_out_recordings is None:
            lines.append(
                "  which files were cut from one recording is not known (no tags, no manifest.csv): all together may prove no more than one"
            )
        lines.append(
            f"  files of one recording are alike, and say little about other days: {DAYS_FOR_ONE_IN_20} recordings of different days "
            "without an alarm prove at most one day in 20 with one"
        )
        return lines


def find_proof(
    fitted: Sequence[Clip],
    fitted_s: float,
    held_out: Sequence[Clip],
    held_out_s: float,
    scores: Sequence[float],
    threshold: float,
    clip_s: float,
) -> Proof:
    """What the held-out `scores` prove, each of a clip of at most `clip_s`, of normal sound.

    Source: upper limit of a Poisson rate (F. Garwood, 1936); without an event it is 3 / time, the rule of three.
    """
    n_over = sum(score > threshold for score in scores)
    scored_s = min(held_out_s, len(scores) * clip_s)
    most = float(chi2.ppf(CONFIDENCE, 2 * (n_over + 1)) / 2)
    return Proof(
        len(fitted),
        fitted_s,
        count_recordings(fitted),
        len(held_out),
        held_out_s,
        count_recordings(held_out),
        len(scores),
        scored_s,
        n_over,
        most / (scored_s / 3600),
    )


def count_recordings(clips: Iterable[Clip]) -> int | None:
    """The number of recordings that the clips were cut from; None where that of a clip is not known."""
    recordings = {clip.recording for clip in clips}
    return None if "" in recordings else len(recordings)


def describe_amount(sound_s: float, n_files: int, n_recordings: int | None) -> str:
    """`12 min (72 files of 9 recordings)`."""
    of = "" if n_recordings is None else f" of {n_recordings} recording{'s' * (n_recordings != 1)}"
    return f"{format_duration(sound_s)} ({n_files} file{'s' * (n_files != 1)}{of})"


def describe_rate(an_hour: float) -> str:
    """A rate in words: an hour, a day or a week, whichever gives a number of 1 or more."""
    for hours, unit in ((1, "an hour"), (24, "a day")):
        if an_hour * hours >= 1:
            return f"{an_hour * hours:.0f} {unit}"
    return f"{an_hour * WEEK_H:.1f} a week"
