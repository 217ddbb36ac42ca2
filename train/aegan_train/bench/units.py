"""The data sets that the bench trains on, and what this machine lacks for them."""

from dataclasses import dataclass
from pathlib import Path

import torch

from aegan_train.bench.rows import RECORDED, SYNTHESISED
from aegan_train.bench.sound import backgrounds
from aegan_train.bench.sound.synthesis import Synthesised
from aegan_train.config import Preset, Recipe, TrainConfig
from aegan_train.recordings.folder import MANIFEST


@dataclass(frozen=True, slots=True)
class Bench:
    """What is the same for all trainings.

    Attributes:
        recordings: The folder that holds the recorded sets and esc10.
        out: The folder for the results.
        preset, recipe: What `config` was made of.
        n_further: Further normal clips that are scored of each synthesised row in place.
    """

    recordings: Path
    out: Path
    device: torch.device
    preset: Preset
    recipe: Recipe
    config: TrainConfig
    n_further: int = 0

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

    @property
    def in_place(self) -> bool:
        """It is synthesised, and its training and test are of one place."""
        return isinstance(self.source, Synthesised) and self.source.in_place


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
