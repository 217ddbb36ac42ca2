"""The losses against other formulations in float64, and the updates against a plain statement of the reference procedure."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.functional import mse_loss

import plain_networks as plain
from aegan_monitor.types import DoubleArray
from aegan_train.config import Match, Norm
from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters
from aegan_train.networks.fast_networks import space_to_depth
from aegan_train.networks.losses import LossParameters, Updater, critic_loss, generator_loss
from chaos import scaled
from plain_updates import LEARNING_RATE, PENALTY, RECIPES, PlainUpdates, Recipe

TOLERANCE = 1e-9  # float64 in another formulation, relative; for weights, which lie around 0.02 to 1, absolute
N_UPDATES = 3
STILL = ("num_batches_tracked", "output_layer.2.bias")  # a counter; and a bias that falls out of a difference of scores


def make_batch(seed: int = 0, n: int = 3) -> tuple[Tensor, Tensor]:
    """Segments, and points between them and their reconstructions, float64."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 1, 128, 128, generator=rng, dtype=torch.float64) * 2 - 1
    return x, torch.rand(n, 1, 1, 1, generator=rng, dtype=torch.float64)


def make_discriminator(norm: Norm = "ln") -> tuple[Discriminator, plain.State]:
    """A small critic with random weights."""
    discriminator = Discriminator(NetworkParameters(ndf=2, nz=8, discriminator_norm=norm))
    return discriminator, plain.scatter(discriminator)


@pytest.mark.parametrize("norm", ["ln", "in"])
def test_the_critics_loss_is_that_of_a_gradient_for_each_segment(norm: Norm) -> None:
    """The critic's loss equals a computation with one gradient a segment and NumPy's means."""
    discriminator, state = make_discriminator(norm)
    (x, alpha), (recon, _) = make_batch(1), make_batch(2)

    def score_one(segment: Tensor) -> Tensor:
        return plain.discriminate(segment[None], state, norm)[0].squeeze()

    gradients = vmap(grad(score_one))(alpha * x + (1 - alpha) * recon).numpy()
    lengths = np.sqrt(np.sum(gradients**2, axis=(1, 2, 3)))
    assert np.ptp(lengths) > 1e-3 * lengths.max()  # segments differ, so that the order of mean and square shows
    difference = np.mean([score_one(one) for one in recon]) - np.mean([score_one(one) for one in x])

    critic, penalty = critic_loss(discriminator, space_to_depth(x), space_to_depth(recon), alpha)
    assert critic.item() == pytest.approx(difference, rel=TOLERANCE)
    assert penalty.item() == pytest.approx(np.mean((lengths - 1) ** 2), rel=TOLERANCE)


def mean_square(difference: DoubleArray) -> float:
    """The mean over all elements."""
    return float(np.sum(difference**2) / difference.size)


def match_by_numpy(fake: DoubleArray, real: DoubleArray, match: Match) -> float:
    """The feature matching of two batches of embeddings, by NumPy."""
    matching = mean_square(np.mean(fake, axis=0) - np.mean(real, axis=0))
    if match == "mu+sigma":
        matching += mean_square(np.std(fake, axis=0, ddof=0) - np.std(real, axis=0, ddof=0))
    return matching


@pytest.mark.parametrize("match", ["mu", "mu+sigma"])
def test_the_generators_loss_is_numpys(match: Match) -> None:
    """Reconstruction and matching losses equal NumPy's, unweighted."""
    discriminator, state = make_discriminator()
    (x, _), (recon, _) = make_batch(6, n=5), make_batch(7, n=5)
    fake, real = (plain.discriminate(one, state)[1].numpy() for one in (recon, x))

    error, matching = generator_loss(discriminator, space_to_depth(x), space_to_depth(recon), LossParameters(match, match_weight=0.05))
    assert error.item() == pytest.approx(mean_square((recon - x).numpy()), rel=TOLERANCE)
    assert matching.item() == pytest.approx(match_by_numpy(fake, real, match), rel=TOLERANCE)


def test_segments_that_are_all_alike_leave_a_gradient() -> None:
    """Equal embeddings, whose spread is 0, give a finite gradient."""
    discriminator, _ = make_discriminator()
    x = make_batch(8, n=1)[0].expand(3, -1, -1, -1)
    recon = (0.5 * x).clone().requires_grad_(True)
    error, matching = generator_loss(discriminator, space_to_depth(x), space_to_depth(recon), LossParameters("mu+sigma"))
    (error + matching).backward()
    assert recon.grad is not None
    assert recon.grad.isfinite().all()


def make_networks(recipe: Recipe) -> tuple[Generator, Discriminator]:
    """Small networks as at the start of training, float64."""
    torch.manual_seed(0)
    parameters = NetworkParameters(ndf=2, nz=8, generator_norm=recipe.norm, first_norm=recipe.first_norm)
    return Generator(parameters).double().train(), Discriminator(parameters).double().train()


