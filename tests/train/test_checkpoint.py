"""The checkpoint: precision, and other versions."""

import shutil
from pathlib import Path

import torch

from aegan_train.checkpoint import load_checkpoint, load_trained
from aegan_train.config import load_config
from aegan_train.fit import FitRequest, fit
from training_program import aegan_train

CPU = torch.device("cpu")


def test_fp16_goes_on_from_unrounded_weights(tmp_path: Path, dataset: Path) -> None:
    """The checkpoint keeps unrounded weights, and the bundle gets rounded ones."""
    run = tmp_path / "run"
    fit(FitRequest(dataset, "pump", "tiny", load_config("tiny", None, n_epochs=1, precision="fp16"), run, "cpu", 0))
    kept, trained = (load(run, CPU).generator.state_dict()["Encoder.main.0.weight"] for load in (load_checkpoint, load_trained))
    assert not torch.equal(kept, kept.half().float())
    assert torch.equal(trained, kept.half().float())


def test_a_checkpoint_of_another_version_is_one_line(tmp_path: Path, dataset: Path, run_folder: Path) -> None:
    """A checkpoint with an unknown or a missing setting gives one line."""
    for key, line in (("config", "ValidationError"), ("rng", "KeyError")):
        run = shutil.copytree(run_folder, tmp_path / key)
        state = torch.load(run / "checkpoint.pt", weights_only=True)
        if key == "config":
            state["config"]["unheard_of"] = 1
        else:
            del state[key]
        torch.save(state, run / "checkpoint.pt")
        done = aegan_train("evaluate", run, "--data", dataset)
        assert done.returncode == 1
        assert done.stderr == f"aegan-train: {run}/checkpoint.pt: is of another version ({line}); train again with this one\n"
