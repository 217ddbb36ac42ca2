"""What a result of the bench depends on."""

import dataclasses
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from aegan_train.bench.keys import DAEMON, TRAIN, digest_code, make_key
from aegan_train.bench.rows import SYNTHESISED
from aegan_train.bench.units import Bench, find_units
from aegan_train.bench.weights import CALIBRATION
from aegan_train.config import TrainConfig, load_config
from synthetic import write_wav


def test_the_key_depends_on_settings_seed_and_row(bench: Bench) -> None:
    """And on nothing that changes by itself."""
    unit = find_units("pump_place", bench.recordings)[0]
    other = dataclasses.replace(bench, config=load_config("tiny", None, "robust", n_epochs=7))
    changed = dataclasses.replace(unit, source=dataclasses.replace(SYNTHESISED["pump_place"], n_days=5))
    keys = [make_key(unit, 0, bench), make_key(unit, 1, bench), make_key(unit, 0, other), make_key(changed, 0, bench)]
    assert len(set(keys)) == len(keys)
    assert make_key(unit, 0, bench) == keys[0]


def copy_names(package: Path, folder: Path) -> Path:
    """A package of the same modules with nothing in them, because it takes half a second to parse all of ours."""
    for module in package.rglob("*.py"):
        copy = folder / package.name / module.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(f'"""{module.stem}."""\n')
    return folder / package.name


def test_the_key_depends_on_the_code_but_not_on_its_layout(tmp_path: Path) -> None:
    """A comment or a docstring leaves a result valid, another number does not; sounds and updates have digests of their own."""
    daemon, train = (copy_names(folder, tmp_path) for folder in (DAEMON, TRAIN))
    before = digest_code(daemon, train)
    changed = "CHANGED = 1\n"
    for path, tail, changes in (
        (train / "networks" / "losses.py", '# a comment\n"""A docstring."""\n', set()),
        (train / "bench" / "report.py", changed, set()),
        (train / "bench" / "sound" / "machines.py", changed, {"synthesis"}),
        (train / "networks" / "losses.py", changed, {"scoring", "updates"}),
        (train / "epochs.py", changed, {"scoring", "updates"}),
        (train / "sampler.py", changed, {"scoring", "updates"}),
        (train / "networks" / "new.py", changed, {"scoring", "updates"}),
        (train / "new.py", changed, {"scoring"}),
        (train / "calibration" / "statistics.py", changed, {"scoring"}),
        (train / "artifacts.py", changed, {"scoring"}),
        (daemon / "detection" / "scores.py", changed, {"scoring"}),
    ):
        assert path.exists() or path.name == "new.py"
        with path.open("a") as file:
            file.write(tail)
        after = digest_code(daemon, train)
        assert {name for name, one in asdict(before).items() if one != asdict(after)[name]} == changes, path
        before = after


def test_settings_of_the_calibration_exist() -> None:
    """Each setting that is left out of the key of weights exists."""
    assert {name for name in CALIBRATION if name not in TrainConfig.model_fields} == set()


def test_the_key_depends_on_the_voice_where_a_row_speaks(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another release of espeak-ng speaks otherwise."""
    keys: dict[str, set[str]] = {"press_halls": set(), "pump_place": set()}
    for release in ("1.51", "1.52", "1.52"):
        program = tmp_path / "espeak-ng"
        program.write_text(f"#!/bin/sh\necho 'eSpeak NG text-to-speech: {release}  Data at: {tmp_path}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}")
        for name, found in keys.items():
            found.add(make_key(find_units(name, bench.recordings)[0], 0, bench))
    assert {name: len(found) for name, found in keys.items()} == {"press_halls": 2, "pump_place": 1}


def test_the_key_depends_on_the_recordings_that_are_used(bench: Bench, write_esc10: Callable[[], None]) -> None:
    """Those of ESC-10 only where a layer of the row plays them."""
    write_esc10()
    rotor, pump = (find_units(name, bench.recordings)[0] for name in ("rotor_halls", "pump_halls"))
    before = make_key(rotor, 0, bench), make_key(pump, 0, bench)
    path = next(bench.esc10.glob("*_Rain/0.wav"))
    path.write_bytes(path.read_bytes() + b"\0\0")
    assert make_key(rotor, 0, bench) != before[0]
    assert make_key(pump, 0, bench) == before[1]
    folder = bench.recordings / "quadcopter_mixed"
    write_wav(folder / "dev_data" / "a.wav", np.zeros(800))
    (folder / "manifest.csv").write_text("path,condition,flight\n")
    (quadcopter,) = find_units("quadcopter_mixed", bench.recordings)
    keys = [make_key(quadcopter, 0, bench)]
    (folder / "manifest.csv").write_text("path,condition,flight\na.wav,1,2\n")
    keys.append(make_key(quadcopter, 0, bench))
    (folder / "dev_data" / "a.wav").rename(folder / "dev_data" / "b.wav")
    assert len({*keys, make_key(quadcopter, 0, bench)}) == 3
