"""The networks in the form for a processor against the networks themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from aegan_export.graph import PLAIN, make_forms, make_modules, write_graphs
from aegan_export.parity import check_parity
from aegan_export.processor_graphs import make_processor_modules
from aegan_export.winograd import Winograd
from aegan_monitor.detection.network import PROCESSOR, Graph
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


@pytest.mark.parametrize("size", [4, 8, 16])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_fewer_multiplications_give_the_same_numbers(kind: type[nn.Conv2d | nn.ConvTranspose2d], size: int) -> None:
    """A layer with fewer multiplications computes what its convolution computes, edges included, for more than one picture."""
    torch.manual_seed(0)
    layer = kind(3, 5, 4, 2, 1, bias=False).double()
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    found = Winograd(layer, size).double()(x.permute(0, 2, 3, 1))
    assert (found.permute(0, 3, 1, 2) - layer(x)).abs().max() < TOLERANCE


@pytest.mark.parametrize(("norm", "first_norm"), [("ln", True), ("ln", False), ("bn", True), ("in", False)])
@torch.no_grad()
def test_the_form_for_a_processor_gives_the_networks_own_numbers(norm: Norm, first_norm: bool) -> None:
    """z, embedding, errors and reconstruction, for every norm, with and without fewer multiplications."""
    parameters = NetworkParameters(ndf=2, nz=8, generator_norm=norm, discriminator_norm=norm, first_norm=first_norm)
    generator, discriminator = make_networks(parameters)
    generator.double()
    discriminator.double()
    x = torch.from_numpy(SEGMENTS).double()
    fast = make_processor_modules(generator, discriminator, 16 * 8 * 16)  # the weights of the fourth layer
    for graph, plain in make_modules(generator, discriminator).items():
        expected, found = (each if isinstance(each, tuple) else (each,) for each in (plain(x), fast[graph].double()(x)))
        for one, other in zip(expected, found, strict=True):
            assert one.shape == other.shape
            assert (one - other).abs().max() < TOLERANCE * max(1.0, float(one.abs().max()))


@pytest.mark.parametrize("graph", ["embedding", pytest.param("generator", marks=pytest.mark.full)])
def test_both_forms_share_the_weights_file(tmp_path: Path, graph: Graph) -> None:
    """Graphs for a processor agree with PyTorch in any batch size, and add nothing to a weights file in half precision."""
    generator, discriminator = make_networks(NetworkParameters(ndf=4, nz=8))
    for parameter in (*generator.parameters(), *discriminator.parameters()):
        parameter.data = parameter.data.half().float()
    plain = make_modules(generator, discriminator)[graph]
    fast = make_processor_modules(generator, discriminator, 64 * 32 * 16)[graph]
    write_graphs({PLAIN: {graph: plain}, f".{PROCESSOR}": {graph: fast}}, tmp_path, (1, 128, 128), "fp16")
    assert (tmp_path / "weights.bin").stat().st_size < 1.05 * sum(2 * parameter.numel() for parameter in plain.parameters())
    parity = check_parity({graph: plain}, tmp_path, SEGMENTS)
    assert {each.file for each in parity} == {f"{graph}.onnx", f"{graph}.{PROCESSOR}.onnx"}
    assert max(each.deviation for each in parity) < 1e-5


def test_the_form_is_for_large_networks() -> None:
    """The size of the paper has graphs for a processor; smaller networks, which gain nothing, have none."""
    assert set(make_forms(*make_networks(NetworkParameters(ndf=16)))) == {PLAIN}
    assert set(make_forms(*make_networks(NetworkParameters(ndf=32)))) == {PLAIN, f".{PROCESSOR}"}
