"""Training time, AUC and size of the bundle against the amount of normal sound, from 2 minutes to 24 hours of a synthesised machine.

.venv/bin/python tests/benchmarks/amount.py [--minutes 2 10 60 120 480 1440] [--row motor_place] [--batches N] [--threads N]

Recordings are days of one minute, six clips each; the test clips are those of the row. 24 h need 2.8 GB for the clips and 1.4 GB for
their spectrograms, which are removed at the end. With --batches the training is cut short, to measure what grows with the sound.
"""

import argparse
import csv
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from aegan_export.bundle import export_bundle
from aegan_monitor.detection.threshold import make_threshold
from aegan_train.bench.measure import score
from aegan_train.bench.rows import SYNTHESISED
from aegan_train.bench.sound.backgrounds import Sounds
from aegan_train.bench.sound.synthesis import TRAIN, Synthesised, write_row, write_wav
from aegan_train.config import load_config
from aegan_train.epochs import run_epochs
from aegan_train.evaluate import load_fields
from aegan_train.fit import FitRequest, fit
from aegan_train.recordings.folder import MANIFEST

CLIPS_PER_DAY, MINUTE_S = 6, 60.0
NOWHERE = Path("/nonexistent")  # rows in place need no recorded sounds


@dataclass(slots=True)
class TimedTraining:
    """Trains as `run_epochs`, and keeps when it began and ended."""

    began_s: float = 0.0
    ended_s: float = 0.0

    def __call__(self, *args: Any, **options: Any) -> bool:
        """See `run_epochs`."""
        self.began_s = time.monotonic()
        whole = run_epochs(*args, **options)
        self.ended_s = time.monotonic()
        return whole


def write_day(day: int, row: Synthesised, folder: Path) -> None:
    """Write the training clips of one day."""
    for clip in range(CLIPS_PER_DAY):
        number = day * CLIPS_PER_DAY + clip
        write_wav(folder / f"normal_id_00_{number:08d}.wav", row.make_clip(TRAIN, day, clip, "", Sounds(NOWHERE, 0)))


def add_days(days: range, row: Synthesised, data: Path) -> None:
    """Add days of training clips to a data set."""
    inside = Path("dev_data", row.machine, "train")
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(write_day, row=row, folder=data / inside), days, chunksize=4))
    with (data / MANIFEST).open("a", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        for number in range(days.start * CLIPS_PER_DAY, days.stop * CLIPS_PER_DAY):
            table.writerow([inside / f"normal_id_00_{number:08d}.wav", "", f"train_{number // CLIPS_PER_DAY}"])


def find_size(folder: Path) -> int:
    """The size of all files in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Print a line for each amount."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, nargs="+", default=[2, 10, 60, 120, 480, 1440])
    parser.add_argument("--row", choices=[name for name, row in SYNTHESISED.items() if row.in_place], default="motor_place")
    parser.add_argument("--batches", type=int, help="batches of the training, in place of the preset's")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder", type=Path, help="for the clips, while this runs")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    row = SYNTHESISED[arguments.row]
    changed = {"n_epochs": 1, "epoch_batches": arguments.batches} if arguments.batches else {}
    config = load_config("edge", None, "robust", **changed)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        data, n_days = Path(temporary, "data"), 0
        write_row(replace(row, n_days=0), data, NOWHERE)
        lines = []
        for minutes in sorted(arguments.minutes):
            add_days(range(n_days, minutes), row, data)
            n_days = minutes
            run, bundle, timed = Path(temporary, f"run{minutes}"), Path(temporary, f"bundle{minutes}"), TimedTraining()
            began_s = time.monotonic()
            fit(FitRequest(data, row.machine, "edge", config, run, "cpu"), timed)
            ended_s = time.monotonic()
            fields = load_fields(run)
            threshold = make_threshold(fields, fields.score).on
            clips = score(run, data, torch.device("cpu"))
            scores = [clip.scores[fields.score] for clip in clips]
            faulty = [bool(clip.fault) for clip in clips]
            auc = roc_auc_score(faulty, scores)
            over = {
                kind: np.mean([each > threshold for each, fault in zip(scores, faulty, strict=True) if fault == kind])
                for kind in (False, True)
            }
            export_bundle(run, bundle)
            lines.append(
                f"{minutes:5} min of sound: reading {timed.began_s - began_s:.0f} s, training {timed.ended_s - timed.began_s:.0f} s, "
                f"calibration {ended_s - timed.ended_s:.0f} s, together {(ended_s - began_s) / MINUTE_S:.1f} min; "
                f"{fields.score} AUC {auc:.3f}; bundle {find_size(bundle) / 1e6:.2f} MB; "
                f"over the threshold: normal {over[False]:.0%}, faulty {over[True]:.0%}; "
                f"largest memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
            )
            print(lines[-1], flush=True)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
