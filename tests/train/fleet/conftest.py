"""Plants of synthesised pumps."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aegan_monitor.demo.pump import Pump
from synthetic import RATE_HZ, write_wav

if TYPE_CHECKING:
    from aegan_train.fleet.plant import Plant

N_CLIPS = 9
SETTINGS = "n_epochs: 1\nepoch_batches: 2\nn_backgrounds: 1\nn_redraws: 0\n"

WritePlant = Callable[..., Path]


@pytest.fixture
def write_plant(tmp_path: Path) -> WritePlant:
    """Writes `plant.yaml` with these lines of machines, and recordings of those named in `sounding`, with so many clips."""

    def write(machines: str, sounding: dict[str, int] | None = None, folder: Path = tmp_path) -> Path:
        for place, (name, n_clips) in enumerate((sounding or {}).items()):
            sound = Pump(500 + place, RATE_HZ).read(n_clips * 10 * RATE_HZ)
            for number in range(n_clips):
                write_wav(folder / "recordings" / name / f"{number}.wav", sound[number * 10 * RATE_HZ : (number + 1) * 10 * RATE_HZ])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "few.yaml").write_text(SETTINGS)
        path = folder / "plant.yaml"
        path.write_text(f"preset: tiny\nsettings: few.yaml\nmachines:\n{machines}")
        return path

    return write


@pytest.fixture
def plant(write_plant: WritePlant) -> "Plant":
    """A plant of three machines, two of them of one kind."""
    from aegan_train.fleet.plant import load_plant

    machines = "  - {name: a, kind: pumps}\n  - {name: b, kind: pumps}\n  - {name: c, kind: alone}\n"
    return load_plant(write_plant(machines, {"a": 1, "b": 1, "c": 1}))
