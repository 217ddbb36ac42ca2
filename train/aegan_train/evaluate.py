"""Scores all test clips, prints metrics of the labelled clips, and writes score files."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import ValidationError
from tqdm import tqdm

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.decision.policy import DESCRIPTIONS
from aegan_monitor.detection.bundle import REFERENCE, accessing
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import BundleFields, Place
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.threshold import make_threshold
from aegan_monitor.errors import BundleError, CaptureError, DataError
from aegan_monitor.files import show_path
from aegan_monitor.tools.json_lines import open_lines
from aegan_train.artifacts import RUN_RECORD
from aegan_train.calibration.normal_blocks import make_default_policy
from aegan_train.calibration.sensitivity import NOTICED_S
from aegan_train.checkpoint import Training, load_trained
from aegan_train.config import SetName
from aegan_train.dcase.protocols import Metrics, find_protocol, lay_out, measure_all
from aegan_train.dcase.report import print_report
from aegan_train.dcase.score_files import make_folder, write_score_files
from aegan_train.recordings.folder import Clip, Naming, Skipped, find_clips, print_skipped
from aegan_train.torch_session import TorchSession

LABELS = {True: "anomaly", False: "normal", None: None}


def load_fields(run: Path) -> BundleFields:
    """Load the record (run.json) of a finished run.

    Raises:
        DataError: The record is missing, damaged or of another version.
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


def score_clips(
    run: Path, training: Training, clips: Sequence[Clip], device: torch.device
) -> tuple[list[Clip], list[dict[str, float]], list[Skipped]]:
    """Score the clips: (clips that were scored, all scores of each, skipped clips with the reason).

    Raises:
        DataError: `run` is no finished run, or no clip can be scored.
    """
    fields = load_fields(run)
    session = TorchSession(training.generator, training.discriminator, device)
    try:
        with accessing(run):
            reference = ReferenceSet.load(run / REFERENCE, fields.spaces)
    except BundleError as error:
        raise DataError(f"{run}: is damaged: {error.__cause__}; finish it again with: aegan-train fit ... --resume") from error
    pipeline = Pipeline(fields, reference, session)
    rate = fields.features.sample_rate_hz
    scored: list[Clip] = []
    scores: list[dict[str, float]] = []
    skipped: list[Skipped] = []
    for clip in tqdm(clips, desc="scoring", unit="clip", disable=None, leave=False):
        try:
            scores.append(pipeline.score_clip(read_recording(clip.path, rate), show_path(clip.path)))
            scored.append(clip)
        except CaptureError as error:
            skipped.append((clip.path, str(error).removeprefix(f"{show_path(clip.path)}: ")))
    if not scored:
        raise DataError(f"none of {len(clips)} test clips can be scored; the first, {skipped[0][0]}: {skipped[0][1]}")
    return scored, scores, skipped


def describe_exceeded(fields: BundleFields, place: Place, clips: Sequence[Clip], scores: Sequence[float]) -> str:
    """One line: how many of the normal and of the anomalous clips would alarm within NOTICED_S if they lasted.

    A run of version 0.2 cannot say so: it has no blocks of normal sound.
    """
    if fields.calibration[place].blocks is None:
        return f"how many clips would alarm is not known: the run is of version {fields.provenance.version}; train again"
    needed = make_default_policy(fields, place).score_within(NOTICED_S)
    normal, faulty = (
        [score >= needed for clip, score in zip(clips, scores, strict=True) if clip.is_anomaly is label] for label in (False, True)
    )
    counts = f"{sum(normal)} of {len(normal)} normal and {sum(faulty)} of {len(faulty)} anomalous clips"
    return f"alarm within {NOTICED_S:.0f} s if they last, {DESCRIPTIONS[place]} ({fields.score} {needed:.4g}): {counts}"


def evaluate(
    run: Path,
    data: Path,
    device: torch.device,
    *,
    protocol_name: Naming | None = None,
    sets: Sequence[SetName] | None = None,
    jsonl: Path | None = None,
    csv: Path | None = None,
) -> dict[str, Metrics]:
    """Score the test clips, print the tables, write one JSON object a clip to `jsonl` and the challenge's files to `csv`.

    Clips without a label are scored and written, but enter no metric. Returns the metrics of each score; empty where no row has both
    normal and anomalous clips.

    Raises:
        AeganError: As `score_clips`, `find_clips` and `find_protocol`; or `jsonl` or `csv` cannot be made (found before the scoring).
    """
    fields, training = load_fields(run), load_trained(run, device)
    found = find_clips(data, fields.machine_type, "test", sets)
    protocol = find_protocol(found.clips, protocol_name)
    if csv:
        make_folder(csv)
    with open_lines(jsonl) as record:
        clips, scores, unreadable = score_clips(run, training, found.clips, device)
        print_skipped([*found.skipped, *unreadable])
        for clip, values in zip(clips, scores, strict=True):
            record(json.dumps({"file": str(clip.path), "label": LABELS[clip.is_anomaly], "scores": values}, allow_nan=False))
    n_normal, n_anomalous, n_unlabelled = ([clip.is_anomaly for clip in clips].count(label) for label in (False, True, None))
    unlabelled = f" (and {n_unlabelled} without a label, in no AUC)" if n_unlabelled else ""
    n_epochs = fields.provenance.n_epochs
    trained = f"epoch {n_epochs}" if n_epochs else "imported weights"
    print(f"{fields.machine_type}: {n_normal} normal and {n_anomalous} anomalous test clips{unlabelled}, {trained}, {protocol.name}")
    if csv:
        threshold = make_threshold(fields, fields.score).on
        written = write_score_files(csv, protocol, fields.machine_type, clips, [clip[fields.score] for clip in scores], threshold)
        print(f"{csv}: {len(written)} score files, by {fields.score}")
    cells, left_out = lay_out(protocol, clips)
    for reason in left_out:
        print(reason)
    if not cells:
        print("no AUC: there is no row with labelled normal and anomalous test clips")
        return {}
    for place in fields.calibration:
        print(describe_exceeded(fields, place, clips, [clip[fields.score] for clip in scores]))
    metrics = measure_all(protocol, cells, scores)
    print_report(fields, training.config, protocol, metrics)
    return metrics
