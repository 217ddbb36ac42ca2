"""The file of a plant."""

from pathlib import Path

import pytest

from aegan_monitor.errors import ConfigError
from aegan_train.cli import main
from aegan_train.fleet.plant import load_plant
from train.fleet.conftest import WritePlant


def test_a_machine_that_cannot_be_trained_is_one_line(write_plant: WritePlant) -> None:
    """A machine twice and a missing folder are problems of these machines; the others are there, with absolute paths."""
    found = load_plant(write_plant("  - {name: a}\n  - {name: b}\n  - {name: b}\n  - {name: gone}\n", {"a": 1, "b": 1}))
    assert [machine.name for machine in found.machines] == ["a"]
    assert Path(found.machines[0].data).is_absolute()
    assert found.problems["b"] == "b is 2 times in plant.yaml; give each machine a name of its own"
    assert found.problems["gone"].endswith("recordings/gone: no such folder; put its normal recordings there, or name their folder as data")


def test_results_do_not_depend_on_speed_unless_wanted(write_plant: WritePlant, tmp_path: Path) -> None:
    """The recipe's limit of time is taken away; one in the file of the settings stays."""
    path = write_plant("  - {name: a}\n", {"a": 1})
    assert load_plant(path).own["max_minutes"] is None
    (tmp_path / "few.yaml").write_text("max_minutes: 3\n")
    assert load_plant(path).own["max_minutes"] == 3


@pytest.mark.parametrize(
    ("machines", "words"),
    [("  - {name: a, dat: x}\n", "dat"), ("  []\n", "machines"), ("  - {name: a/b}\n", "letters, digits")],
)
def test_a_wrong_file_is_refused(write_plant: WritePlant, machines: str, words: str) -> None:
    """Each problem has its place and what is expected."""
    with pytest.raises(ConfigError, match=words):
        load_plant(write_plant(machines))


@pytest.mark.parametrize("where", ["ray", "ray://", "LOCAL", "hall"])
def test_another_place_is_refused(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the plant is read."""
    with pytest.raises(SystemExit):
        main(["fleet", "gone.yaml", "--on", where])
    assert f"argument --on: expected local, or ray://HEAD:10001, found {where!r}\n" in capsys.readouterr().err
