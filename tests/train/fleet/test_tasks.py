"""The graph of tasks, and the names of results by what they depend on."""

import os
from dataclasses import replace
from pathlib import Path

from aegan_train.fleet.plant import Plant, load_plant
from aegan_train.fleet.tasks import make_tasks
from train.fleet.conftest import WritePlant


def names_of(plant: Plant) -> dict[tuple[str, str], str]:
    """The name of each task, by step and machine."""
    return {(task.step, task.machine): task.name for task in make_tasks(plant)}


def test_machines_of_a_kind_share_a_network(plant: Plant) -> None:
    """One network comes before two machines; a kind with one machine has none. Each task comes after its needs."""
    tasks = make_tasks(plant)
    assert [(task.step, task.machine) for task in tasks] == [
        *[("network", "pumps"), ("train", "a"), ("export", "a"), ("train", "b"), ("export", "b"), ("train", "c"), ("export", "c")]
    ]
    network, a = tasks[:2]
    assert a.needs == (network.name,)
    assert ("--network", str(network.run)) == a.arguments[a.arguments.index("--network") :][:2]
    assert tasks[-2].needs == ()
    assert "--network" not in tasks[-2].arguments
    seen: set[str] = set()
    for task in tasks:
        assert set(task.needs) <= seen
        seen.add(task.name)


def test_a_name_changes_with_what_it_depends_on_and_with_nothing_else(plant: Plant, tmp_path: Path) -> None:
    """A changed recording changes its machine and the network of its kind, a new time of change as well; settings change all."""
    before = names_of(plant)
    assert names_of(plant) == before
    clip = tmp_path / "recordings" / "a" / "0.wav"
    os.utime(clip, ns=(1, 1))
    plant = load_plant(tmp_path / "plant.yaml")
    after = names_of(plant)
    assert {key for key in before if before[key] != after[key]} == {
        *[("network", "pumps"), ("train", "a"), ("export", "a"), ("train", "b"), ("export", "b")]
    }
    (tmp_path / "recordings" / "c" / "notes.txt").write_text("no recording")
    assert names_of(load_plant(tmp_path / "plant.yaml")) == after
    for changed in ({"seed": 1}, {"preset": "edge"}):
        other = names_of(replace(plant, file=plant.file.model_copy(update=changed)))
        assert not set(other.values()) & set(after.values()), changed
    int8 = names_of(replace(plant, file=plant.file.model_copy(update={"int8": True})))
    assert {key[0] for key in after if after[key] != int8[key]} == {"export"}


def test_the_place_of_the_recordings_changes_no_name(plant: Plant, tmp_path: Path) -> None:
    """Another mount of the same folder has the same results."""
    before = names_of(plant)
    (tmp_path / "recordings").rename(tmp_path / "mounted")
    path = tmp_path / "plant.yaml"
    path.write_text(f"recordings: mounted\n{path.read_text()}")
    assert names_of(load_plant(path)) == before


def test_labelled_recordings_are_evaluated(write_plant: WritePlant, dataset: Path) -> None:
    """A machine with test clips has an evaluation, and is trained on the others alone; so is the network of its kind."""
    of = f"data: {dataset}, machine_type: pump, kind: pumps"
    tasks = make_tasks(load_plant(write_plant(f"  - {{name: x, {of}}}\n  - {{name: y, {of}}}\n")))
    assert [task.step for task in tasks] == ["network", "train", "evaluate", "export", "train", "evaluate", "export"]
    assert tasks[0].arguments[1:4] == ("--data", *[str(dataset / "dev_data" / "pump" / "train")] * 2)


def test_what_was_done_needs_its_result(write_plant: WritePlant) -> None:
    """A record without its result does not count: a person may have removed a run."""
    task = make_tasks(load_plant(write_plant("  - {name: a}\n", {"a": 1})))[0]
    task.done.parent.mkdir(parents=True)
    task.done.write_text("{}")
    assert not task.is_done
    task.run.mkdir(parents=True)
    task.result.write_text("{}")
    assert task.is_done


def test_later_recordings_are_backtested(write_plant: WritePlant, tmp_path: Path) -> None:
    """The bundle of the machine is judged, with the labels that lie beside the recordings; a further one changes the backtest alone."""
    path = write_plant("  - {name: a, backtest: recordings/b}\n", {"a": 1, "b": 1})
    (tmp_path / "recordings" / "b" / "labels.csv").write_text("file,start_s,end_s,what\n0.wav,1,2,knock\n")
    train, export, backtest = make_tasks(load_plant(path))
    assert (backtest.step, backtest.program, backtest.needs) == ("backtest", "aegan-monitor", (export.name,))
    assert str(export.result.parent) in Path(backtest.arguments[2]).read_text()
    assert ("--labels", str(tmp_path / "recordings" / "b" / "labels.csv")) == backtest.arguments[3:5]
    (tmp_path / "recordings" / "b" / "1.wav").write_bytes(b"more")
    assert [task.name for task in make_tasks(load_plant(path))][:2] == [train.name, export.name]
    assert make_tasks(load_plant(path))[2].name != backtest.name
