"""One training of the bench: from a data set to the scores of each test clip, kept as JSON."""

import contextlib
import csv
import tempfile
import time
from pathlib import Path

import torch
from pydantic import BaseModel, ValidationError

from aegan_monitor.detection.fusion import fuse
from aegan_monitor.detection.policy import make_threshold
from aegan_monitor.detection.scores import SCORE_IDS
from aegan_monitor.errors import DataError
from aegan_train.bench.disturbances import Lasting, measure_lasting
from aegan_train.bench.keys import make_key
from aegan_train.bench.synthesis import Synthesised, write_row
from aegan_train.bench.units import Bench, Unit
from aegan_train.checkpoint import load_trained
from aegan_train.evaluate import load_fields, score_clips
from aegan_train.fit import FitRequest, fit
from aegan_train.recordings.folder import MANIFEST, find_clips
from aegan_train.run_folder import write_atomically


class ScoredClip(BaseModel, frozen=True):
    """A test clip: its fault (empty for a normal one), the recording it was cut from, and all its scores."""

    fault: str
    recording: str
    scores: dict[str, float]


class Measured(BaseModel, frozen=True):
    """The result of a training.

    Attributes:
        key: Digest of all that it depends on.
        fit_s: Duration of the training, calibration included.
        n_clips: Normal clips that were trained or calibrated on.
        score, threshold: The score that decides without labels, and the threshold of an alarm.
        lasting: Lasting shares of faults and of disturbances.
    """

    key: str
    unit: str
    seed: int
    fit_s: float
    n_clips: int
    score: str
    threshold: float
    clips: list[ScoredClip]
    lasting: Lasting


def measure(unit: Unit, seed: int, bench: Bench) -> tuple[Measured, bool]:
    """Train and score the test clips, or read what the same code found for the same data, settings and seed: (result, was read).

    What `fit` prints goes into a file beside the result; the run is removed.

    Raises:
        AeganError: As `fit` and `score_clips`.
        KeyboardInterrupt: Ctrl-C during the training, of which nothing is kept.
    """
    path, key = bench.out / "runs" / f"{unit.name}.{bench.recipe}.{seed}.json", make_key(unit, seed, bench)
    if found := read_measured(path, key):
        return found, True
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bench.out, prefix=".") as temporary:
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
            if not fit(FitRequest(data, unit.machine, bench.preset, bench.config, run, bench.device.type, seed)):
                raise KeyboardInterrupt
            fit_s = time.monotonic() - began_s
            clips = score(run, data, bench.device)
            lasting = measure_lasting(run, data, read_conditions(data), bench.esc10)
        fields = load_fields(run)
        n_clips = fields.provenance.n_training_clips + fields.provenance.n_held_out_clips
        threshold = make_threshold(fields, fields.score).on
    found = Measured(
        key=key,
        unit=unit.name,
        seed=seed,
        fit_s=round(fit_s, 1),
        n_clips=n_clips,
        score=fields.score,
        threshold=threshold,
        clips=clips,
        lasting=lasting,
    )
    write_atomically(path, lambda place: place.write_text(found.model_dump_json() + "\n", encoding="utf-8"))
    return found, False


def read_measured(path: Path, key: str) -> Measured | None:
    """The result in a file; None if there is none, or one with another key."""
    try:
        found = Measured.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return found if found.key == key else None


def score(run: Path, data: Path, device: torch.device) -> list[ScoredClip]:
    """The scores of all test clips of `data`, and `F_tail` of its members without and with a network alone.

    Raises:
        DataError: A clip cannot be scored, or is not in the manifest.
    """
    fields = load_fields(run)
    found = find_clips(data, fields.machine_type, "test")
    clips, scores, unreadable = score_clips(run, load_trained(run, device), found.clips, device)
    if skipped := [*found.skipped, *unreadable]:
        raise DataError(f"{skipped[0][0]}: {skipped[0][1]}")
    conditions = read_conditions(data)
    terms = fields.fusion if fields.fused == "F_tail" else {}
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
        parts = {name: fuse(values, terms, "F_tail") for name, terms in members.items() if terms}
        scored.append(ScoredClip(fault=condition if clip.is_anomaly else "", recording=recording, scores={**values, **parts}))
    return scored


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
