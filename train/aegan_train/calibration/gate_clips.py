"""Clips for the gate: with them a computer finds whether another precision changes the deciding score (`aegan_monitor.inference.gate`)."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from aegan_monitor.detection.bundle import GATE
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.inference.gate import make_gate, write_gate
from aegan_monitor.types import FloatArray
from aegan_train.calibration.background_augmentation import TRIED
from aegan_train.calibration.pseudo_faults import PSEUDO_FAULTS, add_pseudo_fault
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.recordings.windows import read_windows
from aegan_train.run_folder import write_atomically

N_NORMAL = 32  # held-out windows at most, evenly spread
N_ALTERED = 2  # of them, with each pseudo-fault


def write_gate_clips(out: Path, fields: BundleFields, reference: ReferenceSet, held_out: Spectrograms, seed: int) -> None:
    """Write the gate's clips into the run `out`: windows of held-out recordings, and some of them with pseudo-faults.

    Raises:
        WriteError: `out` cannot be written.
    """
    gate = make_gate(fields, reference, list_clips(fields, held_out, seed))
    write_atomically(out / GATE, lambda path: write_gate(path, gate))


def list_clips(fields: BundleFields, held_out: Spectrograms, seed: int) -> Iterator[tuple[FloatArray, bool]]:
    """The samples of each clip, float32 `[n_samples]`, and whether it is altered: all normal ones, then the altered ones."""
    features = fields.features
    files = zip(held_out.clips, held_out.windows, strict=True)
    windows = (each for clip, own in files for each in read_windows(clip.path, features, own))
    step = max(1, -(-held_out.n_windows // N_NORMAL))
    normal = [each.copy() for each in islice(windows, 0, None, step)]  # a view would keep its whole recording in memory
    yield from ((samples, False) for samples in normal)
    rng = np.random.default_rng([seed, TRIED])
    for name in PSEUDO_FAULTS:
        yield from ((add_pseudo_fault(samples, name, features.sample_rate_hz, rng), True) for samples in normal[:N_ALTERED])
