"""Level and coarse bands of normal sound, for the daemon's input integrity."""

from collections.abc import Sequence

import numpy as np

from aegan_monitor.decision.sound_bands import N_BANDS
from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import DoubleArray
from aegan_train.recordings.seconds import DC, DROP_OUT

PROBABILITIES = (0.01, 0.5, 0.99)


def find_normal_sound(seconds: Sequence[DoubleArray]) -> list[NormalState]:
    """The operating states of a machine from the seconds of its recordings (`measure_seconds`): one. None where no second is known."""
    known = np.concatenate(seconds) if seconds else np.zeros((0, N_BANDS + 3))
    return [make_state("running", 1.0, known)] if len(known) else []


def make_state(name: str, share: float, seconds: DoubleArray) -> NormalState:
    """The state that these seconds show, one at least."""
    quantiles = np.quantile(seconds[:, : N_BANDS + 1], PROBABILITIES, axis=0).T.tolist()
    return NormalState(
        name=name,
        share=share,
        level_dbfs=quantiles[0],
        bands_dbfs=quantiles[1:],
        dc=float(np.median(seconds[:, DC])),
        drop_outs=float(np.mean(seconds[:, DROP_OUT])),
    )
