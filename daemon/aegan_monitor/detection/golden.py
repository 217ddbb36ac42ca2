"""The golden recording: one clip and one decision hop of sound with every intermediate, to prove a machine's arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aegan_monitor.detection.arrays import load_arrays
from aegan_monitor.detection.bundle import Bundle, accessing
from aegan_monitor.detection.features import LogMel
from aegan_monitor.detection.fusion import score_names
from aegan_monitor.detection.network import Session
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.segments import Segmenter
from aegan_monitor.errors import BundleError, InferenceRunError
from aegan_monitor.types import DoubleArray, FloatArray, SegmentOutputs

# Largest deviation by stage: dB for frames, of the scaled range for segments, else relative to the largest value.
# Arithmetic of another processor stays under 1e-4; a GPU's TF32 under 1e-2; a wrong weight shows at once.
TOLERANCES = {"db": 1e-3, "segments": 1e-4, "z": 1e-2, "embedding": 1e-2, "z_errors": 3e-2, "x_errors": 2e-2, "scores": 3e-2}
ABSOLUTE = ("db", "segments")


@dataclass(frozen=True, slots=True)
class StageCheck:
    """How far one stage is from the record."""

    stage: str
    deviation: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether it is near enough (a NaN is not)."""
        return self.deviation <= self.tolerance


def golden_samples(fields: BundleFields) -> int:
    """Samples of a golden recording: enough for two decisions of a stream."""
    n_frames = fields.clip.clip_frames + fields.clip.decision_hop_frames
    return fields.features.n_fft // 2 + (n_frames - 1) * fields.features.hop_samples


def compute_stages(
    fields: BundleFields, reference: ReferenceSet, session: Session, samples: FloatArray
) -> dict[str, FloatArray | DoubleArray]:
    """Every stage of the stream `samples`, by name; `scores` is float64 `[2, n_scores]`, NaN where the network gave nothing finite."""
    frames = LogMel(fields.features, reference.filterbank).push(samples)
    segments = Segmenter(fields.features.n_bands, fields.clip, fields.scaling).push(frames.db)
    outputs = session.infer(segments)
    try:
        clips = Pipeline(fields, reference, session).push(samples)
        scores = np.array([list(clip.scores.values()) for clip in clips])
    except InferenceRunError:
        scores = np.full((2, len(score_names(fields))), np.nan)  # an earlier stage shows why
    return {"db": frames.db, "segments": segments, **{name: getattr(outputs, name) for name in SegmentOutputs.FIELDS}, "scores": scores}


def write_golden(path: Path, samples: FloatArray, stages: dict[str, FloatArray | DoubleArray]) -> None:
    """Write as `.npz`, nothing pickled."""
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, samples=samples, **stages)


def check_golden(bundle: Bundle, session: Session) -> list[StageCheck]:
    """Replay the golden recording on `session` (which must load every graph); one finding a stage.

    Raises:
        BundleError: The recording is damaged, or cannot be read.
    """
    try:
        with accessing(bundle.folder):
            golden = load_arrays(bundle.golden_path, ("samples", *TOLERANCES))
    except ValueError as error:
        raise BundleError(f"{error}; export the bundle again") from error
    expected, found_shape = (golden_samples(bundle.record),), golden["samples"].shape
    if found_shape != expected:
        raise BundleError(f"{bundle.golden_path}: samples: expected shape {expected}, found {found_shape}; export the bundle again")
    with np.errstate(all="ignore"):  # what overflows is told as a deviation
        found = compute_stages(bundle.record, bundle.reference, session, golden["samples"])
        return [StageCheck(stage, deviation(stage, found[stage], golden[stage]), TOLERANCES[stage]) for stage in TOLERANCES]


def deviation(stage: str, found: FloatArray | DoubleArray, expected: FloatArray | DoubleArray) -> float:
    """Largest difference; relative to the largest expected value of its column unless the stage is ABSOLUTE."""
    if found.shape != expected.shape:
        return float("inf")
    difference = np.abs(found.astype(np.float64) - expected)
    if stage in ABSOLUTE:
        return float(difference.max())
    columnwise = stage in ("scores", "z_errors", "x_errors")
    scale = np.abs(expected).max(axis=0) if columnwise else np.abs(expected).max()
    return float((difference / np.maximum(scale, 1e-30)).max())


def require_golden(bundle: Bundle, session: Session, tell: Callable[[StageCheck], object] = lambda _: None) -> list[StageCheck]:
    """Refuse a model that does not compute here what it computed where it was made; `tell` gets each stage's finding before.

    Raises:
        BundleError: A stage deviates by more than its tolerance.
    """
    checks = check_golden(bundle, session)
    for check in checks:
        tell(check)
    for check in checks:
        if not check.passed:
            raise BundleError(
                f"{bundle.folder}: golden check failed at {check.stage}: expected a deviation of at most {check.tolerance:g}, "
                f"found {check.deviation:.3g}; this provider computes something else: try inference.providers: [cpu], or export again"
            )
    return checks
