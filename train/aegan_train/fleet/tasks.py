"""The graph of tasks of a plant: network of a kind; training, evaluation, export and backtest of a machine.

A task is a command that a person could type. Its name ends with a digest of all that its result depends on, and so do its results: what is
done is never done again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import yaml

from aegan_monitor import __version__
from aegan_monitor.detection.bundle import RECORD
from aegan_monitor.tools.backtest.plant import LABELS, RESULT
from aegan_train.artifacts import RUN_RECORD
from aegan_train.config import load_config
from aegan_train.fleet.plant import Machine, Plant
from aegan_train.fleet.store import Listed, is_remote
from aegan_train.recordings.folder import MANIFEST, SPLITS, Split
from aegan_train.run_folder import write_atomically

Step = Literal["network", "train", "evaluate", "export", "backtest"]
DIGITS = 12  # of a digest in a name


@dataclass(frozen=True, slots=True)
class Task:
    """One step of a machine, or of a kind of machines.

    Attributes:
        machine: The machine; for `network` the kind.
        program, arguments: The command.
        needs: Names of the tasks that must have been done.
        result: What exists when it was done: a file.
        run: The folder of the run that it makes or needs.
        done: The record that says so, written last.
        log: What the command prints.
    """

    step: Step
    machine: str
    digest: str
    program: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...]
    result: Path
    run: Path
    done: Path
    log: Path

    @property
    def name(self) -> str:
        """Step, machine and digest."""
        return f"{self.step}-{self.machine}-{self.digest}"

    @property
    def is_done(self) -> bool:
        """It was done, and its result is still there."""
        return self.done.is_file() and self.result.is_file()


def make_tasks(plant: Plant) -> list[Task]:
    """All tasks of the machines that can be trained, in an order in which each comes after those that it needs.

    Raises:
        ConfigError: The settings are wrong.
        WriteError: They cannot be written into the folder of the results.
    """
    file = plant.file
    config = load_config(file.preset, file.settings, file.recipe, **({} if "max_minutes" in plant.own else {"max_minutes": None}))
    settings = write_yaml(plant, plant.own)
    base = {"version": __version__, "config": config.model_dump(mode="json"), "seed": file.seed}
    options = ("--preset", file.preset, "--recipe", file.recipe, "--config", str(settings), "--seed", str(file.seed), "--resume")
    tasks: list[Task] = []
    digest_of = {machine.name: digest_recordings(machine, "train") for machine in plant.machines}
    networks: dict[str, Task] = {}
    for kind, members in group_by_kind(plant.machines).items():
        recordings = [digest_of[machine.name] for machine in members]
        folders = [folder for machine in members for folder in find_train_folders(machine)]
        arguments = ("--data", *folders, "--machine-type", kind, *options)
        networks[kind] = make_fit(plant, "network", kind, {**base, "recordings": recordings}, arguments, ())
        tasks.append(networks[kind])
    for machine in plant.machines:
        network = networks.get(machine.kind or "")
        shared = ("--network", str(network.run)) if network else ()
        channel = () if machine.channel is None else ("--channel", str(machine.channel))
        arguments = ("--data", machine.data, "--machine-type", machine.machine_type, *options, *shared, *channel)
        needs = (network.name,) if network else ()
        inputs = {**base, "recordings": digest_of[machine.name], "network": network and network.digest, "machine": machine.machine_type}
        fit = make_fit(plant, "train", machine.name, {**inputs, "channel": machine.channel}, arguments, needs)
        export = make_export(plant, machine, fit)
        tasks += [fit, *make_evaluation(plant, machine, fit), export, *make_backtest(plant, machine, export)]
    return tasks


def group_by_kind(machines: Iterable[Machine]) -> dict[str, list[Machine]]:
    """The machines of each kind that has several."""
    kinds: dict[str, list[Machine]] = {}
    for machine in machines:
        if machine.kind:
            kinds.setdefault(machine.kind, []).append(machine)
    return {kind: members for kind, members in kinds.items() if len(members) > 1}


def make_fit(plant: Plant, step: Step, machine: str, inputs: dict[str, object], arguments: Sequence[str], needs: tuple[str, ...]) -> Task:
    """A training, or the calibration of a machine on the network of its kind."""
    digest = digest_values(inputs)
    run = plant.file.out / ("networks" if step == "network" else "runs") / f"{machine}-{digest}"
    return make_task(plant, step, machine, digest, "aegan-train", ("fit", *arguments, "--out", str(run)), needs, run / RUN_RECORD, run)


def make_evaluation(plant: Plant, machine: Machine, fit: Task) -> list[Task]:
    """The evaluation of a machine that has labelled recordings."""
    if not find_split(machine, "test"):
        return []
    digest = digest_values({"fit": fit.digest, "recordings": digest_recordings(machine, "test")})
    scores = plant.file.out / "evaluations" / f"{machine.name}-{digest}.jsonl"
    scores.parent.mkdir(parents=True, exist_ok=True)
    arguments = ("evaluate", str(fit.run), "--data", machine.data, "--jsonl", str(scores))
    return [make_task(plant, "evaluate", machine.name, digest, "aegan-train", arguments, (fit.name,), scores, fit.run)]


def make_export(plant: Plant, machine: Machine, fit: Task) -> Task:
    """The export of a machine."""
    digest = digest_values({"fit": fit.digest, "int8": plant.file.int8})
    bundle = plant.file.out / "bundles" / f"{machine.name}-{digest}"
    arguments = (str(fit.run), "--out", str(bundle), *(["--int8"] if plant.file.int8 else []))
    return make_task(plant, "export", machine.name, digest, "aegan-export", arguments, (fit.name,), bundle / RECORD, fit.run)


def make_backtest(plant: Plant, machine: Machine, export: Task) -> list[Task]:
    """The backtest of a machine that has later recordings, with the alarm as the daemon has it by default."""
    if not machine.backtest:
        return []
    digest = digest_values({"export": export.digest, "recordings": machine.later, "channel": machine.channel})
    out = plant.file.out / "backtests" / f"{machine.name}-{digest}"
    config = write_yaml(plant, {"machines": [{"name": machine.name, "bundle": str(export.result.parent)}]})
    is_labelled = any(name == LABELS for name, _, _ in machine.later) and not is_remote(machine.backtest)
    labels = ("--labels", f"{machine.backtest}/{LABELS}") if is_labelled else ()
    channel = () if machine.channel is None else ("--channel", str(machine.channel))
    arguments = ("backtest", "--config", str(config), *labels, *channel, "--out", str(out), machine.backtest)
    return [make_task(plant, "backtest", machine.name, digest, "aegan-monitor", arguments, (export.name,), out / RESULT, export.run)]


def make_task(
    plant: Plant,
    step: Step,
    machine: str,
    digest: str,
    program: str,
    arguments: tuple[str, ...],
    needs: tuple[str, ...],
    result: Path,
    run: Path,
) -> Task:
    """A task with the places of its record and its log."""
    name, out = f"{step}-{machine}-{digest}", plant.file.out
    return Task(step, machine, digest, program, arguments, needs, result, run, out / "done" / f"{name}.json", out / "logs" / f"{name}.log")


def write_yaml(plant: Plant, values: Mapping[str, object]) -> Path:
    """Write a file of settings, named by its digest; returns it.

    Raises:
        WriteError: It cannot be written.
    """
    path = plant.file.out / "settings" / f"{digest_values(values)}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda partial: partial.write_text(yaml.safe_dump(dict(values)), encoding="utf-8"))
    return path


def find_train_folders(machine: Machine) -> list[str]:
    """The folders of normal recordings: those of the DCASE layout where there are some, else the machine's own."""
    inside = {PurePosixPath(name).parent for name, _, _ in find_split(machine, "train")}
    return [f"{machine.data}/{folder}" for folder in sorted(inside)] or [machine.data]


def find_split(machine: Machine, split: Split) -> list[Listed]:
    """The recordings in the folders of the DCASE layout: `.../TYPE/train/NAME`."""
    places = [(machine.machine_type, leaf) for leaf in SPLITS[split]]
    return [each for each in machine.listed if PurePosixPath(each[0]).parts[-3:-1] in places]


def digest_recordings(machine: Machine, split: Split) -> str:
    """Digest of names, sizes and versions of the recordings: reading months of sound at each start would take hours."""
    found = find_split(machine, split) or machine.listed
    return digest_values([*found, *(each for each in machine.listed if each[0] == MANIFEST and each not in found)])


def digest_values(values: object) -> str:
    """Digest of the sorted, compact JSON of some values."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
