"""What kept weights depend on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from aegan_monitor.detection.segments import Scaling
from aegan_train.bench.units import Bench
from aegan_train.bench.weights import make_weights_key, read_weights
from aegan_train.checkpoint import Training, make_updater
from aegan_train.recordings.spectrograms import Spectrograms

CPU = torch.device("cpu")


def test_weights_depend_on_pictures_scaling_seed_code_and_settings(bench: Bench) -> None:
    """And on no recording of the same memory map that was not trained on."""
    frames = np.random.default_rng(0).normal(size=(40, 128)).astype(np.float32)
    pictures = Spectrograms(frames, [0, 10], [10, 20], [], [], [])
    scaling = Scaling((0.0,), (1.0,))
    training = Training("pump", "tiny", bench.config, 0, scaling, "", make_updater(bench.config, CPU), torch.Generator())
    swapped, beside = frames.copy(), frames.copy()
    swapped[[12, 13]] = frames[[13, 12]]
    beside[35] = 0
    key = make_weights_key(training, [pictures], CPU, "code")
    same = (
        make_weights_key(training, [replace(pictures, frames=beside)], CPU, "code"),
        make_weights_key(replace(training, config=bench.config.model_copy(update={"n_backgrounds": 3})), [pictures], CPU, "code"),
    )
    others = (
        make_weights_key(training, [replace(pictures, frames=swapped)], CPU, "code"),
        make_weights_key(training, [replace(pictures, n_frames=[20, 10], first_frames=[0, 20])], CPU, "code"),
        make_weights_key(replace(training, scaling=Scaling((0.0,), (2.0,))), [pictures], CPU, "code"),
        make_weights_key(replace(training, seed=1), [pictures], CPU, "code"),
        make_weights_key(replace(training, config=bench.config.model_copy(update={"n_epochs": 2})), [pictures], CPU, "code"),
        make_weights_key(training, [pictures], CPU, "other"),
    )
    assert set(same) == {key}
    assert len({key, *others}) == 1 + len(others)


def test_damaged_weights_are_as_good_as_none(tmp_path: Path) -> None:
    """A file that is cut off anywhere, holds something else, or does not exist gives no weights, so they are trained again."""
    path = tmp_path / "weights.pt"
    torch.save({"netG": {"weight": torch.zeros(200)}, "train_s": 1.0}, path)
    found, content = read_weights(path), path.read_bytes()
    assert found is not None
    assert found["train_s"] == 1.0
    for damaged in (b"", content[:10], content[:-100], b"no weights"):
        path.write_bytes(damaged)
        assert read_weights(path) is None
    assert read_weights(tmp_path / "none.pt") is None
