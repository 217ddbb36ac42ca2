"""A bench with settings of the smallest preset, and a folder like ESC-10's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from aegan_train.bench.sound.backgrounds import RECORDED
from aegan_train.bench.units import Bench
from aegan_train.config import load_config
from synthetic import write_wav


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench without recordings."""
    config = load_config("tiny", None, "robust", n_epochs=1, epoch_batches=2, n_backgrounds=0)
    return Bench(tmp_path / "recordings", tmp_path / "out", torch.device("cpu"), "tiny", "robust", config)


@pytest.fixture
def write_esc10(bench: Bench) -> Callable[[], None]:
    """Writes two short clips of each class that the rows play."""

    def write() -> None:
        for place, name in enumerate(each for names in RECORDED.values() for each in names):
            for number in range(2):
                write_wav(bench.esc10 / f"{place:03}_{name}" / f"{number}.wav", np.full(800, 0.1 + 0.01 * number))

    return write
