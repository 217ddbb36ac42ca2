"""A published checkpoint, made with the reference's keys, random weights and a NumPy figure."""

from typing import Any

import numpy as np
import torch

NDF, NZ = 8, 16
SIZES = (64, 32, 16, 8, 4)


def norm_keys(key: str, norm: str, n_channels: int, size: int) -> dict[str, torch.Tensor]:
    """The entries of one norm layer, with random values."""
    if norm == "in":
        return {}
    shape = (n_channels, size, size) if norm == "ln" else (n_channels,)
    state = {f"{key}.weight": 1 + 0.5 * torch.rand(shape), f"{key}.bias": 0.1 * torch.randn(shape)}
    if norm == "bn":
        state |= {f"{key}.running_mean": 0.1 * torch.randn(shape), f"{key}.running_var": 0.5 + torch.rand(shape)}
        state |= {f"{key}.num_batches_tracked": torch.tensor(7)}
    return state


def convolution(n_out: int, n_in: int) -> torch.Tensor:
    """A random kernel that preserves the scale of its input."""
    return torch.randn(n_out, n_in, 4, 4).div((16 * n_in) ** 0.5)


def make_reference_checkpoint(norm: str, *, first_norm: bool = True) -> dict[str, Any]:
    """The dict that the reference code saves, built from the description of its keys."""
    torch.manual_seed(0)
    generator: dict[str, torch.Tensor] = {}
    i, n_in = 0, 1
    for level, size in enumerate(SIZES):
        n_out = NDF << level
        generator[f"Encoder.main.{i}.weight"] = convolution(n_out, n_in)
        if level or first_norm:
            i += 1
            generator |= norm_keys(f"Encoder.main.{i}", norm, n_out, size)
        i += 2
        n_in = n_out
    generator[f"Encoder.main.{i}.weight"] = convolution(NZ, n_in)
    n_in = NZ
    for level in reversed(range(5)):
        i, n_out = 3 * (4 - level), NDF << level
        generator[f"Decoder.main.{i}.weight"] = convolution(n_in, n_out)  # transposed: in, out
        generator |= norm_keys(f"Decoder.main.{i + 1}", norm, n_out, SIZES[level])
        n_in = n_out
    generator["Decoder.main.15.weight"] = convolution(n_in, 1)

    discriminator: dict[str, torch.Tensor] = {}
    n_in = 1
    for level, size in enumerate(SIZES):
        n_out = NDF << level
        discriminator[f"main.{level}.0.weight"] = convolution(n_out, n_in)
        discriminator |= norm_keys(f"main.{level}.1", "ln", n_out, size)
        n_in = n_out
    discriminator["feat_extract_layer.0.weight"] = convolution(n_in, 1)
    discriminator |= {f"output_layer.0.{name}": torch.randn(n_in) for name in ("weight", "bias")}
    discriminator |= {"output_layer.2.weight": torch.randn(1, n_in), "output_layer.2.bias": torch.randn(1)}
    return {"netD": discriminator, "netG": generator, "best_aver": np.float64(0.7701)}
