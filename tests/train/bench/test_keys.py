"""What a result of the bench depends on."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from aegan_train.bench.keys import DAEMON, TRAIN, digest_code, make_key
from aegan_train.bench.rows import SYNTHESISED
from aegan_train.bench.units import Bench, find_units
from aegan_train.config import load_config
from synthetic import write_wav


def test_the_key_depends_on_settings_seed_and_row(bench: Bench) -> None:
    """And on nothing that changes by itself."""
    unit = find_units("pump_place", bench.recordings)[0]
    other = dataclasses.replace(bench, config=load_config("tiny", None, "robust", n_epochs=7))
    changed = dataclasses.replace(unit, source=dataclasses.replace(SYNTHESISED["pump_place"], n_days=5))
    keys = [make_key(unit, 0, bench), make_key(unit, 1, bench), make_key(unit, 0, other), make_key(changed, 0, bench)]
    assert len(set(keys)) == len(keys)
    assert make_key(unit, 0, bench) == keys[0]


def test_the_key_depends_on_the_code_but_not_on_its_layout(tmp_path: Path) -> None:
    """A comment leaves a result valid, another number does not; the code of the sounds has a digest of its own."""
    daemon, train = (shutil.copytree(folder, tmp_path / folder.name) for folder in (DAEMON, TRAIN))
    before = digest_code(daemon, train)
    for path, tail, changes in (
        (train / "networks" / "losses.py", "# a comment\n", (False, False)),
        (train / "bench" / "report.py", "CHANGED = 1\n", (False, False)),
        (train / "bench" / "machines.py", "CHANGED = 1\n", (False, True)),
        (train / "networks" / "losses.py", "CHANGED = 1\n", (True, False)),
        (daemon / "detection" / "scores.py", "CHANGED = 1\n", (True, False)),
    ):
        with path.open("a") as file:
            file.write(tail)
        after = digest_code(daemon, train)
        assert tuple(one != other for one, other in zip(after, before, strict=True)) == changes, path
        before = after


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
