"""The data sets of the rows, and what they need."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aegan_train.bench.rows import ROWS, SYNTHESISED
from aegan_train.bench.sound.backgrounds import find_classes
from aegan_train.bench.units import Bench, Unit, find_lacking, find_units


def test_only_rows_that_use_recordings_need_them(
    bench: Bench, write_esc10: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without recordings and espeak-ng all other synthesised rows run."""

    def lacking() -> dict[str, list[str]]:
        found = {name: [each for unit in find_units(name, bench.recordings) for each in find_lacking(unit, bench)] for name in ROWS}
        return {name: reasons for name, reasons in found.items() if reasons}

    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(lacking()) == ["quadcopter_mixed", "fan_blade", "fan_tapping", "rotor_halls", "press_halls"]
    assert lacking()["quadcopter_mixed"] == [f"{bench.recordings / 'quadcopter_mixed' / 'manifest.csv'}: no such file"]
    assert lacking()["rotor_halls"] == [
        f"{bench.esc10}/*_{name}: no clips of ESC-10" for name in find_classes(SYNTHESISED["rotor_halls"].layers)
    ]
    write_esc10()
    assert {name: reasons for name, reasons in lacking().items() if name in SYNTHESISED} == {"press_halls": ["espeak-ng: not installed"]}


def test_the_two_rows_of_the_fan_share_their_trainings(bench: Bench) -> None:
    """Each fold is trained on once."""
    assert find_units("fan_blade", bench.recordings) == find_units("fan_tapping", bench.recordings)
    assert [unit.name for unit in find_units("fan_blade", bench.recordings)] == ["fan_mixed_fold0", "fan_mixed_fold1"]


def test_a_unit_of_recordings_is_its_folder(tmp_path: Path) -> None:
    """A row's folders lie in the folder of the recordings."""
    assert find_units("quadcopter_mixed", tmp_path) == [Unit("quadcopter_mixed", "quadcopter", tmp_path / "quadcopter_mixed")]
