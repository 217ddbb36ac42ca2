"""Keeps trained weights, so that another calibration of the same networks needs no training."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from aegan_train.checkpoint import Training, save_checkpoint
from aegan_train.epochs import run_epochs
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.run_folder import write_atomically

N_KEPT = 3  # of one data set and seed, about 20 MB each with preset edge
CALIBRATION = {  # settings that no update reads; those of the pictures are in their digest
    "sets",
    "band_scale",
    "top_db",
    "held_out",
    "clip_frames",
    "decision_hop_frames",
    "n_backgrounds",
    "max_reference_rows",
    "score",
    "score_by_labels",
    "fusion",
    "rhythm_fusion",
    "precision",
    "max_minutes",
}


@dataclass(slots=True)
class KeptTraining:
    """Trains as `run_epochs`, or takes the weights that the same updates of the same pictures gave before.

    Attributes:
        folder: Where the weights are kept.
        name: Of the data set and the seed; N_KEPT weights of each name are kept.
        code: The digest of the code of the updates.
        train_s: The duration of the training, also of one that ran earlier.
        was_kept: The weights were there.
    """

    folder: Path
    name: str
    code: str
    train_s: float = 0.0
    was_kept: bool = False

    def __call__(
        self, training: Training, fitted: Spectrograms, held_out: Spectrograms, out: Path, device: torch.device, *, verbose: bool = False
    ) -> bool:
        """See `run_epochs`."""
        path = self.folder / f"{self.name}.{make_weights_key(training, [fitted, held_out], device, self.code)}.pt"
        if state := read_weights(path):
            training.generator.load_state_dict(state["netG"])
            training.discriminator.load_state_dict(state["netD"])
            training.history, training.n_redrawn = state["history"], state["n_redrawn"]
            self.train_s, self.was_kept = state["train_s"], True
            save_checkpoint(training, out)
            return True
        began_s = time.monotonic()
        if not run_epochs(training, fitted, held_out, out, device, verbose=verbose):
            return False
        self.train_s = time.monotonic() - began_s
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, self._save(training))
        for old in sorted(self.folder.glob(f"{self.name}.*.pt"), key=lambda each: each.stat().st_mtime)[:-N_KEPT]:
            old.unlink(missing_ok=True)
        return True

    def _save(self, training: Training) -> Callable[[Path], None]:
        state = {
            "netG": training.generator.state_dict(),
            "netD": training.discriminator.state_dict(),
            "history": training.history,
            "n_redrawn": training.n_redrawn,
            "train_s": self.train_s,
        }
        return lambda path: torch.save(state, path)


def make_weights_key(training: Training, parts: Sequence[Spectrograms], device: torch.device, code: str) -> str:
    """A digest of all that the updates depend on: pictures and scaling, settings, seed, device, PyTorch, and `code`."""
    digest = hashlib.sha256(f"{training.seed} {device.type} {torch.__version__} {code}".encode())
    digest.update(training.config.model_dump_json(exclude=CALIBRATION).encode())
    digest.update(json.dumps(asdict(training.scaling)).encode())
    for pictures in parts:
        digest.update(json.dumps([list(pictures.n_frames), pictures.frames.shape[1]]).encode())
        for first, n in zip(pictures.first_frames, pictures.n_frames, strict=True):
            digest.update(pictures.frames[first : first + n].data)
    return digest.hexdigest()[:16]


def read_weights(path: Path) -> dict[str, Any] | None:
    """The content of a file of weights; None if there is none, or a damaged one."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - torch passes on errors of zipfile and pickle; without weights they are trained again
        return None
    return state