def copy_state(module: Generator | Discriminator) -> plain.State:
    """A state dict as leaves of a graph, without gradients for running statistics."""
    weights = dict(module.named_parameters())
    return {name: tensor.detach().clone().requires_grad_(name in weights) for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_updates_are_those_of_the_reference(recipe: Recipe) -> None:
    """Losses, weights and running statistics equal the reference procedure over several batches."""
    generator, discriminator = make_networks(recipe)
    began = [copy_state(network) for network in (generator, discriminator)]
    expected = PlainUpdates(recipe, copy_state(generator), copy_state(discriminator))
    updater = Updater(generator, discriminator, LossParameters(recipe.match, recipe.weight), beta1=recipe.beta1, n_critic=recipe.n_critic)

    for i in range(N_UPDATES):
        x, alpha = make_batch(20 + i)
        losses = updater.step(x, alpha)
        found = [losses.critic.item(), losses.penalty.item(), losses.recon.item(), losses.matching.item()]
        plain_losses = expected.step(i, x, alpha)
        assert found[: len(plain_losses)] == pytest.approx(plain_losses, rel=TOLERANCE, abs=1e-13)

    for network, start, state in zip((generator, discriminator), began, (expected.generator, expected.discriminator), strict=True):
        for name, tensor in network.state_dict().items():
            if name.endswith(STILL):
                continue
            assert (tensor - start[name]).abs().max() > LEARNING_RATE / 10, f"{name} has hardly moved"
            torch.testing.assert_close(tensor, state[name].detach(), rtol=0, atol=TOLERANCE, msg=name)


def test_between_two_generator_steps_only_the_critic_moves() -> None:
    """With n_critic 2 the generator steps in batches 0, 2, 4 ..."""
    generator, discriminator = make_networks(Recipe("n_critic 2"))
    updater = Updater(generator, discriminator, LossParameters(), n_critic=2)
    weights = [next(network.parameters()) for network in (generator, discriminator)]
    moved = []
    for i in range(4):
        before = [weight.detach().clone() for weight in weights]
        updater.step(*make_batch(i))
        moved.append([not torch.equal(old, new) for old, new in zip(before, weights, strict=True)])
    assert moved == [[True, True], [False, True], [True, True], [False, True]]


def test_a_step_leaves_the_critic_ready_for_the_next() -> None:
    """The critic's weights are frozen in the generator's step alone."""
    generator, discriminator = make_networks(Recipe("any"))
    Updater(generator, discriminator, LossParameters()).step(*make_batch())
    assert all(weight.requires_grad for weight in discriminator.parameters())


def step_eagerly(networks: tuple[Generator, Discriminator], adams: list[torch.optim.Adam], x: Tensor, alpha: Tensor) -> list[float]:
    """The reference procedure by PyTorch's own modules, optimisers and second derivatives, float32."""
    g, d = networks
    recon = g(x).detach()
    between = (alpha * x + (1 - alpha) * recon).requires_grad_(True)
    (slope,) = torch.autograd.grad(d(between)[0].sum(), between, create_graph=True)
    penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
    critic = d(recon)[0].mean() - d(x)[0].mean()
    adams[1].zero_grad()
    (critic + PENALTY * penalty).backward()
    adams[1].step()
    adams[0].zero_grad()
    recon = g(x)
    matching = mse_loss(d(recon)[1].mean(0), d(x)[1].mean(0))
    error = mse_loss(recon, x)
    (error + matching).backward()
    adams[0].step()
    return [critic.item(), penalty.item(), error.item(), matching.item()]


@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-4), (True, 0.1)])
def test_updates_in_float32_are_those_of_pytorch(bf16: bool, tolerance: float) -> None:
    """From equal weights, moments, batches and alphas at each update.

    They are made equal anew each time: Adam divides by the gradient's size and the penalty has a kink wherever a unit turns on, so
    float32 runs of one procedure in PyTorch's own two precisions part by 1e-3 within five updates. In float64 they do not
    (test_the_updates_are_those_of_the_reference).
    """
    torch.manual_seed(0)
    parameters = NetworkParameters(ndf=4, nz=16)
    plain_networks = Generator(parameters), Discriminator(parameters)
    plain_adams = [torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.999)) for network in plain_networks]
    updater = Updater(Generator(parameters), Discriminator(parameters), LossParameters(), bf16=bf16)
    for i in range(scaled(20, at_least=5)):
        updater.generator.load_state_dict(plain_networks[0].state_dict())
        updater.discriminator.load_state_dict(plain_networks[1].state_dict())
        if i:
            updater.generator_adam.load_state_dict(deepcopy(plain_adams[0].state_dict()))  # which would share its moments
            updater.discriminator_adam.load_state_dict(deepcopy(plain_adams[1].state_dict()))
        x, alpha = (each.float() for each in make_batch(40 + i, n=8))
        losses = updater.step(x, alpha)
        found = [losses.critic.item(), losses.penalty.item(), losses.recon.item(), losses.matching.item()]
        expected = step_eagerly(plain_networks, plain_adams, x, alpha)
        assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_the_penalty_may_be_measured_on_a_part_of_each_batch() -> None:
    """The penalty uses the first quarter, rounded up, and the score difference the whole batch."""
    generator, discriminator = make_networks(Recipe("any"))
    x, alpha = make_batch(n=5)
    with torch.no_grad():
        recon = generator(x)
    critic, _ = critic_loss(discriminator, space_to_depth(x), space_to_depth(recon), alpha)
    _, penalty = critic_loss(discriminator, space_to_depth(x[:2]), space_to_depth(recon[:2]), alpha[:2])
    losses = Updater(generator, discriminator, LossParameters(), penalty_part=0.25).step(x, alpha)
    assert (losses.critic.item(), losses.penalty.item()) == pytest.approx((critic.item(), penalty.item()), rel=TOLERANCE)
