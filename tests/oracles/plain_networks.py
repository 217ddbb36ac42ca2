"""The networks of the method's description once more, as plain functions of a state dict; nothing of ours is imported.

Norms are written out as formulas, in train mode or not. `bn` in train mode moves `running_mean` and `running_var` in the
state, at the momentum that the reference has (0.1).
"""

import math

import torch
from torch import Tensor, nn, no_grad
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

State = dict[str, Tensor]
N_LEVELS = 5  # 128 > 64 > 32 > 16 > 8 > 4
EPS = 1e-5
MOMENTUM = 0.1


def scatter(module: nn.Module, seed: int = 0) -> State:
    """Give every number of `module` (now float64) a value of its own, so that no layer is a mere identity; its state, copied."""
    rng = torch.Generator().manual_seed(seed)
    state = module.double().state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        scale = 1 / math.sqrt(tensor[0].numel()) if tensor.dim() == 4 else 0.5
        shift = 1.0 if name.endswith(("running_var", ".weight")) and tensor.dim() != 4 else 0.0
        tensor.copy_(shift + scale * (2 * torch.rand(tensor.shape, generator=rng, dtype=torch.float64) - 1))
    return {name: tensor.clone() for name, tensor in state.items()}


def normalise(x: Tensor, state: State, key: str, norm: str, train: bool) -> Tensor:
    """Zero mean and unit variance over what `norm` says, then the affine map that `state` has for it."""
    if norm == "bn" and not train:
        mean, variance = (state[f"{key}.{name}"][:, None, None] for name in ("running_mean", "running_var"))
    else:
        over = {"ln": (1, 2, 3), "bn": (0, 2, 3), "in": (2, 3)}[norm]
        mean = x.mean(over, keepdim=True)
        variance = ((x - mean) ** 2).mean(over, keepdim=True)
        if norm == "bn":
            move_running_statistics(state, key, mean, variance, x.numel() // x.shape[1])
    x = (x - mean) / (variance + EPS).sqrt()
    if norm == "in":
        return x
    weight, bias = state[f"{key}.weight"], state[f"{key}.bias"]
    if norm == "bn":
        weight, bias = weight[:, None, None], bias[:, None, None]
    return x * weight + bias


def move_running_statistics(state: State, key: str, mean: Tensor, variance: Tensor, n: int) -> None:
    """One step towards a batch's mean and its unbiased variance, over `n` numbers a channel."""
    with no_grad():
        for name, found in (("running_mean", mean), ("running_var", variance * n / (n - 1))):
            state[f"{key}.{name}"] = (1 - MOMENTUM) * state[f"{key}.{name}"] + MOMENTUM * found.flatten()


def encode(x: Tensor, state: State, norm: str = "ln", *, first_norm: bool = True, train: bool = False) -> Tensor:
    """E(x), `[n, nz, 1, 1]`."""
    i = 0
    for level in range(N_LEVELS):
        x = conv2d(x, state[f"Encoder.main.{i}.weight"], stride=2, padding=1)
        i += 1
        if level > 0 or first_norm:
            x = normalise(x, state, f"Encoder.main.{i}", norm, train)
            i += 1
        x = leaky_relu(x, 0.2)
        i += 1
    return conv2d(x, state[f"Encoder.main.{i}.weight"])


def decode(z: Tensor, state: State, norm: str = "ln", *, train: bool = False) -> Tensor:
    """The decoder's picture of z."""
    x = conv_transpose2d(z, state["Decoder.main.0.weight"])
    for level in range(N_LEVELS):
        i = 3 * level + 1
        x = normalise(x, state, f"Decoder.main.{i}", norm, train).relu()
        x = conv_transpose2d(x, state[f"Decoder.main.{i + 2}.weight"], stride=2, padding=1)
    return x.tanh()


def generate(x: Tensor, state: State, norm: str = "ln", *, first_norm: bool = True, train: bool = False) -> Tensor:
    """G(x)."""
    return decode(encode(x, state, norm, first_norm=first_norm, train=train), state, norm, train=train)


def discriminate(x: Tensor, state: State, norm: str = "ln", *, train: bool = False) -> tuple[Tensor, Tensor]:
    """D(x): the score `[n, 1]` and the embedding f(x)."""
    for level in range(N_LEVELS):
        x = conv2d(x, state[f"main.{level}.0.weight"], stride=2, padding=1)
        x = leaky_relu(normalise(x, state, f"main.{level}.1", norm, train), 0.2)
    embedding = (x * state["feat_extract_layer.0.weight"][:, 0]).sum((2, 3))  # depthwise, over all of 4x4
    mean = embedding.mean(1, keepdim=True)
    variance = ((embedding - mean) ** 2).mean(1, keepdim=True)
    scaled = (embedding - mean) / (variance + EPS).sqrt()
    hidden = leaky_relu(scaled * state["output_layer.0.weight"] + state["output_layer.0.bias"], 0.2)
    return hidden @ state["output_layer.2.weight"].T + state["output_layer.2.bias"], embedding
