"""What the deciding score would notice, as far as that can be tried without a fault: altered normal sound against the same sound plain."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.types import FloatArray
from aegan_train.calibration.background_augmentation import TRIED, change_background
from aegan_train.calibration.pseudo_faults import ALTERATIONS, alter
from aegan_train.progress import follow
from aegan_train.recordings.folder import Clip
from aegan_train.torch_session import TorchSession


def try_alterations(
    fields: BundleFields, reference: ReferenceSet, session: TorchSession, held_out: Sequence[Clip], seed: int
) -> dict[str, float]:
    """AUC of the deciding score between altered held-out clips and plain ones, by alteration.

    Where the run knows other backgrounds (`n_backgrounds`), each clip of both kinds stands before one of its own: else what is told
    apart may be no more than two recordings.
    """
    rate_hz = fields.features.sample_rate_hz
    rng = np.random.default_rng([seed, TRIED])
    pipeline = Pipeline(fields, reference, session, [fields.score])

    def score_one(samples: FloatArray) -> float:
        heard = change_background(samples, rng) if fields.reference.n_backgrounds else samples
        return pipeline.score_clip(heard)[fields.score]

    n_scored = len(held_out) * (1 + len(ALTERATIONS))
    score = follow(score_one, n_scored, f"scoring {len(held_out)} held-out clips plain and altered in {len(ALTERATIONS)} ways")
    recordings = [read_recording(clip.path, rate_hz) for clip in held_out]
    plain = [score(samples) for samples in recordings]
    found = {}
    for name in ALTERATIONS:
        altered = [score(alter(samples, name, rate_hz, rng)) for samples in recordings]
        found[name] = float(roc_auc_score([0] * len(plain) + [1] * len(altered), plain + altered))
    return found
