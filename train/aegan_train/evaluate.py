"""Every score of every test clip, and AUC and pAUC for each score."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from aegan_monitor.bundle import REFERENCE, BundleFields
from aegan_monitor.capture.file import read_recording
from aegan_monitor.errors import BundleError, DataError
from aegan_monitor.pipeline import Pipeline
from aegan_monitor.reference import ReferenceSet
from aegan_monitor.replay import open_lines
from aegan_monitor.scores import CONTROL_IDS
from aegan_train.checkpoint import load_trained
from aegan_train.dcase import Clip, find_clips
from aegan_train.finish import RUN_RECORD
from aegan_train.session import TorchSession

MAX_FALSE_POSITIVE_RATE = 0.1  # of pAUC


@dataclass(frozen=True, slots=True)
class Metrics:
    """AUC and standardised partial AUC, the mean over machine ids."""

    auc: float
    pauc: float


def load_fields(run: Path) -> BundleFields:
    """The record of a finished run.

    Raises:
        DataError: The run has none, or one of another version.
    """
    path = run / RUN_RECORD
    try:
        return BundleFields.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: file missing: {run} is no finished run; train it with: aegan-train fit ... --out {run} (--resume)"
        ) from error
    except (ValidationError, ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read as this version's run record; train again") from error


def score_clips(run: Path, clips: Sequence[Clip], device: torch.device) -> list[dict[str, float]]:
    """All scores of each clip.

    Raises:
        DataError: `run` is no finished run.
        CaptureError: A recording is not as it should be.
    """
    fields = load_fields(run)
    training = load_trained(run, device)
    session = TorchSession(training.generator, training.discriminator, device)
    try:
        reference = ReferenceSet.load(run / REFERENCE)
    except BundleError as error:
        raise DataError(f"{run}: is damaged: {error.__cause__}; finish it again with: aegan-train fit ... --resume") from error
    pipeline = Pipeline(fields, reference, session)
    rate = fields.features.sample_rate_hz
    return [
        pipeline.score_clip(read_recording(clip.path, rate), str(clip.path))
        for clip in tqdm(clips, desc="scoring", unit="clip", disable=None, leave=False)
    ]


def compute_metrics(clips: Sequence[Clip], scores: Sequence[dict[str, float]]) -> dict[str, Metrics]:
    """AUC and pAUC (max FPR 0.1, standardised: D. McClish, 1989) of each score, the mean over machine ids.

    Raises:
        DataError: A machine id lacks normal or anomalous test clips.
    """
    table = {name: np.array([clip[name] for clip in scores]) for name in scores[0]}
    labels = np.array([clip.is_anomaly for clip in clips])
    sections = np.array([clip.section for clip in clips])
    for section in np.unique(sections):
        if len(np.unique(labels[sections == section])) < 2:
            kind = "anomalous" if not labels[sections == section].any() else "normal"
            raise DataError(f"id {section}: no {kind} test clip, so there is no AUC; --jsonl still writes the scores")
    found = {}
    for name, values in table.items():
        each = [(labels[sections == s], values[sections == s]) for s in np.unique(sections)]
        auc = float(np.mean([roc_auc_score(label, value) for label, value in each]))
        pauc = float(np.mean([roc_auc_score(label, value, max_fpr=MAX_FALSE_POSITIVE_RATE) for label, value in each]))
        found[name] = Metrics(auc, pauc)
    return found


def evaluate(run: Path, data: Path, jsonl: Path | None, device: torch.device) -> None:
    """Print the table; write one JSON object a clip to `jsonl`.

    Raises:
        DataError, CaptureError: As `score_clips` and `compute_metrics`.
    """
    fields = load_fields(run)
    clips = find_clips(data, fields.machine_type, "test")
    scores = score_clips(run, clips, device)
    with open_lines(jsonl) as record:
        for clip, values in zip(clips, scores, strict=True):
            label = "anomaly" if clip.is_anomaly else "normal"
            record(json.dumps({"file": str(clip.path), "label": label, "scores": values}, allow_nan=False))
    n_anomalies = sum(clip.is_anomaly for clip in clips)
    n_normal, n_epochs = len(clips) - n_anomalies, fields.provenance.n_epochs
    print(f"{fields.machine_type}: {n_normal} normal and {n_anomalies} anomalous test clips, epoch {n_epochs}")
    print_table(fields, compute_metrics(clips, scores))


def print_table(fields: BundleFields, metrics: dict[str, Metrics]) -> None:
    """What was chosen without labels first; then every score, the network's and the controls'; the oracle last."""

    def figures(name: str) -> str:
        return f"{name} AUC {metrics[name].auc:.4f} pAUC {metrics[name].pauc:.4f}"

    control = max(CONTROL_IDS, key=lambda name: metrics[name].auc)
    best = max(metrics, key=lambda name: metrics[name].auc)
    print(f"label-free (what the monitor decides by): {figures(fields.score)}")
    print(f"  {fields.choice}")
    print(f"{'score':<20}{'AUC':>8}{'pAUC':>8}")
    for name, each in metrics.items():
        print(f"{name:<20}{each.auc:>8.4f}{each.pauc:>8.4f}{'   a control: no network, no training' if name in CONTROL_IDS else ''}")
    print(f"oracle (the best by these labels, which nobody has in a plant): {figures(best)}; of the controls: {figures(control)}")
