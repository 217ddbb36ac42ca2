"""The golden recording: sound for two decisions with every intermediate result, to check the arithmetic of a computer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aegan_monitor.detection.arrays import load_arrays
from aegan_monitor.detection.bundle import Bundle, accessing
from aegan_monitor.detection.features import LogMel
from aegan_monitor.detection.fusion import needed_graphs, score_names
from aegan_monitor.detection.network import GRAPH_OUTPUTS, GRAPHS, Graph, Session
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.segments import Segmenter
from aegan_monitor.detection.threshold import choose_place, make_threshold
from aegan_monitor.errors import BundleError, InferenceRunError
from aegan_monitor.types import DoubleArray, FloatArray, SegmentOutputs

# Largest deviation by stage: dB for `db`, of the scaled range for `segments`, else relative to the largest expected value.
# Another processor's arithmetic stays under 1e-4, a GPU's TF32 under 1e-2. A wrong weight deviates by far more.
TOLERANCES = {"db": 1e-3, "segments": 1e-4, "z": 1e-2, "embedding": 1e-2, "z_errors": 3e-2, "x_errors": 2e-2, "scores": 3e-2}
ABSOLUTE = ("db", "segments")
# The deciding score may always deviate by this fraction of the distance from the median of normal sound to the threshold: F_mean is about
# 0 on normal sound, so no deviation is small relative to it. At the bound of `embedding` (1 %) it moves by up to 3.4 %.
DECISION_TOLERANCE = 0.05
GRAPH_OF_STAGE: dict[str, Graph] = {output: graph for graph in GRAPHS for output in GRAPH_OUTPUTS[graph]}


@dataclass(frozen=True, slots=True)
class StageCheck:
    """Deviation of one stage from the recorded values."""

    stage: str
    deviation: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the deviation is within the tolerance (a NaN is not)."""
        return self.deviation <= self.tolerance


def golden_samples(fields: BundleFields) -> int:
    """Number of samples of a golden recording: enough for two decisions of a stream."""
    n_frames = fields.clip.clip_frames + fields.clip.decision_hop_frames
    return fields.features.n_fft // 2 + (n_frames - 1) * fields.features.hop_samples


def compute_stages(
    fields: BundleFields, reference: ReferenceSet, session: Session, samples: FloatArray, names: Sequence[str] | None = None
) -> dict[str, FloatArray | DoubleArray]:
    """Every stage of the stream `samples`, by name.

    `names` are the scores to compute, all if None: float64 `[2, n_scores]`, NaN without finite outputs of the network. Outputs that the
    session does not have are `[n, 0]`.
    """
    names = score_names(fields) if names is None else names
    frames = LogMel(fields.features, reference.filterbank).push(samples)
    segments = Segmenter(fields.features.n_bands, fields.clip, fields.scaling).push(frames.db)
    outputs = session.infer(segments)
    try:
        clips = Pipeline(fields, reference, session, names).push(samples)
        scores = np.array([list(clip.scores.values()) for clip in clips])
    except InferenceRunError:
        scores = np.full((2, len(names)), np.nan)  # an earlier stage deviates and is reported
    return {"db": frames.db, "segments": segments, **{name: getattr(outputs, name) for name in SegmentOutputs.FIELDS}, "scores": scores}


def write_golden(path: Path, samples: FloatArray, stages: dict[str, FloatArray | DoubleArray]) -> None:
    """Write as `.npz`, nothing pickled."""
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, samples=samples, **stages)


def check_golden(bundle: Bundle, session: Session, score: str | None = None, rounding: float = 1.0) -> list[StageCheck]:
    """Replay the golden recording of `bundle` on `session`, which has the graphs of `score` or all; one finding a stage.

    Only the stages that `score` needs are checked, and no other score; None checks everything. The tolerances of the network's outputs
    are multiplied by `rounding`, more than 1 for a precision whose effect on the scores is compared elsewhere.

    Raises:
        BundleError: The recording is damaged, or cannot be read.
    """
    record = bundle.record
    try:
        with accessing(bundle.folder):
            golden = load_arrays(bundle.golden_path, ("samples", *TOLERANCES))
    except ValueError as error:
        raise BundleError(f"{error}; export the bundle again") from error
    expected, found_shape = (golden_samples(record),), golden["samples"].shape
    if found_shape != expected:
        raise BundleError(f"{bundle.golden_path}: samples: expected shape {expected}, found {found_shape}; export the bundle again")
    known, decides = score_names(record), score or record.score
    names, graphs = (known, GRAPHS) if score is None else ([score], needed_graphs(record, score))
    golden["scores"] = golden["scores"][:, [known.index(name) for name in names]]
    normal = record.calibration[choose_place(record.calibration)]  # that of the lowest threshold
    median = np.interp(0.5, normal.probabilities, normal.quantiles[decides])
    least_scale = DECISION_TOLERANCE / TOLERANCES["scores"] * (make_threshold(record, decides).on - float(median))
    least_scales = np.array([least_scale if name == decides else 0.0 for name in names])
    with np.errstate(all="ignore"):  # an overflow shows as a deviation
        found = compute_stages(record, bundle.reference, session, golden["samples"], names)
        return [
            StageCheck(
                stage,
                deviation(stage, found[stage], golden[stage], least_scales if stage == "scores" else 0.0),
                tolerance * (rounding if stage in GRAPH_OF_STAGE else 1.0),
            )
            for stage, tolerance in TOLERANCES.items()
            if GRAPH_OF_STAGE.get(stage) in (None, *graphs)
        ]


def deviation(
    stage: str, found: FloatArray | DoubleArray, expected: FloatArray | DoubleArray, least_scale: DoubleArray | float = 0.0
) -> float:
    """Largest difference: absolute for stages in ABSOLUTE, else relative to the largest expected value or `least_scale`."""
    if found.shape != expected.shape:
        return float("inf")
    difference = np.abs(found.astype(np.float64) - expected)
    if stage in ABSOLUTE:
        return float(difference.max())
    columnwise = stage in ("scores", "z_errors", "x_errors")
    scale = np.maximum(np.abs(expected).max(axis=0), least_scale) if columnwise else np.abs(expected).max()
    return float((difference / np.maximum(scale, 1e-30)).max())


def require_golden(
    bundle: Bundle,
    session: Session,
    score: str | None = None,
    report: Callable[[StageCheck], object] = lambda _: None,
    rounding: float = 1.0,
) -> list[StageCheck]:
    """Refuse a session with other results than the golden recording; `report` gets each stage's finding before. See `check_golden`.

    Raises:
        BundleError: A stage deviates by more than its tolerance.
    """
    checks = check_golden(bundle, session, score, rounding)
    for check in checks:
        report(check)
    for check in checks:
        if not check.passed:
            raise BundleError(
                f"{bundle.folder}: golden check failed at {check.stage}: expected a deviation of at most {check.tolerance:g}, "
                f"found {check.deviation:.3g}; the provider computes other results; set inference.providers: [cpu], or export again"
            )
    return checks
