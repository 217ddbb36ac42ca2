"""Sensitivity of the deciding score: compares held-out normal windows with and without pseudo-faults."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
from sklearn.metrics import roc_auc_score

from aegan_monitor.detection.fusion import FUSIONS, fuse
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import SCORE_IDS
from aegan_monitor.types import FloatArray
from aegan_train.calibration.background_augmentation import TRIED
from aegan_train.calibration.normal_blocks import make_default_policy
from aegan_train.calibration.pseudo_faults import PSEUDO_FAULTS, add_pseudo_fault
from aegan_train.progress import follow
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.recordings.windows import read_windows
from aegan_train.torch_session import TorchSession

NOTICED_S = 120.0
N_TRIED = 64  # held-out windows at most, evenly spread; more of them hardly make the AUC more exact


@dataclass(frozen=True, slots=True)
class Noticed:
    """How well the deciding score separates one pseudo-fault.

    Attributes:
        auc: AUC between held-out windows with and without the pseudo-fault; 0.5 means that it is not noticed.
        n_exceeded: Windows with the pseudo-fault whose score, if it lasted, would alarm within NOTICED_S in the recorded place.
        n_windows: Windows that were tried.
        auc_without_network: The AUC of the same score without its members that need a network; None where it has none of either kind.
    """

    auc: float
    n_exceeded: int
    n_windows: int
    auc_without_network: float | None = None


def try_pseudo_faults(
    fields: BundleFields, reference: ReferenceSet, session: TorchSession, held_out: Spectrograms, seed: int
) -> dict[str, Noticed]:
    """The sensitivity to each pseudo-fault, on at most N_TRIED of the windows of held-out recordings."""
    features = fields.features
    rng = np.random.default_rng([seed, TRIED])
    members = fields.fusion if fields.score in FUSIONS else {}
    pipeline = Pipeline(fields, reference, session, list(members) or [fields.score])
    others = {name: term for name, term in members.items() if SCORE_IDS[name].graph is None}
    noticeable = make_default_policy(fields).score_within(NOTICED_S)
    step = max(1, -(-held_out.n_windows // N_TRIED))
    files = zip(held_out.clips, held_out.windows, strict=True)
    all_windows = (each for clip, windows in files for each in read_windows(clip.path, features, windows))
    windows = [each.copy() for each in islice(all_windows, 0, None, step)]  # a view would keep its whole recording in memory
    n_scored = len(windows) * (1 + len(PSEUDO_FAULTS))
    what = f"scoring {len(windows)} held-out clips without and with each of {len(PSEUDO_FAULTS)} pseudo-faults"
    evaluate = follow(pipeline.score_clip, n_scored, what)

    def score(samples: FloatArray) -> tuple[float, float]:
        """(the deciding score, the same without its members that need a network) of a window."""
        found = evaluate(samples)
        whole = fuse(found, members, fields.score) if members else found[fields.score]
        return whole, fuse(found, others, fields.score) if others else whole

    plain = [score(samples) for samples in windows]
    found = {}
    for name in PSEUDO_FAULTS:
        faulty = [score(add_pseudo_fault(samples, name, features.sample_rate_hz, rng)) for samples in windows]
        auc, without = (float(roc_auc_score([0] * len(plain) + [1] * len(faulty), each)) for each in zip(*plain, *faulty, strict=True))
        n_exceeded = sum(value >= noticeable for value, _ in faulty)
        found[name] = Noticed(auc, n_exceeded, len(faulty), without if 0 < len(others) < len(members) else None)
    return found
