"""The gate: how far a provider and precision change the deciding score of normal clips and of altered ones.

The golden check proves that a computer runs the right network. The gate proves that what it rounds changes no alarm. The clips are
spectrograms of held-out recordings, without sound; scores that need no network are stored with them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.detection.arrays import load_arrays
from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.bundle import GATE, Bundle, accessing
from aegan_monitor.detection.features import LogMel, limit_range
from aegan_monitor.detection.fusion import FUSIONS, fuse, needed_ids, score_names
from aegan_monitor.detection.network import Session, empty_outputs
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import BASELINE_IDS, ClipEvidence, evaluate_scores
from aegan_monitor.detection.segments import cut_segments
from aegan_monitor.detection.threshold import choose_place, make_threshold
from aegan_monitor.detection.views import summarise
from aegan_monitor.errors import BundleError
from aegan_monitor.types import DoubleArray, FloatArray, SegmentOutputs

ARRAYS = ("frames", "altered", "members")
# The golden check allows the same change of the deciding score. A rank correlation of 0.99 is a mean difference of 4 % of the ranks.
LEAST_RANK_CORRELATION = 0.99
LARGEST_CHANGE = 0.05
LARGEST_AUC_CHANGE = 0.01
LARGEST_FALSE_ALARM_FACTOR = 1.25
# Tolerances of the network's outputs in the golden check are so many times as large: rounding moves single numbers of an embedding by
# 1 % (bf16) and 4 % (int8). What that does to the deciding score has its own bounds, in the golden check and here.
ROUNDING: dict[str, float] = {"fp32": 1.0, "fp16": 2.0, "bf16": 4.0, "int8": 10.0}


@dataclass(frozen=True, slots=True)
class GateClips:
    """The content of `gate.npz`.

    Attributes:
        frames: Scaled spectrograms, float16 `[n_clips, n_bands, n_frames]`.
        altered: 1 for a clip with a pseudo-fault, 0 for a normal one; float64 `[n_clips]`.
        members: The scores that need no network, in the order of `member_names`; float64 `[n_clips, n_members]`.
    """

    frames: NDArray[np.float16]
    altered: DoubleArray
    members: DoubleArray


@dataclass(frozen=True, slots=True)
class GateFigures:
    """How far the deciding score differs from that of strict fp32 on the same clips.

    Attributes:
        n_clips: Clips, with the altered ones.
        rank_correlation: Spearman's, over all clips.
        largest_change: Of a normal clip's score, as a part of the distance from the median of normal sound to the alarm.
        auc_change: Of the AUC between normal and altered clips, downwards; 0 without altered ones.
        false_alarm_factor: How many times as often normal sound exceeds the calibrated quantile, if every normal score moves by the mean
            change of those in the gate.
    """

    n_clips: int
    rank_correlation: float
    largest_change: float
    auc_change: float
    false_alarm_factor: float

    def find_problem(self) -> str:
        """The first figure beyond its limit; empty if all are within."""
        low, high = -np.inf, np.inf
        limits = [
            ("rank correlation", self.rank_correlation, LEAST_RANK_CORRELATION, high),
            ("largest change", self.largest_change, low, LARGEST_CHANGE),
            ("loss of AUC", self.auc_change, low, LARGEST_AUC_CHANGE),
            ("factor of false alarms", self.false_alarm_factor, low, LARGEST_FALSE_ALARM_FACTOR),
        ]
        for what, found, least, most in limits:
            if not least <= found <= most:
                bound = f"at most {most:g}" if least == low else f"at least {least:g}"
                return f"{what}: expected {bound}, found {found:.4g}"
        return ""

    def describe(self) -> str:
        """One line for people."""
        change = f"largest change {100 * self.largest_change:.2g} % of the way to the alarm"
        rates = f"AUC {0.0 - self.auc_change:+.4f}, false alarms x {self.false_alarm_factor:.3f}"
        return f"{self.n_clips} clips: rank correlation {self.rank_correlation:.4f}, {change}, {rates}"


def find_rounding(bundle: Bundle, precision: str) -> float:
    """By how much the golden check's tolerances grow: not at all for a bundle without clips for the gate."""
    return ROUNDING.get(precision, 1.0) if GATE in bundle.record.files else 1.0


def member_names(fields: BundleFields) -> list[str]:
    """The scores of the bundle that need no network."""
    return [name for name in score_names(fields) if name in BASELINE_IDS]


def make_gate(fields: BundleFields, reference: ReferenceSet, clips: Iterable[tuple[FloatArray, bool]]) -> GateClips:
    """The gate of `clips`, each float32 `[n_samples]` and whether it is altered; all are cut to the shortest."""
    features = fields.features
    logmel = LogMel(features, reference.filterbank, make_baseline_filterbank(features))
    ids = [BASELINE_IDS[name] for name in member_names(fields)]
    frames, altered, members = [], [], []
    for samples, is_altered in clips:
        found = logmel.transform_clip(samples)
        evidence = ClipEvidence(SegmentOutputs(**empty_outputs(0)), summarise(found.baseline_db))
        frames.append(fields.scaling.apply(limit_range(found.db, features.top_db)).astype(np.float16))
        altered.append(float(is_altered))
        members.append(list(evaluate_scores(evidence, reference, fields.clip.n_segments, ids).values()))
    n_frames = min(fields.clip.covered_frames, *(each.shape[1] for each in frames))
    return GateClips(np.stack([each[:, :n_frames] for each in frames]), np.array(altered), np.array(members, ndmin=2))


