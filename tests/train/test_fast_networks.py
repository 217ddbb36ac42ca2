"""The networks on folded pictures against the networks themselves, and the critic's slopes against PyTorch's."""

import pytest
import torch
from torch import Tensor

from aegan_train.config import Norm
from aegan_train.fast_networks import arrange, criticise, embed, fold, generate, unfold
from aegan_train.networks import Discriminator, Generator, NetworkParameters
from aegan_train.penalty_gradient import slopes

TOLERANCE = 1e-9  # float64 in another order


def make_pictures(n: int = 3) -> Tensor:
    """Noise, float64 `[n, 1, 128, 128]`."""
    return torch.rand(n, 1, 128, 128, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def vary(network: torch.nn.Module) -> None:
    """No weight stays at 0 or 1, where a mistake would not show."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.double().parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def test_folding_is_undone() -> None:
    """Each block of 2 x 2 pixels is one place with four channels."""
    x = make_pictures()
    folded = fold(x)
    assert folded.shape == (3, 64, 64, 4)
    assert folded[1, 5, 7].tolist() == x[1, 0, 10:12, 14:16].flatten().tolist()
    assert torch.equal(unfold(folded), x)


@pytest.mark.parametrize("ndf", [1, 4])
@pytest.mark.parametrize(("norm", "first_norm"), [("ln", True), ("ln", False), ("bn", True), ("in", False)])
def test_folded_pictures_give_the_networks_own_numbers(norm: Norm, first_norm: bool, ndf: int) -> None:
    """G, f and D, for every norm, with and without the first one, down to one channel."""
    parameters = NetworkParameters(ndf=ndf, nz=8, generator_norm=norm, discriminator_norm=norm, first_norm=first_norm)
    generator, discriminator = Generator(parameters), Discriminator(parameters)
    for network in (generator, discriminator):
        vary(network)
    x = make_pictures()
    expected = generator(x), *discriminator(x)
    for network in (generator, discriminator):
        arrange(network)
    found = unfold(generate(generator, fold(x))), criticise(discriminator, fold(x)), embed(discriminator, fold(x))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(discriminator(x)[0], expected[1], rtol=TOLERANCE, atol=TOLERANCE)  # evaluation and export use them unfolded


@pytest.mark.parametrize("norm", ["ln", "in"])
def test_slopes_and_their_gradients_are_pytorchs(norm: Norm) -> None:
    """First and second derivatives, against automatic differentiation of the plain network."""
    discriminator = Discriminator(NetworkParameters(ndf=2, nz=8, discriminator_norm=norm))
    vary(discriminator)
    x = make_pictures().requires_grad_(True)
    target = make_pictures().sin()
    (expected,) = torch.autograd.grad(discriminator(x)[0].sum(), x, create_graph=True)
    ((expected - target) ** 2).sum().backward()
    gradients = {name: parameter.grad for name, parameter in discriminator.named_parameters()}
    discriminator.zero_grad(set_to_none=True)

    found = slopes(discriminator, fold(x.detach()))
    torch.testing.assert_close(unfold(found), expected, rtol=TOLERANCE, atol=TOLERANCE)
    ((unfold(found) - target) ** 2).sum().backward()
    for name, parameter in discriminator.named_parameters():
        slope = gradients[name]
        if slope is not None and parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, slope, rtol=TOLERANCE, atol=TOLERANCE, msg=name)
        else:
            assert name.endswith("bias"), name  # slopes do not depend on what is only added
