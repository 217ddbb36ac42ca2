"""The checkpoint: one file with everything needed to resume a training and to rebuild its networks."""

import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from aegan_monitor.detection.segments import Scaling
from aegan_monitor.errors import DataError
from aegan_train.config import TrainConfig
from aegan_train.networks.aegan import Discriminator, Generator
from aegan_train.networks.losses import LossParameters, Updater
from aegan_train.networks.pretext import make_head
from aegan_train.run_folder import WriteError, write_atomically

FORMAT = 2
CHECKPOINT = "checkpoint.pt"
SEEDS_APART = 1_000_003  # distance between the seeds of successive initial weights of one training


@dataclass(slots=True)
class Training:
    """State of a training between two epochs.

    Attributes:
        history: Mean losses of each completed epoch.
        n_redrawn: How often the networks were initialised again.
        rng: Generator of phases, order and alphas. The checkpoint contains it, so a resumed training gives the same result.
    """

    machine_type: str
    preset: str
    config: TrainConfig
    seed: int
    scaling: Scaling
    training_data_sha256: str
    updater: Updater
    rng: torch.Generator
    history: list[dict[str, float]] = field(default_factory=list)
    n_redrawn: int = 0

    @property
    def generator(self) -> Generator:
        """The generator network."""
        return self.updater.generator

    @property
    def discriminator(self) -> Discriminator:
        """The discriminator network."""
        return self.updater.discriminator


def make_updater(config: TrainConfig, device: torch.device) -> Updater:
    """New networks and optimisers on `device`, initialised from PyTorch's global seed."""
    generator, discriminator = Generator(config.network).to(device), Discriminator(config.network).to(device)
    loss = LossParameters(config.match, config.match_weight)
    head = make_head(config.network.n_embedding).to(device) if config.pretext_weight else None
    bf16 = config.arithmetic == "bf16" or (config.arithmetic == "auto" and has_bf16(device))
    return Updater(
        generator,
        discriminator,
        loss,
        learning_rate=config.learning_rate,
        beta1=config.beta1,
        n_critic=config.n_critic,
        penalty_part=config.penalty_part,
        head=head,
        pretext_weight=config.pretext_weight,
        bf16=bf16,
    )


def redraw_networks(training: Training, run: Path, device: torch.device) -> None:
    """Restart the training with other initial weights, and remove the checkpoint of the old networks from `run`."""
    (run / CHECKPOINT).unlink(missing_ok=True)
    training.n_redrawn += 1
    torch.manual_seed(training.seed + training.n_redrawn * SEEDS_APART)
    training.updater = make_updater(training.config, device)
    training.history.clear()


def has_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 instructions; emulated bfloat16 is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def save_checkpoint(training: Training, run: Path) -> None:
    """Write `run`/checkpoint.pt atomically: a crash leaves the old file or the new one.

    Raises:
        WriteError: The disk is full, or the folder cannot be written; the checkpoint of the epoch before is kept.
    """
    updater = training.updater
    state = {
        "format": FORMAT,
        "machine_type": training.machine_type,
        "preset": training.preset,
        "config": training.config.model_dump(),
        "seed": training.seed,
        "scaling": asdict(training.scaling),
        "training_data_sha256": training.training_data_sha256,
        "history": training.history,
        "n_redrawn": training.n_redrawn,
        "n_batches": updater.n_batches,
        "netG": updater.generator.state_dict(),
        "netD": updater.discriminator.state_dict(),
        "head": updater.head.state_dict() if updater.head else {},
        "adamG": updater.generator_adam.state_dict(),
        "adamD": updater.discriminator_adam.state_dict(),
        "rng": training.rng.get_state(),
    }
    content = io.BytesIO()  # on a full disk torch.save raises another error than OSError
    torch.save(state, content)
    try:
        write_atomically(run / CHECKPOINT, lambda path: path.write_bytes(content.getbuffer()))
    except WriteError as error:
        kept = describe_kept(len(training.history) - 1 if (run / CHECKPOINT).exists() else 0)
        raise WriteError(f"{error}; {kept}") from error


def describe_kept(n_epochs: int) -> str:
    """The end of the message of a training that ends early: which checkpoint is kept."""
    return f"epoch {n_epochs} is kept, go on with --resume" if n_epochs else "no epoch is kept"


def load_trained(run: Path, device: torch.device) -> Training:
    """Load the networks of a finished run with the weights of its bundle: rounded to fp16 where `precision` is fp16.

    Raises:
        DataError: As `load_checkpoint`.
    """
    training = load_checkpoint(run, device)
    round_weights(training)
    return training


def round_weights(training: Training) -> None:
    """Round every weight to fp16 where `precision` is fp16; the checkpoint on disk keeps the unrounded weights."""
    if training.config.precision == "fp16":
        for network in (training.generator, training.discriminator):
            network.load_state_dict({name: value.half().to(value.dtype) for name, value in network.state_dict().items()})


def load_checkpoint(run: Path, device: torch.device) -> Training:
    """Read `run`/checkpoint.pt.

    Raises:
        DataError: It is missing, cannot be read, or has another format.
    """
    path = run / CHECKPOINT
    if not path.is_file():
        raise DataError(f"{path}: file missing, so {run} is no run; make one with: aegan-train fit ... --out {run}")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch passes on errors of zipfile and pickle
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot be read: {first_line}; train again, or copy the run again") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise DataError(f"{path}: format: expected {FORMAT}, found {found}; train again with this version")
    try:
        return restore(state, device)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{path}: is of another version ({type(error).__name__}); train again with this one") from error


def restore(state: dict[str, Any], device: torch.device) -> Training:
    """Rebuild the training from the content of a checkpoint; raises the error of whichever part does not fit."""
    config = TrainConfig(**state["config"])
    updater = make_updater(config, device)
    updater.generator.load_state_dict(state["netG"])
    updater.discriminator.load_state_dict(state["netD"])
    if updater.head:
        updater.head.load_state_dict(state["head"])
    updater.generator_adam.load_state_dict(state["adamG"])
    updater.discriminator_adam.load_state_dict(state["adamD"])
    updater.n_batches = state["n_batches"]
    rng = torch.Generator()
    rng.set_state(state["rng"])
    return Training(
        state["machine_type"],
        state["preset"],
        config,
        state["seed"],
        Scaling(**state["scaling"]),
        state["training_data_sha256"],
        updater,
        rng,
        state["history"],
        state["n_redrawn"],
    )
