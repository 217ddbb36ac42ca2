"""Normal recordings as spectrograms, split by recording, and the segments of an epoch."""

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from aegan_monitor.detection.segments import Scaling
from aegan_monitor.errors import DataError
from aegan_monitor.files import show_path
from aegan_monitor.types import FloatArray
from aegan_train.config import ScalingKind, TrainConfig
from aegan_train.recordings.folder import Clip, print_skipped
from aegan_train.recordings.prepare import LEAST_CLIPS, prepare
from aegan_train.recordings.spectrograms import Spectrograms, compute_spectrograms
from aegan_train.sampler import IntArray, find_moments

LEAST_BAND_STD_DB = 0.3  # floor for a nearly constant band (silence above a low-pass filter), so that its noise is not amplified
BAND_STDS = 3.0  # nearly all values of a band then lie in [-1, 1], the range of the generator
LEAST_RUN_CLIPS = 2  # shorter runs would hold out single clips and fit their neighbours of the same recording
N_HELD_OUT_RUNS = 4  # without a manifest, the held-out clips are this many runs of consecutive clips
PART = re.compile("/[0-9]{3,}$")  # the part of a recording, in the tags of `aegan-monitor record`


def group_by_recording(clips: Sequence[Clip], n_held_out: int) -> list[list[Clip]]:
    """Groups of clips that are never split: clips of one recording, or runs of consecutive clips where it is unknown or the only one."""
    is_single = len({clip.recording for clip in clips}) == 1
    known: dict[str, list[Clip]] = {}
    others: list[Clip] = []
    for clip in clips:
        (known.setdefault(clip.recording, []) if clip.recording and not is_single else others).append(clip)
    length = max(LEAST_RUN_CLIPS, n_held_out // N_HELD_OUT_RUNS)
    runs: list[list[Clip]] = []
    for _, each in groupby(others, key=lambda clip: (clip.path.parent, clip.section, clip.domain)):
        neighbours = list(each)
        runs += [neighbours[i : i + length] for i in range(0, len(neighbours), length)]
    return [*known.values(), *runs]


def number_recordings(clips: Sequence[Clip], held_out: float) -> IntArray:
    """The number of each clip's group (`group_by_recording`), from 0, where a part `held_out` of all clips is held out."""
    groups = group_by_recording(clips, max(2, round(held_out * len(clips))))
    number_of = {clip: number for number, group in enumerate(groups) for clip in group}
    return np.array([number_of[clip] for clip in clips])


def split_held_out(clips: Sequence[Clip], fraction: float, seed: int) -> tuple[list[Clip], list[Clip]]:
    """(clips to fit, clips held out for calibration).

    Of several recordings none is split between the two. One recording alone is split in time: runs of consecutive clips are held out.
    """
    n_wanted = max(2, round(fraction * len(clips)))
    groups = group_by_recording(clips, n_wanted)
    held_out: set[Clip] = set()
    for place in np.random.default_rng(seed).permutation(len(groups))[:-1]:
        if len(held_out) + len(groups[place]) <= max(n_wanted, min(map(len, groups))):
            held_out.update(groups[place])
    if not held_out:  # the only group that is small enough came last
        smallest: list[Clip] = min(groups, key=list.__len__)
        held_out.update(smallest)
    return [clip for clip in clips if clip not in held_out], [clip for clip in clips if clip in held_out]


def warn_of_one_recording(clips: Sequence[Clip]) -> None:
    """Warn that held-out sound is of the same recording as the rest, where there is only one."""
    found = {PART.sub("", clip.recording) for clip in clips}
    if len(found) == 1 and "" not in found:
        print(
            f"warning: all sound is of one recording ({show_path(found.pop())}), what is held out as well: this cannot prove that another "
            "day, load or place raises no false alarm; record on other days, too",
            file=sys.stderr,
        )


@contextlib.contextmanager
def gather_recordings(
    data: Sequence[Path], machine_type: str, config: TrainConfig, run: Path, channel: int | None = None
) -> Iterator[tuple[Spectrograms, TrainConfig]]:
    """The spectrograms of all normal recordings in `data` that can be trained on, and the settings with the length of a clip.

    They are there for the block: what was cut and joined (`prepare`) is removed at its end. Prints the skipped files on stderr.

    Raises:
        DataError: There are fewer than LEAST_CLIPS, or their features cannot be stored in the folder `run`.
    """
    with prepare(data, machine_type, config, run, channel) as prepared:
        found = compute_spectrograms(prepared.clips, config.features, prepared.config.clip, run)
        skipped = [*prepared.skipped, *found.skipped]
        print_skipped(skipped)
        if not found.clips:
            raise DataError(f"{data[0]}: no recording can be trained on, for the reasons above; mend them, or record normal sound again")
        if (n := len(found.clips)) < LEAST_CLIPS:
            raise DataError(f"{data[0]}: expected at least {LEAST_CLIPS} normal clips, found {n}; record more normal sound")
        yield replace(found, skipped=skipped), prepared.config


def find_scaling(db: Sequence[FloatArray], kind: ScalingKind = "extremes") -> Scaling:
    """The scaling by the extremes of the training set, or (`bands`) by mean and BAND_STDS standard deviations of each band.

    Raises:
        DataError: The clips hold digital silence, or one constant value.
    """
    min_db, max_db = float(min(each.min() for each in db)), float(max(each.max() for each in db))
    if max_db - min_db < 1.0:
        raise DataError("the training clips hold no sound (all bands are equally loud); check the recordings")
    if kind == "extremes":
        return Scaling(((max_db + min_db) / 2,), ((max_db - min_db) / 2,))
    mean, variance = find_moments(db)
    half_range = BAND_STDS * np.maximum(np.sqrt(variance), LEAST_BAND_STD_DB)
    return Scaling(tuple(mean.tolist()), tuple(half_range.tolist()))
