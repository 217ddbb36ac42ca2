"""One training and evaluation of the bench: from a folder of clips to the scores of each test clip, as JSON."""

import csv
import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aegan_monitor
import aegan_train
from aegan_monitor.detection.policy import make_threshold
from aegan_monitor.errors import DataError
from aegan_train.bench.rows import RECORDED, SYNTHESISED
from aegan_train.bench.synthesis import write_row
from aegan_train.config import Preset, load_config
from aegan_train.evaluate import evaluate, load_fields
from aegan_train.fit import FitRequest, choose_device, fit
from aegan_train.run_folder import write_atomically

PRESET: Preset = "edge"
OTHER_CODE = ("bench", "dcase", "cli.py", "summary.py", "progress.py")  # of aegan_train, without effect on a figure


@dataclass(frozen=True, slots=True)
class Unit:
    """A training: a folder in DCASE layout with a manifest.

    Attributes:
        name: The row, or the folder for recordings.
        data: The folder that holds dev_data; that of a synthesised row is written first.
        machine: The machine type.
    """

    name: str
    data: Path
    machine: str


def find_units(row: str, recordings: Path, cache: Path) -> list[Unit]:
    """The trainings of a row.

    Raises:
        DataError: Its recordings are not in `recordings`.
    """
    if row in SYNTHESISED:
        return [Unit(row, cache / "data" / row, SYNTHESISED[row].machine)]
    found = [Unit(folder.replace("/", "_"), recordings / folder, RECORDED[row].machine) for folder in RECORDED[row].folders]
    if lacking := [unit for unit in found if not unit.data.is_dir()]:
        raise DataError(f"{lacking[0].data}: no such folder; --data takes the folder with the recordings of {row}")
    return found


def measure(unit: Unit, seed: int, recordings: Path, cache: Path) -> dict[str, Any]:
    """Train and evaluate, or read what the same code found for the same data, settings and seed; the contents of the JSON file."""
    path = cache / f"{unit.name}.{seed}.json"
    key = make_key(unit, seed, recordings)
    if path.exists() and (found := json.loads(path.read_text(encoding="utf-8")))["key"] == key:
        return dict(found)
    if unit.name in SYNTHESISED:
        shutil.rmtree(unit.data, ignore_errors=True)
        write_row(SYNTHESISED[unit.name], unit.data, recordings / "esc10")
    run = cache / "runs" / f"{unit.name}.{seed}"
    shutil.rmtree(run, ignore_errors=True)
    config, device = load_config(PRESET, None, "robust"), choose_device("auto")
    began_s = time.monotonic()
    if not fit(FitRequest(unit.data, unit.machine, PRESET, config, run, seed=seed)):
        raise KeyboardInterrupt
    fit_s = time.monotonic() - began_s
    lines = cache / f"{unit.name}.{seed}.jsonl"
    evaluate(run, unit.data, device, jsonl=lines)
    fields = load_fields(run)
    conditions = read_conditions(unit.data)
    clips = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    lines.unlink()
    for clip in clips:
        clip["fault"], clip["recording"] = conditions[Path(clip["file"]).relative_to(unit.data).as_posix()]
        del clip["file"]
    found = {
        "key": key,
        "unit": unit.name,
        "seed": seed,
        "fit_s": round(fit_s, 1),
        "score": fields.score,
        "threshold": make_threshold(fields, fields.score).on,
        "provenance": fields.provenance.model_dump(),
        "clips": clips,
    }
    write_atomically(path, lambda place: place.write_text(json.dumps(found) + "\n", encoding="utf-8"))
    return found


def read_conditions(data: Path) -> dict[str, tuple[str, str]]:
    """(fault or empty, recording) of each clip in a manifest; a clip that is named normal has no fault."""
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["path"]: (row["condition"] if Path(row["path"]).name.startswith("anomaly") else "", row["flight"])
            for row in csv.DictReader(file)
        }


def make_key(unit: Unit, seed: int, recordings: Path) -> str:
    """A digest of all that a figure depends on: data, settings, seed, and the code of detection and training."""
    digest = hashlib.sha256(f"{unit.name} {seed} {load_config(PRESET, None, 'robust').model_dump_json()}".encode())
    detection, train = Path(aegan_monitor.__file__).parent / "detection", Path(aegan_train.__file__).parent
    code = [path for path in train.rglob("*.py") if path.relative_to(train).parts[0] not in OTHER_CODE]
    if unit.name in SYNTHESISED:
        digest.update(json.dumps(asdict(SYNTHESISED[unit.name])).encode())
        data = [*(train / "bench").glob("[!_ru]*.py"), *sorted((recordings / "esc10").rglob("*.wav"))]
    else:
        data = [*sorted(unit.data.rglob("*.wav")), unit.data / "manifest.csv"]
    for path in sorted([*detection.glob("*.py"), *code, *data]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
