"""The plant of `aegan-train fleet`: which machines there are, where their recordings lie, and how they are trained."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from aegan_monitor.config.names import Name
from aegan_monitor.config.validation import ConfigPath, Settings, validate
from aegan_monitor.config.yaml import load_yaml
from aegan_monitor.errors import AeganError
from aegan_train.config import Preset, Recipe
from aegan_train.fleet.store import Listed, is_remote, list_recordings

Place = Annotated[str, Field(min_length=1, max_length=1000)]


class MachineEntry(Settings):
    """One machine, as the file has it."""

    name: Name = Field(description="name of the machine, as in monitor.yaml")
    data: Place | None = Field(default=None, description="folder or store of its normal recordings; default: NAME in recordings")
    kind: Name | None = Field(default=None, description="machines of one kind share a network")
    machine_type: Name | None = Field(default=None, description="folder below dev_data where the recordings lie so; default: the name")
    channel: int | None = Field(default=None, ge=0, description="of recordings with several channels, from 0")
    backtest: Place | None = Field(default=None, description="folder or store of later recordings, in which the alarms are counted")


class PlantFile(Settings):
    """The whole file."""

    recordings: Place = Field(default="recordings", description="folder or store with one folder of normal recordings a machine")
    out: ConfigPath = Field(default=Path("fleet"), description="folder for the results, which all computers see")
    preset: Preset = Field(default="edge", description="size of the networks: paper, edge or tiny")
    recipe: Recipe = Field(default="robust", description="robust or reference")
    settings: ConfigPath | None = Field(default=None, description="YAML with what differs from preset and recipe")
    seed: int = Field(default=0, ge=0, description="random seed of all trainings")
    int8: bool = Field(default=False, description="whether bundles have the networks in 8-bit integers, too")
    machines: Annotated[list[MachineEntry], Field(min_length=1, description="the machines")]


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine whose recordings were found.

    Attributes:
        data: Absolute path, or address of a store.
        listed: The recordings there.
        backtest, later: The same for the backtest; empty without one.
    """

    name: str
    data: str
    kind: str | None
    machine_type: str
    channel: int | None
    listed: tuple[Listed, ...]
    backtest: str = ""
    later: tuple[Listed, ...] = ()


@dataclass(frozen=True, slots=True)
class Plant:
    """The plant, with absolute paths.

    Attributes:
        file: What the file says.
        own: The settings of `file.settings`, with no limit of time, on which results would depend.
        machines: Those that can be trained.
        problems: By name, one line on each machine that cannot.
    """

    file: PlantFile
    own: dict[str, object]
    machines: list[Machine]
    problems: dict[str, str]


def load_plant(path: Path) -> Plant:
    """Read a plant.

    Raises:
        ConfigError: The file, or that of its settings, is wrong, with every problem in a line.
    """
    folder = path.resolve().parent
    file = validate(PlantFile, load_yaml(path), str(path), folder=folder)
    recordings = resolve(file.recordings, folder)
    file = file.model_copy(update={"recordings": recordings, "out": folder / file.out})  # defaults are relative
    own = load_yaml(file.settings, may_be_empty=True) if file.settings else {}
    counts = Counter(entry.name for entry in file.machines)
    problems = {name: f"{name} is {n} times in {path.name}; give each machine a name of its own" for name, n in counts.items() if n > 1}
    machines = []
    for entry in file.machines:
        if entry.name in problems:
            continue
        data = resolve(entry.data, folder) if entry.data else f"{recordings}/{entry.name}"
        try:
            listed, backtest = list_recordings(data), resolve(entry.backtest, folder) if entry.backtest else ""
            later = list_recordings(backtest) if backtest else ()
        except AeganError as error:
            problems[entry.name] = str(error)
            continue
        machines.append(Machine(entry.name, data, entry.kind, entry.machine_type or entry.name, entry.channel, listed, backtest, later))
    return Plant(file, {"max_minutes": None, **(own if isinstance(own, dict) else {})}, machines, problems)


def resolve(place: str, folder: Path) -> str:
    """An address as it is, a relative path from `folder` on."""
    return place.rstrip("/") if is_remote(place) else str(folder / place)
