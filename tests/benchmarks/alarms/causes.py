"""The cause in words of each faulty clip of the synthesised rows in place, and how often it names the injected band.

.venv/bin/python tests/benchmarks/alarms/causes.py [--rows press_place ...] [--data FOLDER]

FOLDER holds rows that are already written, each in a folder of its name. No network is trained: the bands, the lasting share and the
scores without a network are computed as in a training; each of these scores is standardised by the normal test clips. A named band is
right if it overlaps the band that holds the middle 80 % of the power of the injected sound.
"""

import argparse
import csv
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.decision.sound.cause import Cause, describe_cause, find_kind
from aegan_monitor.decision.sound.changed_bands import NormalBands
from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.features import FeatureParameters, LogMel, make_filterbank
from aegan_monitor.detection.scores import SPACE_VIEWS
from aegan_monitor.detection.views import VIEWS, BandSummary, summarise
from aegan_monitor.types import DoubleArray
from aegan_train.bench.rows import SYNTHESISED
from aegan_train.bench.sound.injected import INJECTED, LEVEL_DB
from aegan_train.bench.sound.machines import MACHINES
from aegan_train.bench.sound.sounds import RATE_HZ
from aegan_train.bench.sound.synthesis import CLIP_S, FAULTY, GAIN_DB, RMS, Synthesised, write_row
from aegan_train.calibration.lasting import fit_lasting
from aegan_train.calibration.spaces import fit_spaces
from aegan_train.calibration.usual_bands import fit_usual_bands
from aegan_train.recordings.folder import MANIFEST

MAX_ROWS = 128  # of a space, as in the recipe robust
NEW_PIECES = 16  # of a decision
ADDED = ("tone", "band_noise", "impacts", "knocking")  # injected faults with a band of their own
NOWHERE = Path("/nonexistent")  # rows in place need no recorded sounds


@dataclass(frozen=True, slots=True)
class HeardClip:
    """One clip of a row: its number among the faulty clips, its fault (empty for a normal one), its recording and its bands."""

    number: int
    fault: str
    recording: str
    is_training: bool
    bands: BandSummary


def hear_row(folder: Path) -> list[HeardClip]:
    """All clips of a row."""
    features = FeatureParameters()
    logmel = LogMel(features, make_filterbank(features), make_baseline_filterbank(features))
    with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return [
        HeardClip(
            number=int(Path(line["path"]).stem[-8:]),
            fault=line["condition"],
            recording=line["flight"],
            is_training="/train/" in line["path"],
            bands=summarise(logmel.transform_clip(read_recording(folder / line["path"], RATE_HZ)).baseline_db),
        )
        for line in lines
    ]


def find_injected_band(row: Synthesised, number: int) -> tuple[float, float] | None:
    """The edges in Hz between which the middle 80 % of the power of an injected sound lies; None if nothing was added.

    The sound is made again, in the order of random numbers of `Synthesised.make_clip`.
    """
    n_of_kind = row.n_fault_days * row.n_fault_clips
    day, clip = divmod(number, row.n_fault_clips)
    own = np.random.default_rng([row.seed, 0])
    today = np.random.default_rng([row.seed, 1, FAULTY, day])
    now = np.random.default_rng([row.seed, 2, FAULTY, day, clip])
    machine = MACHINES[row.machine][0](own, today, now, round(CLIP_S * RATE_HZ), "")
    machine = machine * RMS * 10 ** (GAIN_DB * today.normal() / 20)
    added = INJECTED[row.faults[number // n_of_kind]](machine, now.uniform(*LEVEL_DB), now) - machine
    power = np.cumsum(np.abs(np.fft.rfft(added)) ** 2)
    if power[-1] == 0:  # a compressor that is off
        return None
    low, high = np.searchsorted(power / power[-1], [0.1, 0.9]) / CLIP_S
    return float(low), float(high)


def standardise(scores: dict[str, DoubleArray], is_normal: DoubleArray) -> dict[str, DoubleArray]:
    """The logarithms of scores `[n_clips]` in standard deviations of the normal clips."""
    logs = {name: np.log(values) for name, values in scores.items()}
    return {name: (each - each[is_normal].mean()) / each[is_normal].std() for name, each in logs.items()}


def report_row(name: str, folder: Path) -> None:
    """Print the cause of each faulty clip of a row, and the counts."""
    row, clips = SYNTHESISED[name], hear_row(folder)
    training, test = [clip for clip in clips if clip.is_training], [clip for clip in clips if not clip.is_training]
    bands = [clip.bands for clip in training]
    groups = np.unique([clip.recording for clip in training], return_inverse=True)[1]
    levels_db = np.stack([each.mean[0] for each in bands])
    normal = NormalBands(levels_db, levels_db.std(axis=0), fit_usual_bands(bands, groups), RATE_HZ)
    lasting, spaces = fit_lasting(bands, groups), fit_spaces(bands, MAX_ROWS)
    scores = {score: np.array([spaces[score].measure(VIEWS[SPACE_VIEWS[score]](clip.bands)) for clip in test]) for score in spaces}
    terms = standardise(scores, np.array([not clip.fault for clip in test]))
    counts: dict[str, Counter[str]] = {}
    for place, clip in enumerate(test):
        found = normal.find_changes(clip.bands.mean[0])
        changes, is_rest_usual = [change for _, change in found], bool(found) and normal.has_addition(clip.bands.mean[0], found)
        excess = lasting.excess(clip.bands.pieces)
        kind = find_kind(excess, excess[-NEW_PIECES:])
        cause = Cause(tuple(changes), kind, None, max(terms, key=lambda score: terms[score][place]), rest_is_usual=is_rest_usual)
        count = counts.setdefault(clip.fault or "normal", Counter())
        count.update(["clips", kind, *(["named"] if changes else []), *(["all else as usual"] if is_rest_usual else [])])
        injected = find_injected_band(row, clip.number) if clip.fault in ADDED else None
        if injected:
            count["added"] += 1
            count["right"] += bool(changes) and changes[0].from_hz <= injected[1] and changes[0].to_hz >= injected[0]
        if clip.fault:
            where = f" ({injected[0] / 1000:.2f} to {injected[1] / 1000:.2f} kHz)" if injected else ""
            print(f"{name}, {clip.fault}{where}: {describe_cause(cause)}", flush=True)
    for fault, count in counts.items():
        print(f"{name}, {fault}: {dict(count)}", flush=True)


def main() -> None:
    """Print all rows."""
    in_place = [name for name, row in SYNTHESISED.items() if row.in_place]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=in_place, default=in_place)
    parser.add_argument("--data", type=Path, help="folder of rows that are already written")
    arguments = parser.parse_args()
    for name in arguments.rows:
        with tempfile.TemporaryDirectory() as temporary:
            folder = arguments.data / name if arguments.data else Path(temporary)
            if not arguments.data:
                write_row(SYNTHESISED[name], folder, NOWHERE)
            report_row(name, folder)


if __name__ == "__main__":
    main()
