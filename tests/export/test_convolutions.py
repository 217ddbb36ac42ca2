"""The networks as convolutions alone against the networks themselves."""

import numpy as np
import pytest
import torch

from aegan_export.convolutions import make_convolution_modules
from aegan_export.graph import make_modules
from aegan_train.config import Norm
from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters

TOLERANCE = 1e-9  # float64 in another order
SEGMENTS = np.random.default_rng(0).uniform(-1, 1, (3, 1, 128, 128)).astype(np.float32)


def make_networks(parameters: NetworkParameters) -> tuple[Generator, Discriminator]:
    """Networks in which no weight stays at 0 or 1, where a mistake would not show."""
    torch.manual_seed(0)
    generator, discriminator = Generator(parameters), Discriminator(parameters)
    with torch.no_grad():
        for parameter in (*generator.parameters(), *discriminator.parameters()):
            parameter.add_(0.1 * torch.randn_like(parameter))
    return generator, discriminator


@pytest.mark.parametrize(("norm", "first_norm"), [("ln", True), ("ln", False), ("bn", True), ("in", False)])
@torch.no_grad()
def test_convolutions_alone_give_the_networks_own_numbers(norm: Norm, first_norm: bool) -> None:
    """z, embedding, errors and reconstruction, for every norm."""
    parameters = NetworkParameters(ndf=2, nz=8, generator_norm=norm, discriminator_norm=norm, first_norm=first_norm)
    generator, discriminator = make_networks(parameters)
    generator.double()
    discriminator.double()
    x = torch.from_numpy(SEGMENTS).double()
    convolutions = make_convolution_modules(generator, discriminator)
    for graph, plain in make_modules(generator, discriminator).items():
        expected, found = (each if isinstance(each, tuple) else (each,) for each in (plain(x), convolutions[graph].double()(x)))
        for one, other in zip(expected, found, strict=True):
            assert one.shape == other.shape
            assert (one - other).abs().max() < TOLERANCE * max(1.0, float(one.abs().max()))
