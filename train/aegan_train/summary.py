"""The summary that `fit` prints: amount and level of the sound, and at the end the threshold and the sensitivity."""

import shlex
import sys
from pathlib import Path

import numpy as np

from aegan_monitor.audio.level import LOUDEST_DBFS, QUIETEST_DBFS
from aegan_train.artifacts import Calibrated
from aegan_train.calibration.normal_blocks import make_default_policy
from aegan_train.calibration.pseudo_faults import PSEUDO_FAULTS
from aegan_train.calibration.sensitivity import NOTICED_S
from aegan_train.config import TrainConfig
from aegan_train.findings.findings import Findings
from aegan_train.progress import format_duration
from aegan_train.recordings.spectrograms import Spectrograms

TRIAL_S = 3600.0  # shorter recordings are unlikely to contain every load of a machine
NOTICED = ((0.8, "yes"), (0.2, "sometimes"), (0.0, "no"))  # least fraction of windows that are noticed, and its word


def print_recordings(machine_type: str, fitted: Spectrograms, held_out: Spectrograms, config: TrainConfig, device: str, seed: int) -> None:
    """Print amount and level of the sound; warn where it is too little, too quiet or too loud."""
    sound_s = (sum(fitted.n_frames) + sum(held_out.n_frames)) * config.features.hop_s
    print(
        f"{machine_type}: {len(fitted.clips)} normal clips to train on, {len(held_out.clips)} held out, "
        f"{format_duration(sound_s)} of sound; {device}, seed {seed}"
    )
    levels = [*fitted.levels_dbfs, *held_out.levels_dbfs]
    low, median, high = np.quantile(levels, [0, 0.5, 1])
    print(f"level of the recordings: {median:.1f} dBFS, from {low:.1f} to {high:.1f}")
    print("the monitor knows only these sounds: each load and speed, and the machine switched off, must be among them")
    if not QUIETEST_DBFS <= median <= LOUDEST_DBFS:
        todo = "more" if median < QUIETEST_DBFS else "less"
        good = f"{QUIETEST_DBFS:g} to {LOUDEST_DBFS:g}"
        print(f"warning: recordings of {median:.1f} dBFS: expected {good}; record again with {todo} gain", file=sys.stderr)
    if sound_s < TRIAL_S:
        print(
            f"warning: {format_duration(sound_s)} of sound is a trial: "
            "false alarms are likely in every state of the machine that was not recorded; record an hour or more",
            file=sys.stderr,
        )


def print_verdict(found: Calibrated, findings: Findings, run: Path) -> None:
    """Print the score that alarms, the sensitivity to each pseudo-fault, the findings, and the next command."""
    fields = found.fields
    needed = make_default_policy(fields).score_within(NOTICED_S)
    print(f"normal sound that was held out scored up to {max(found.normal):.2f}; {needed:.2f} alarms within {NOTICED_S:.0f} s if it lasts")
    if "any" in fields.calibration:
        print("that is for a microphone that stays in its place; alarm.place: any is for one that is moved, and misses small faults")
    print(f"would it notice this within {NOTICED_S:.0f} s, mixed into that sound?")
    for name, each in found.noticed.items():
        word = next(word for least, word in NOTICED if each.n_exceeded >= least * each.n_windows)
        print(f"  {PSEUDO_FAULTS[name][1] + ':':<60}{word:<10} ({each.n_exceeded} of {each.n_windows})")
    if not any(each.n_exceeded for each in found.noticed.values()):
        print("it would notice none of them: record more normal sound, and nearer to the machine; a larger false_alarms.per_week")
        print("(see monitor.yaml) notices more, and raises more false alarms")
    print("about these recordings:")
    for line in findings.describe():
        print(f"  {line}")
    print(f"next: aegan-export {shlex.quote(str(run))} --out BUNDLE")
