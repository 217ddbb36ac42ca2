"""Reads published checkpoints (`.pth` files of the reference code) and checks them against a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aegan_monitor.errors import DataError
from aegan_train.config import TrainConfig

State = Mapping[str, Tensor]
FIGURES = ("best_aver", "best_hmean")  # 2020, 2022
# The figure is a NumPy scalar; `weights_only` admits it by these globals alone. NumPy 1 wrote numpy.core, NumPy 2 writes numpy._core.
SCALAR = np.float64(0).__reduce__()[0]  # the function that unpickles a NumPy scalar
SAFE_GLOBALS: list[Any] = [
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float64DType,
]


@dataclass(frozen=True, slots=True)
class ReferenceCheckpoint:
    """The content of a published file: both state dicts, and the labelled figure that chose its epoch, 0 to 1."""

    generator: State
    discriminator: State
    figure: float | None


def read_reference_checkpoint(path: Path) -> ReferenceCheckpoint:
    """Read a `.pth` file without running code from it.

    Raises:
        DataError: The file is missing, is no PyTorch file, holds other objects than data, or lacks a network.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; name the published .pth")
    try:
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch passes on errors of zipfile and pickle
        reason = next((line.strip() for line in str(error).splitlines() if "GLOBAL" in line), str(error).split("\n")[0])
        raise DataError(f"{path}: cannot be read as a checkpoint: {reason or type(error).__name__}; download it again") from error
    keys = set(content) if isinstance(content, dict) else set()
    if lacking := [key for key in ("netG", "netD") if key not in keys]:
        found = ", ".join(sorted(map(str, keys))) if keys else type(content).__name__
        raise DataError(f"{path}: key missing: {lacking[0]}; expected netD, netG and best_aver or best_hmean, found {found}")
    for key in ("netG", "netD"):
        state = content[key]
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise DataError(f"{path}: {key}: expected a state dict of tensors, found {type(state).__name__}; name the published .pth")
    figure = next((float(content[key]) for key in FIGURES if key in keys), None)
    return ReferenceCheckpoint(content["netG"], content["netD"], figure)


def load_state(network: nn.Module, state: State, name: str, where: str, settings: str) -> None:
    """Load `state` into `network`.

    Args:
        network: The network of the configuration.
        state: The state dict of the file.
        name: `netG` or `netD`, for messages.
        where: The file, for messages.
        settings: The end of a message: which settings do not fit.

    Raises:
        DataError: A key is missing or unexpected, a shape differs, or a number is not finite.
    """
    expected = network.state_dict()
    problems = [f"{key}: expected {_shape(expected[key])}, found nothing" for key in expected if key not in state]
    problems += [f"{key}: expected no such key, found {_shape(state[key])}" for key in state if key not in expected]
    both = [key for key in expected if key in state]
    problems += [
        f"{key}: expected {_shape(expected[key])}, found {_shape(state[key])}" for key in both if expected[key].shape != state[key].shape
    ]
    problems = problems or [f"{key}: expected finite numbers, found others" for key in both if not bool(state[key].isfinite().all())]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DataError(f"{where}: {name}: {problems[0]}{more}; {settings}")
    network.load_state_dict(dict(state))


def _shape(tensor: Tensor) -> str:
    return f"shape {tuple(tensor.shape)}"


def describe_differences(checkpoint: ReferenceCheckpoint, config: TrainConfig) -> str:
    """The settings that the file's keys and shapes imply, where the configuration differs."""
    g, d = checkpoint.generator, checkpoint.discriminator
    last = [key for key in g if key.startswith("Encoder.main.")][-1:]
    signs: dict[str, object] = {
        "ndf": _size(g, "Encoder.main.0.weight"),
        "nz": _size(g, last[0]) if last else None,
        "generator_norm": _norm(g, "Decoder.main.1"),
        "discriminator_norm": _norm(d, "main.0.1"),
        "first_norm": "Encoder.main.2.weight" not in g,  # without it the second convolution moves up to 2
    }
    wrong = [f"{key}: {value}" for key, value in signs.items() if value is not None and value != getattr(config, key)]
    if not wrong:
        return "expected a checkpoint of this method's networks"
    return f"the file looks like {', '.join(wrong).lower()}; choose the --config of its machine type"


def _size(state: State, key: str) -> int | None:
    return state[key].shape[0] if key in state and state[key].dim() else None


def _norm(state: State, key: str) -> str:
    if f"{key}.running_mean" in state:
        return "bn"
    return "ln" if f"{key}.weight" in state else "in"
