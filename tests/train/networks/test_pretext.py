"""The pretext task: which change was made to a segment."""

import copy
import math

import pytest
import torch
from torch import Tensor

from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters
from aegan_train.networks.fast_networks import embed, space_to_depth
from aegan_train.networks.losses import LossParameters, Updater
from aegan_train.networks.pretext import CHANGES, Change, change_segments, keep, make_head, pretext_loss, reverse, splice

SMALL = NetworkParameters(ndf=2, nz=8)


def make_rng(seed: int = 0) -> torch.Generator:
    """A generator of random numbers."""
    return torch.Generator().manual_seed(seed)


def make_segments(n: int = 4) -> Tensor:
    """Segments in which each band and each frame has a level of its own."""
    bands, frames = torch.linspace(-0.5, 0.5, 128)[:, None], torch.linspace(-0.2, 0.2, 128)
    return (bands + frames + torch.linspace(0, 0.1, n)[:, None, None])[:, None]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_keeps_the_shape_and_leaves_its_input(change: Change) -> None:
    """Every change gives other finite segments of the same shape; only `keep` gives the same ones."""
    x = make_segments()
    before = x.clone()
    found = [change(x, make_rng(seed)) for seed in range(20)]
    assert torch.equal(x, before)
    assert all(each.shape == x.shape and torch.isfinite(each).all() for each in found)
    assert all(torch.equal(each, x) == (change is keep) for each in found)
    if change not in (keep, reverse):
        assert any(not torch.equal(each, found[0]) for each in found)


def test_every_change_is_made_equally_often() -> None:
    """The kinds follow each other, and each segment has the change of its kind."""
    x = make_segments(24)
    changed, kinds = change_segments(x, make_rng())
    assert kinds.tolist() == list(range(len(CHANGES))) * 3
    assert torch.equal(changed[kinds == 0], x[kinds == 0])
    assert torch.equal(changed[kinds == CHANGES.index(reverse)], x[kinds == CHANGES.index(reverse)].flip(3))
    mine = x[kinds == CHANGES.index(splice)]
    assert torch.equal(changed[kinds == CHANGES.index(splice)][..., :32], mine[..., :32])
    few, kinds = change_segments(x[:2], make_rng())
    assert (len(few), kinds.tolist()) == (2, [0, 1])


def test_the_task_can_be_learned() -> None:
    """A small critic names changes better after some updates than by chance."""
    torch.manual_seed(0)
    critic, head = Discriminator(SMALL), make_head(SMALL.n_embedding)
    adam = torch.optim.Adam([*critic.parameters(), *head.parameters()], lr=2e-3)
    rng = make_rng()
    x = make_segments(32) + 0.1 * torch.randn(32, 1, 128, 128, generator=rng)
    losses = []
    for _ in range(40):
        changed, kinds = change_segments(x, rng)
        loss = pretext_loss(head, embed(critic, space_to_depth(changed)), kinds)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(len(CHANGES)), abs=0.5)
    assert sum(losses[-5:]) / 5 < 1.6


def test_only_the_critic_learns_and_only_with_a_head() -> None:
    """With a head the critic's update differs, and the other losses do not know it; without one nothing is drawn."""
    torch.manual_seed(0)
    generator, discriminator = Generator(SMALL), Discriminator(SMALL)
    x, alpha = make_segments(16), torch.rand(16, 1, 1, 1, generator=make_rng())
    found = []
    for head in (None, make_head(SMALL.n_embedding)):
        updater = Updater(copy.deepcopy(generator), copy.deepcopy(discriminator), LossParameters(), head=head)
        rng = make_rng()
        before = rng.get_state()
        losses = updater.step(x, alpha, rng)
        assert torch.equal(rng.get_state(), before) == (head is None)
        assert (losses.pretext > 0) == (head is not None)
        found.append((losses.critic, losses.penalty, losses.recon, next(updater.discriminator.parameters())))
    plain, taught = found
    assert plain[:3] == taught[:3]
    assert not torch.equal(plain[3], taught[3])
