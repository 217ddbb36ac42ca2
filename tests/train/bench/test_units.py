"""What a result of the bench depends on, and what a row needs."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from aegan_monitor.errors import DataError
from aegan_train.bench import backgrounds, units
from aegan_train.bench.rows import ROWS, SYNTHESISED
from aegan_train.bench.units import Bench, Measured, Unit, find_lacking, find_units, make_key, read_conditions, read_measured
from aegan_train.config import load_config
from synthetic import write_wav


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench whose folder of recordings is empty."""
    return Bench(tmp_path / "recordings", tmp_path / "out", torch.device("cpu"), "tiny", load_config("tiny", None, "robust"))


def write_esc10(folder: Path) -> None:
    """Two clips of each class that the rows play."""
    for place, name in enumerate(each for names in backgrounds.RECORDED.values() for each in names):
        for number in range(2):
            write_wav(folder / f"{place:03}_{name}" / f"{number}.wav", torch.full((800,), 0.1 + 0.01 * number).numpy())


def test_the_key_depends_on_settings_seed_and_row(bench: Bench) -> None:
    """And on nothing that changes by itself."""
    unit = find_units("pump_place", bench.recordings)[0]
    other = dataclasses.replace(bench, config=load_config("tiny", None, "robust", n_epochs=7))
    changed = dataclasses.replace(unit, source=dataclasses.replace(SYNTHESISED["pump_place"], n_days=5))
    keys = [make_key(unit, 0, bench), make_key(unit, 1, bench), make_key(unit, 0, other), make_key(changed, 0, bench)]
    assert len(set(keys)) == len(keys)
    assert make_key(unit, 0, bench) == keys[0]


def test_the_key_depends_on_the_code_but_not_on_its_layout(tmp_path: Path) -> None:
    """A comment leaves a result valid, another number does not; the code of the sounds is that of synthesised rows alone."""
    daemon, train = (shutil.copytree(folder, tmp_path / folder.name) for folder in (units.DAEMON, units.TRAIN))
    before = [units.digest_code(daemon, train, synthesises=synthesises) for synthesises in (False, True)]
    for path, tail, changes in (
        (train / "losses.py", "# a comment\n", (False, False)),
        (train / "bench" / "report.py", "CHANGED = 1\n", (False, False)),
        (train / "bench" / "machines.py", "CHANGED = 1\n", (False, True)),
        (train / "losses.py", "CHANGED = 1\n", (True, True)),
        (daemon / "detection" / "scores.py", "CHANGED = 1\n", (True, True)),
    ):
        with path.open("a") as file:
            file.write(tail)
        after = [units.digest_code(daemon, train, synthesises=synthesises) for synthesises in (False, True)]
        assert tuple(one != other for one, other in zip(after, before, strict=True)) == changes, path
        before = after


def test_the_key_depends_on_the_recordings_that_are_used(bench: Bench) -> None:
    """Those of ESC-10 only where a layer of the row plays them."""
    write_esc10(bench.esc10)
    rotor, pump = (find_units(name, bench.recordings)[0] for name in ("rotor_halls", "pump_halls"))
    before = make_key(rotor, 0, bench), make_key(pump, 0, bench)
    path = next(bench.esc10.glob("*_Rain/0.wav"))
    path.write_bytes(path.read_bytes() + b"\0\0")
    assert make_key(rotor, 0, bench) != before[0]
    assert make_key(pump, 0, bench) == before[1]
    folder = bench.recordings / "quadcopter_mixed"
    write_wav(folder / "dev_data" / "a.wav", torch.zeros(800).numpy())
    (folder / "manifest.csv").write_text("path,condition,flight\n")
    (quadcopter,) = find_units("quadcopter_mixed", bench.recordings)
    keys = [make_key(quadcopter, 0, bench)]
    (folder / "manifest.csv").write_text("path,condition,flight\na.wav,1,2\n")
    keys.append(make_key(quadcopter, 0, bench))
    (folder / "dev_data" / "a.wav").rename(folder / "dev_data" / "b.wav")
    assert len({*keys, make_key(quadcopter, 0, bench)}) == 3


def test_only_rows_that_use_recordings_need_them(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without recordings and espeak-ng all other synthesised rows run."""

    def lacking() -> dict[str, list[str]]:
        found = {name: [each for unit in find_units(name, bench.recordings) for each in find_lacking(unit, bench)] for name in ROWS}
        return {name: reasons for name, reasons in found.items() if reasons}

    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(lacking()) == ["quadcopter_mixed", "fan_blade", "fan_tapping", "rotor_halls", "press_halls"]
    assert lacking()["quadcopter_mixed"] == [f"{bench.recordings / 'quadcopter_mixed' / 'manifest.csv'}: no such file"]
    assert lacking()["rotor_halls"] == [
        f"{bench.esc10}/*_{name}: no clips of ESC-10" for name in backgrounds.find_classes(SYNTHESISED["rotor_halls"].layers)
    ]
    write_esc10(bench.esc10)
    assert {name: reasons for name, reasons in lacking().items() if name in SYNTHESISED} == {"press_halls": ["espeak-ng: not installed"]}


def test_the_two_rows_of_the_fan_share_their_trainings(bench: Bench) -> None:
    """Each fold is trained on once."""
    assert find_units("fan_blade", bench.recordings) == find_units("fan_tapping", bench.recordings)
    assert [unit.name for unit in find_units("fan_blade", bench.recordings)] == ["fan_mixed_fold0", "fan_mixed_fold1"]


def test_a_result_with_another_key_or_with_damage_is_none(tmp_path: Path) -> None:
    """It is made again."""
    found = Measured(key="a", unit="pump", seed=0, fit_s=1, n_clips=8, score="D_near", threshold=1.5, clips=[])
    path = tmp_path / "pump.0.json"
    assert read_measured(path, "a") is None
    path.write_text(found.model_dump_json())
    assert read_measured(path, "a") == found
    assert read_measured(path, "b") is None
    path.write_text(found.model_dump_json()[:-5])
    assert read_measured(path, "a") is None


def test_a_manifest_without_conditions_is_refused(tmp_path: Path) -> None:
    """The message names the column."""
    (tmp_path / "manifest.csv").write_text("path,flight\na.wav,1\n")
    with pytest.raises(DataError, match="column missing: condition"):
        read_conditions(tmp_path)


def test_a_unit_of_recordings_is_its_folder(tmp_path: Path) -> None:
    """A row's folders lie in the folder of the recordings."""
    assert find_units("quadcopter_mixed", tmp_path) == [Unit("quadcopter_mixed", "quadcopter", tmp_path / "quadcopter_mixed")]
