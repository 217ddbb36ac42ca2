"""A task that teaches the critic's embedding beside its own loss: which change was made to a segment?

A linear layer on the embedding names the change, and is dropped at the end of the training. A change is what a fault could do to a
picture, in general terms: the embedding must show it. No fault and no label is needed.

Source: self-supervision by classifying transformations, I. Golan, R. El-Yaniv, Deep Anomaly Detection Using Geometric
Transformations, 2018. The changes are our own.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, layer_norm

Change = Callable[[Tensor, torch.Generator], Tensor]


def keep(x: Tensor, _: torch.Generator) -> Tensor:
    """The segments as they are."""
    return x


def shift_bands(x: Tensor, rng: torch.Generator) -> Tensor:
    """All bands 2 to 6 higher or lower; the edge is repeated."""
    places = torch.arange(x.shape[2], device=x.device)
    shift = draw_int(rng, 2, 6) * (1 if torch.rand((), generator=rng) < 0.5 else -1)
    return x[:, :, (places - shift).clamp(0, x.shape[2] - 1)]


def reverse(x: Tensor, _: torch.Generator) -> Tensor:
    """Backwards in time."""
    return x.flip(3)


def change_level(x: Tensor, rng: torch.Generator) -> Tensor:
    """3 to 23 neighbouring bands louder or quieter, all the time."""
    width = draw_int(rng, 3, 23)
    first = draw_int(rng, 0, x.shape[2] - width)
    step = draw(rng, 0.3, 1.0) * (1 if torch.rand((), generator=rng) < 0.5 else -1)
    changed = x.clone()
    changed[:, :, first : first + width] += step
    return changed


def add_event(x: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the bands louder for 3 to 11 frames."""
    height, width = x.shape[2] // 2, draw_int(rng, 3, 11)
    band, frame = draw_int(rng, 0, height), draw_int(rng, 0, x.shape[3] - width)
    changed = x.clone()
    changed[:, :, band : band + height, frame : frame + width] += draw(rng, 0.5, 1.5)
    return changed


def change_speed(x: Tensor, rng: torch.Generator) -> Tensor:
    """1.14 to 1.4 times as fast or as slow; what is missing at the end is mirrored."""
    factor = draw(rng, 1.14, 1.4)
    n_frames = round(x.shape[3] * (factor if torch.rand((), generator=rng) < 0.5 else 1 / factor))
    stretched = interpolate(x.flatten(1, 2), size=n_frames, mode="linear").unflatten(1, x.shape[1:3])
    return torch.cat([stretched, stretched.flip(3)], dim=3)[..., : x.shape[3]]


def change_contrast(x: Tensor, rng: torch.Generator) -> Tensor:
    """Each band's deviation from its mean over time 0.4 to 0.7 or 1.4 to 2 times as large."""
    factor = draw(rng, 0.4, 0.7) if torch.rand((), generator=rng) < 0.5 else draw(rng, 1.4, 2.0)
    mean = x.mean(3, keepdim=True)
    return mean + (x - mean) * factor


def splice(x: Tensor, rng: torch.Generator) -> Tensor:
    """The end of each segment is that of another one."""
    frame = draw_int(rng, x.shape[3] // 4, 3 * x.shape[3] // 4)
    return torch.cat([x[..., :frame], x.roll(1, 0)[..., frame:]], dim=3)


CHANGES: tuple[Change, ...] = (keep, shift_bands, reverse, change_level, add_event, change_speed, change_contrast, splice)


def change_segments(x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(segments `[n, 1, n_bands, n_frames]` with a change each, the place of each in CHANGES `[n]`).

    `x` are scaled segments, about -1 to 1. One draw of each change is made for all of its segments.
    """
    kinds = torch.arange(len(x), device=x.device) % len(CHANGES)
    changed = torch.empty_like(x)
    for kind, change in enumerate(CHANGES):
        if len(mine := x[kinds == kind]):
            changed[kinds == kind] = change(mine, rng)
    return changed, kinds


def make_head(n_embedding: int) -> nn.Linear:
    """The layer that names the change."""
    return nn.Linear(n_embedding, len(CHANGES))


def pretext_loss(head: nn.Linear, embedding: Tensor, kinds: Tensor) -> Tensor:
    """Cross-entropy of the named changes, a scalar, always in float32; each embedding is standardised over its numbers first."""
    with torch.autocast(embedding.device.type, enabled=False):
        return cross_entropy(head(layer_norm(embedding.float(), embedding.shape[1:])), kinds)


def draw(rng: torch.Generator, low: float, high: float) -> float:
    """A uniform number."""
    return low + (high - low) * float(torch.rand((), generator=rng))


def draw_int(rng: torch.Generator, low: int, high: int) -> int:
    """A uniform whole number from `low` to `high`."""
    return int(torch.randint(low, high + 1, (), generator=rng))
