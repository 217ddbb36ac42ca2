"""A run on the network of another run: the machine gets a reference set and a calibration of its own, without a training."""

from dataclasses import dataclass
from pathlib import Path

import torch

from aegan_monitor.errors import DataError
from aegan_train.checkpoint import Training, load_checkpoint, save_checkpoint
from aegan_train.recordings.spectrograms import Spectrograms

SETTINGS = ("ndf", "nz", "generator_norm", "discriminator_norm", "first_norm", "band_scale", "top_db")  # what the network was made for


@dataclass(frozen=True, slots=True)
class SharedNetwork:
    """Takes networks and scaling of `run` in place of a training, as `epochs.run_epochs`."""

    run: Path

    def __call__(
        self, training: Training, _fitted: Spectrograms, _held_out: Spectrograms, out: Path, device: torch.device, **_: object
    ) -> bool:
        """Put them into `training`, and save the checkpoint in `out`.

        Raises:
            DataError: `run` is no run, or its network needs other settings.
            WriteError: `out` cannot be written.
        """
        shared = load_checkpoint(self.run, device)
        settings = [(name, getattr(shared.config, name), getattr(training.config, name)) for name in SETTINGS]
        if differing := [f"{name} {theirs}, here {ours}" for name, theirs, ours in settings if theirs != ours]:
            raise DataError(f"--network {self.run}: its network has {'; '.join(differing)}; use the preset and the settings of that run")
        training.updater, training.scaling = shared.updater, shared.scaling
        training.history, training.n_redrawn = shared.history, shared.n_redrawn
        save_checkpoint(training, out)
        print(f"the network is that of {self.run}, with {len(training.history)} epochs")
        return True
