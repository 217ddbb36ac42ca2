"""One training of the bench: from a data set to the scores of each test clip, kept as JSON."""

import ast
import contextlib
import csv
import hashlib
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic import BaseModel, ValidationError

import aegan_monitor
import aegan_train
from aegan_monitor.detection.policy import make_threshold
from aegan_monitor.errors import DataError
from aegan_train.bench import backgrounds
from aegan_train.bench.rows import RECORDED, SYNTHESISED
from aegan_train.bench.synthesis import Synthesised, write_row
from aegan_train.checkpoint import load_trained
from aegan_train.config import Preset, TrainConfig
from aegan_train.evaluate import load_fields, score_clips
from aegan_train.fit import FitRequest, fit
from aegan_train.recordings.folder import MANIFEST, find_clips
from aegan_train.run_folder import write_atomically

DAEMON, TRAIN = Path(aegan_monitor.__file__).parent, Path(aegan_train.__file__).parent
READING = ("recording.py", "sound_file.py", "wav_header.py")  # of aegan_monitor.audio
WITHOUT_EFFECT = {"bench", "dcase", "cli.py", "summary.py", "progress.py"}  # of aegan_train, on any score
SYNTHESIS = ("sounds.py", "machines.py", "injected.py", "backgrounds.py", "synthesis.py")  # of aegan_train.bench


@dataclass(frozen=True, slots=True)
class Bench:
    """What is the same for all trainings.

    Attributes:
        recordings: The folder that holds the recorded sets and esc10.
        out: The folder for the results.
        preset: The name of `config`'s preset.
    """

    recordings: Path
    out: Path
    device: torch.device
    preset: Preset
    config: TrainConfig

    @property
    def esc10(self) -> Path:
        """The folder of ESC-10."""
        return self.recordings / "esc10"


@dataclass(frozen=True, slots=True)
class Unit:
    """A data set that one network is trained on: synthesised, or a folder in DCASE layout with a manifest."""

    name: str
    machine: str
    source: Synthesised | Path


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
    """

    key: str
    unit: str
    seed: int
    fit_s: float
    n_clips: int
    score: str
    threshold: float
    clips: list[ScoredClip]


def find_units(row: str, recordings: Path) -> list[Unit]:
    """The data sets of a row."""
    if row in SYNTHESISED:
        return [Unit(row, SYNTHESISED[row].machine, SYNTHESISED[row])]
    return [Unit(folder.replace("/", "_"), RECORDED[row].machine, recordings / folder) for folder in RECORDED[row].folders]


def find_lacking(unit: Unit, bench: Bench) -> list[str]:
    """What the data set needs and this machine does not have: one line each."""
    if isinstance(unit.source, Synthesised):
        return backgrounds.find_lacking(unit.source.layers, bench.esc10)
    return [] if (unit.source / MANIFEST).is_file() else [f"{unit.source / MANIFEST}: no such file"]


def measure(unit: Unit, seed: int, bench: Bench) -> tuple[Measured, bool]:
    """Train and score the test clips, or read what the same code found for the same data, settings and seed: (result, was read).

    What `fit` prints goes into a file beside the result; the run is removed.

    Raises:
        AeganError: As `fit` and `score_clips`.
        KeyboardInterrupt: Ctrl-C during the training, of which nothing is kept.
    """
    path, key = bench.out / "runs" / f"{unit.name}.{seed}.json", make_key(unit, seed, bench)
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
        fields = load_fields(run)
        n_clips = fields.provenance.n_training_clips + fields.provenance.n_held_out_clips
        threshold = make_threshold(fields, fields.score).on
    found = Measured(
        key=key, unit=unit.name, seed=seed, fit_s=round(fit_s, 1), n_clips=n_clips, score=fields.score, threshold=threshold, clips=clips
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
    """The scores of all test clips of `data`.

    Raises:
        DataError: A clip cannot be scored, or is not in the manifest.
    """
    found = find_clips(data, load_fields(run).machine_type, "test")
    clips, scores, unreadable = score_clips(run, load_trained(run, device), found.clips, device)
    if skipped := [*found.skipped, *unreadable]:
        raise DataError(f"{skipped[0][0]}: {skipped[0][1]}")
    conditions = read_conditions(data)
    scored = []
    for clip, values in zip(clips, scores, strict=True):
        name = clip.path.relative_to(data).as_posix()
        if name not in conditions:
            raise DataError(f"{data / MANIFEST}: expected a line for {name}, found none")
        condition, recording = conditions[name]
        scored.append(ScoredClip(fault=condition if clip.is_anomaly else "", recording=recording, scores=values))
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


def make_key(unit: Unit, seed: int, bench: Bench) -> str:
    """A digest of all that the scores depend on: seed, device, PyTorch, settings, data, and the code of detection and training."""
    digest = hashlib.sha256(f"{seed} {bench.device.type} {version('torch')} {bench.config.model_dump_json()}".encode())
    digest.update(digest_code(DAEMON, TRAIN, synthesises=isinstance(unit.source, Synthesised)).encode())
    if isinstance(unit.source, Synthesised):
        digest.update(json.dumps(asdict(unit.source)).encode())
        root, patterns = bench.esc10, [f"*_{name}/*.wav" for name in backgrounds.find_classes(unit.source.layers)]
    else:
        root, patterns = unit.source, [MANIFEST, "**/*.wav"]
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        digest.update(f"{path.relative_to(root)} {path.stat().st_size}".encode() + path.read_bytes())
    return digest.hexdigest()


def digest_code(daemon: Path, train: Path, *, synthesises: bool) -> str:
    """A digest of the code that scores depend on, in the folders of two packages; comments and layout of the code do not count."""
    code = [*(daemon / "detection").glob("*.py"), *(daemon / "audio" / name for name in READING)]
    code += [path for path in train.rglob("*.py") if path.relative_to(train).parts[0] not in WITHOUT_EFFECT]
    code += [train / "bench" / name for name in SYNTHESIS] if synthesises else []
    return hashlib.sha256("".join(ast.dump(ast.parse(path.read_bytes())) for path in sorted(code)).encode()).hexdigest()
