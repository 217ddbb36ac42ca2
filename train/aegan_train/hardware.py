"""The device that a training runs on."""

import torch

from aegan_monitor.errors import DataError


def choose_device(name: str) -> torch.device:
    """The device of `--device`; `auto` is the GPU where there is one.

    Raises:
        DataError: `cuda` was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("--device cuda: PyTorch finds no CUDA device; use --device cpu, or install a CUDA build of torch")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def set_up(device: torch.device) -> None:
    """Fast convolutions on a GPU; their numbers change by no more than rounding."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, as PyTorch's convolutions use by themselves
        torch.backends.cudnn.benchmark = True  # one shape of batch, thousands of times
