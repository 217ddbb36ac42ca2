"""The networks in space-to-depth layout against the networks themselves, and the critic's input gradient against PyTorch's."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle

from aegan_train.config import Norm
from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters
from aegan_train.networks.fast_networks import arrange, criticise, embed, generate, space_to_depth
from aegan_train.networks.penalty_gradient import input_gradient

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


def to_pictures(x: Tensor) -> Tensor:
    """`[n, 64, 64, 4]` as `[n, 1, 128, 128]`."""
    return pixel_shuffle(x.permute(0, 3, 1, 2), 2)


def test_the_layout_keeps_every_pixel() -> None:
    """Each block of 2 x 2 pixels is one place with four channels."""
    x = make_pictures()
    blocks = space_to_depth(x)
    assert blocks.shape == (3, 64, 64, 4)
    assert blocks[1, 5, 7].tolist() == x[1, 0, 10:12, 14:16].flatten().tolist()
    assert torch.equal(to_pictures(blocks), x)


@pytest.mark.parametrize("ndf", [1, 4])
@pytest.mark.parametrize(("norm", "first_norm"), [("ln", True), ("ln", False), ("bn", True), ("in", False)])
def test_space_to_depth_gives_the_networks_own_numbers(norm: Norm, first_norm: bool, ndf: int) -> None:
    """G, f and D, for every norm, with and without the first one, down to one channel."""
    parameters = NetworkParameters(ndf=ndf, nz=8, generator_norm=norm, discriminator_norm=norm, first_norm=first_norm)
    generator, discriminator = Generator(parameters), Discriminator(parameters)
    for network in (generator, discriminator):
        vary(network)
    x = make_pictures()
    expected = generator(x), *discriminator(x)
    for network in (generator, discriminator):
        arrange(network)
    found = (
        to_pictures(generate(generator, space_to_depth(x))),
        criticise(discriminator, space_to_depth(x)),
        embed(discriminator, space_to_depth(x)),
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(discriminator(x)[0], expected[1], rtol=TOLERANCE, atol=TOLERANCE)  # evaluation and export use plain pictures


@pytest.mark.parametrize("norm", ["ln", "in"])
def test_the_input_gradient_and_its_gradients_are_pytorchs(norm: Norm) -> None:
    """First and second derivatives, against automatic differentiation of the plain network."""
    discriminator = Discriminator(NetworkParameters(ndf=2, nz=8, discriminator_norm=norm))
    vary(discriminator)
    x = make_pictures().requires_grad_(True)
    target = make_pictures().sin()
    (expected,) = torch.autograd.grad(discriminator(x)[0].sum(), x, create_graph=True)
    ((expected - target) ** 2).sum().backward()
    gradients = {name: parameter.grad for name, parameter in discriminator.named_parameters()}
    discriminator.zero_grad(set_to_none=True)

    found = input_gradient(discriminator, space_to_depth(x.detach()))
    torch.testing.assert_close(to_pictures(found), expected, rtol=TOLERANCE, atol=TOLERANCE)
    ((to_pictures(found) - target) ** 2).sum().backward()
    for name, parameter in discriminator.named_parameters():
        slope = gradients[name]
        if slope is not None and parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, slope, rtol=TOLERANCE, atol=TOLERANCE, msg=name)
        else:
            assert name.endswith("bias"), name  # slopes do not depend on what is only added