def write_gate(path: Path, gate: GateClips) -> None:
    """Write as `.npz`, nothing pickled."""
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, frames=gate.frames, altered=gate.altered, members=gate.members)


def load_gate(bundle: Bundle) -> GateClips | None:
    """The clips of the bundle's gate; None if it has none.

    Raises:
        BundleError: They are damaged, or cannot be read.
    """
    if GATE not in bundle.record.files:
        return None
    path = bundle.folder / GATE
    try:
        with accessing(bundle.folder):
            gate = GateClips(**load_arrays(path, ARRAYS))
    except ValueError as error:
        raise BundleError(f"{error}; export the bundle again") from error
    n_bands, n_frames = bundle.record.features.n_bands, bundle.record.clip.segment_frames
    n = len(gate.frames)
    shapes = {"altered": (n,), "members": (n, len(member_names(bundle.record)))}
    wrong = [name for name, shape in shapes.items() if getattr(gate, name).shape != shape]
    if wrong or gate.frames.ndim != 3 or gate.frames.shape[1] != n_bands or gate.frames.shape[2] < n_frames or not n:
        name = wrong[0] if wrong else "frames"
        raise BundleError(f"{path}: {name}: unexpected shape {getattr(gate, name).shape}; export the bundle again")
    return gate


def score_gate(bundle: Bundle, gate: GateClips, session: Session, score: str) -> DoubleArray:
    """`score` of each clip by this session, float64 `[n_clips]`.

    Raises:
        InferenceRunError: The session fails, or gives NaN.
    """
    fields = bundle.record
    ids = needed_ids(fields, [score])
    networks, known = [each for each in ids if each.graph], member_names(fields)
    found = []
    for frames, members in zip(gate.frames, gate.members, strict=True):
        segments = np.ascontiguousarray(cut_segments(frames.astype(np.float32), fields.clip))
        evidence = ClipEvidence(session.infer(segments), None)
        scores = dict(zip(known, members.tolist(), strict=True))
        scores |= evaluate_scores(evidence, bundle.reference, fields.clip.n_segments, networks)
        found.append(fuse(scores, fields.fusion, score) if score in FUSIONS else scores[score])
    return np.array(found)


def compare(fields: BundleFields, score: str, gate: GateClips, expected: DoubleArray, found: DoubleArray) -> GateFigures:
    """The figures of `found` beside `expected`, those of strict fp32; both float64 `[n_clips]`."""
    normal = fields.calibration[choose_place(fields.calibration)]
    quantiles, probabilities = np.asarray(normal.quantiles[score]), np.asarray(normal.probabilities)
    is_normal = gate.altered == 0
    change = (found - expected)[is_normal]
    distance = make_threshold(fields, score).on - float(np.interp(0.5, probabilities, quantiles))
    limit = float(np.interp(normal.quantile, probabilities, quantiles))
    rate, moved = (1 - np.interp(at, quantiles, probabilities) for at in (limit, limit - change.mean()))
    auc_change = find_auc(expected, is_normal) - find_auc(found, is_normal)
    return GateFigures(
        n_clips=len(found),
        rank_correlation=correlate_ranks(expected, found),
        largest_change=float(np.abs(change).max() / max(distance, np.finfo(float).tiny)),
        auc_change=float(auc_change),
        false_alarm_factor=float(moved / max(rate, np.finfo(float).tiny)) if moved != rate else 1.0,
    )


def rank(values: DoubleArray) -> DoubleArray:
    """Ranks from 0; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: DoubleArray = (np.cumsum(counts) - (counts + 1) / 2)[place]
    return found


def correlate_ranks(a: DoubleArray, b: DoubleArray) -> float:
    """Spearman's rank correlation; 1 where both are constant, 0 where one is.

    Source: C. Spearman, 1904, with mean ranks of equal values.
    """
    ranks = [rank(values) - (len(values) - 1) / 2 for values in (a, b)]
    norms = [float(np.sqrt(each @ each)) for each in ranks]
    if not all(norms):
        return float(norms[0] == norms[1])
    return float(ranks[0] @ ranks[1] / (norms[0] * norms[1]))


def find_auc(scores: DoubleArray, is_normal: NDArray[np.bool_]) -> float:
    """The AUC between normal and altered clips; 0.5 without one of them."""
    normal, altered = scores[is_normal], scores[~is_normal]
    if not len(normal) or not len(altered):
        return 0.5
    over = np.sign(altered[:, None] - normal[None, :])
    return float((over.mean() + 1) / 2)
