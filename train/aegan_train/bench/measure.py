"""One training of the bench: from a data set to the scores of each test clip, kept as JSON."""

import contextlib
import csv
import tempfile
import time
from pathlib import Path

import torch
from pydantic import BaseModel, ValidationError

from aegan_monitor.detection.bundle import REFERENCE
from aegan_monitor.detection.fusion import fuse, needed_graphs
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import Place
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import SCORE_IDS
from aegan_monitor.detection.threshold import make_threshold
from aegan_monitor.errors import DataError
from aegan_train.bench.disturbances import Lasting, measure_lasting
from aegan_train.bench.keys import digest_own_code, make_key
from aegan_train.bench.sound.synthesis import Synthesised, write_row
from aegan_train.bench.units import Bench, Unit
from aegan_train.bench.weights import KeptTraining
from aegan_train.checkpoint import load_trained
from aegan_train.evaluate import load_fields, score_clips
from aegan_train.fit import FitRequest, fit
from aegan_train.progress import follow, format_duration
from aegan_train.recordings.folder import MANIFEST, find_clips
from aegan_train.run_folder import write_atomically
from aegan_train.torch_session import TorchSession


class ScoredClip(BaseModel, frozen=True):
    """A test clip: its fault (empty for a normal one), the recording it was cut from, and all its scores."""

    fault: str
    recording: str
    scores: dict[str, float]


class Measured(BaseModel, frozen=True):
    """The result of a training.

    Attributes:
        key: Digest of all that it depends on.
        fit_s: Duration of the training, reading and calibration included; the part of kept weights is that of their own training.
        n_clips: Normal clips that were trained or calibrated on.
        score: The score that decides without labels.
        thresholds: Its thresholds of an alarm, by the place of a monitor.
        further: That score of further normal clips.
        lasting: Lasting shares of faults and of disturbances.
    """

    key: str
    unit: str
    seed: int
    fit_s: float
    n_clips: int
    score: str
    thresholds: dict[Place, float]
    clips: list[ScoredClip]
    lasting: Lasting
    further: list[float] = []


def find_path(unit: Unit, seed: int, bench: Bench) -> Path:
    """The file of a result."""
    return bench.out / "runs" / f"{unit.name}.{bench.recipe}.{seed}.json"


def measure(unit: Unit, seed: int, bench: Bench, scratch: Path) -> tuple[Measured, str]:
    """Train and score the test clips: (the result, what was done). Kept weights of the same updates need no training.

    What `fit` prints goes into a file beside the result. Clips and run lie in the folder `scratch`, and are removed.

    Raises:
        AeganError: As `fit` and `score_clips`.
        KeyboardInterrupt: Ctrl-C during the training, of which nothing is kept.
    """
    path, key = find_path(unit, seed, bench), make_key(unit, seed, bench)
    path.parent.mkdir(parents=True, exist_ok=True)
    train = KeptTraining(bench.out / "weights", f"{unit.name}.{seed}", digest_own_code().updates)
    with tempfile.TemporaryDirectory(dir=scratch) as temporary:
        data, run = Path(temporary, "data"), Path(temporary, "run")
        if isinstance(unit.source, Synthesised):
            write_row(unit.source, data, bench.esc10)
        else:
            data = unit.source
        with (
            path.with_suffix(".log").open("w", encoding="utf-8") as log,
            contextlib.redirect_stdout(log),
            contextlib.redirect_stderr(log),
        ):
            began_s = time.monotonic()
            if not fit(FitRequest(data, unit.machine, bench.preset, bench.config, run, bench.device.type, seed), train):
                raise KeyboardInterrupt
            took_s = time.monotonic() - began_s
            clips = score(run, data, bench.device)
            further = score_further(run, unit, bench)
            lasting = measure_lasting(run, data, read_conditions(data), bench.esc10)
        fields = load_fields(run)
        n_clips = fields.provenance.n_training_clips + fields.provenance.n_held_out_clips
        thresholds = {place: make_threshold(fields, fields.score, place=place).on for place in fields.calibration}
    fit_s = took_s + (train.train_s if train.was_kept else 0)
    found = Measured(
        key=key,
        unit=unit.name,
        seed=seed,
        fit_s=round(fit_s, 1),
        n_clips=n_clips,
        score=fields.score,
        thresholds=thresholds,
        clips=clips,
        lasting=lasting,
        further=further,
    )
    write_atomically(path, lambda place: place.write_text(found.model_dump_json() + "\n", encoding="utf-8"))
    what = "kept weights, calibrated" if train.was_kept else "trained"
    return found, f"{what} in {format_duration(took_s)}"


def read_measured(path: Path, key: str) -> Measured | None:
    """The result in a file; None if there is none, or one with another key."""
    try:
        found = Measured.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return found if found.key == key else None


def score(run: Path, data: Path, device: torch.device) -> list[ScoredClip]:
    """The scores of all test clips of `data`, and `F_joint` of its members without and with a network alone.

    Raises:
        DataError: A clip cannot be scored, or is not in the manifest.
    """
    fields = load_fields(run)
    found = find_clips(data, fields.machine_type, "test")
    clips, scores, unreadable = score_clips(run, load_trained(run, device), found.clips, device)
    if skipped := [*found.skipped, *unreadable]:
        raise DataError(f"{skipped[0][0]}: {skipped[0][1]}")
    conditions = read_conditions(data)
    terms = fields.fusion if fields.fused == "F_joint" else {}
    members = {
        "F_without_network": {name: term for name, term in terms.items() if SCORE_IDS[name].graph is None},
        "F_network_alone": {name: term for name, term in terms.items() if SCORE_IDS[name].graph},
    }
    scored = []
    for clip, values in zip(clips, scores, strict=True):
        name = clip.path.relative_to(data).as_posix()
        if name not in conditions:
            raise DataError(f"{data / MANIFEST}: expected a line for {name}, found none")
        condition, recording = conditions[name]
        parts = {name: fuse(values, terms, "F_joint") for name, terms in members.items() if terms}
        scored.append(ScoredClip(fault=condition if clip.is_anomaly else "", recording=recording, scores={**values, **parts}))
    return scored


def score_further(run: Path, unit: Unit, bench: Bench) -> list[float]:
    """The deciding score of `bench.n_further` further normal clips of a synthesised row in place; none of other rows."""
    if not (isinstance(unit.source, Synthesised) and unit.in_place and bench.n_further):
        return []
    fields, training = load_fields(run), load_trained(run, bench.device)
    session = TorchSession(training.generator, training.discriminator, bench.device, needed_graphs(fields, fields.score))
    pipeline = Pipeline(fields, ReferenceSet.load(run / REFERENCE, fields.spaces), session, [fields.score])
    score_next = follow(pipeline.score_clip, bench.n_further, f"scoring {bench.n_further} further normal clips")
    return [score_next(samples)[fields.score] for samples in unit.source.further_clips(bench.n_further, bench.esc10)]


def read_conditions(data: Path) -> dict[str, tuple[str, str]]:
    """(condition, recording) of each path in the manifest of a data set.

    Raises:
        DataError: It lacks a column.
    """
    path = data / MANIFEST
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        if lacking := {"path", "condition", "flight"} - set(table.fieldnames or ()):
            raise DataError(f"{path}: column missing: {', '.join(sorted(lacking))}")
        return {line["path"]: (line["condition"], line["flight"]) for line in table}
