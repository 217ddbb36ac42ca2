"""The networks against plain functions of their state dicts in float64, and against the published sizes."""

import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

import plain_networks as plain
from aegan_train.config import Norm, Preset, load_config
from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters

TOLERANCE = 1e-10  # float64 sums in another order, relative to the largest number
NORMS: tuple[Norm, ...] = get_args(Norm)
FIRST_NORM = pytest.mark.parametrize("first_norm", [True, False], ids=["first norm", "no first norm"])


def count_parameters(module: nn.Module) -> int:
    """The number of trainable values of a network."""
    return sum(parameter.numel() for parameter in module.parameters())


def make_small(norm: Norm = "ln", *, first_norm: bool = True) -> NetworkParameters:
    """Parameters of small networks with one kind of norm."""
    return NetworkParameters(ndf=2, nz=8, generator_norm=norm, discriminator_norm=norm, first_norm=first_norm)


def make_segments(n: int = 3) -> Tensor:
    """Random segments, float64 `[n, 1, 128, 128]`."""
    return torch.rand(n, 1, 128, 128, generator=torch.Generator().manual_seed(9), dtype=torch.float64) * 2 - 1


def assert_same(found: Tensor, expected: Tensor) -> None:
    """Assert equal shapes and equal values relative to the largest."""
    assert found.shape == expected.shape
    assert expected.abs().max() > 1e-3, "an oracle that says nothing proves nothing"
    assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max()


@FIRST_NORM
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("norm", NORMS)
def test_the_generator_is_what_the_description_says(norm: Norm, train: bool, first_norm: bool) -> None:
    """E, the decoder and G equal plain convolutions and norms."""
    generator = Generator(make_small(norm, first_norm=first_norm)).train(train)
    state, x = plain.scatter(generator), make_segments()

    with torch.no_grad():
        z = generator.Encoder(x)
        assert z.shape == (3, 8, 1, 1)
        assert_same(z, plain.encode(x, dict(state), norm, first_norm=first_norm, train=train))
        assert_same(generator.Decoder(z), plain.decode(z, dict(state), norm, train=train))
        generator.load_state_dict(state)  # train mode has moved the running statistics
        assert_same(generator(x), plain.generate(x, dict(state), norm, first_norm=first_norm, train=train))


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("norm", NORMS)
def test_the_discriminator_is_what_the_description_says(norm: Norm, train: bool) -> None:
    """D equals the plain functions' score and embedding, and `embed` gives the embedding."""
    discriminator = Discriminator(make_small(norm)).train(train)
    state, x = plain.scatter(discriminator), make_segments()

    with torch.no_grad():
        score, embedding = discriminator(x)
        expected_score, expected_embedding = plain.discriminate(x, dict(state), norm, train=train)
        assert_same(score, expected_score)
        assert_same(embedding, expected_embedding)
        discriminator.load_state_dict(state)
        assert_same(discriminator.embed(x), expected_embedding)


def test_the_generators_first_norm_is_no_matter_of_the_discriminator() -> None:
    """D always has its first norm, of its own kind."""
    discriminator = Discriminator(NetworkParameters(2, 8, generator_norm="bn", discriminator_norm="ln", first_norm=False))
    assert isinstance(discriminator.main[0][1], nn.LayerNorm)  # type: ignore[index]
    assert_same(discriminator.double()(make_segments())[1], plain.discriminate(make_segments(), discriminator.state_dict())[1])


@pytest.mark.parametrize(
    ("norm", "expected"),
    [("ln", 10_781_696), ("bn", 9_769_856), ("in", 9_769_856 - 2 * 2 * (32 + 64 + 128 + 256 + 512))],
    ids=["ln", "bn", "in"],
)
def test_the_generator_has_the_papers_size(norm: Norm, expected: int) -> None:
    """The generator has the paper's number of parameters for each norm."""
    with torch.device("meta"):
        assert count_parameters(Generator(NetworkParameters(generator_norm=norm))) == expected


def test_the_encoder_and_the_discriminator_have_the_papers_size() -> None:
    """Encoder and discriminator have the paper's number of parameters with LayerNorm."""
    with torch.device("meta"):
        assert count_parameters(Generator(NetworkParameters()).Encoder) == 5_390_848
        assert count_parameters(Discriminator(NetworkParameters())) == 3_303_425


@pytest.mark.parametrize(("preset", "n_embedding", "nz"), [("paper", 512, 256), ("edge", 256, 256), ("tiny", 128, 64)])
def test_a_presets_embedding_has_16_ndf_numbers(preset: Preset, n_embedding: int, nz: int) -> None:
    """Parameters and networks of each preset agree on the sizes of embedding and latent."""
    network = load_config(preset, None).network
    with torch.device("meta"):
        x = torch.zeros(2, 1, 128, 128)
        score, embedding = Discriminator(network)(x)
        generator = Generator(network)
        assert (network.n_embedding, score.shape, embedding.shape) == (n_embedding, (2, 1), (2, n_embedding))
        assert (generator.Encoder(x).shape, generator(x).shape) == ((2, nz, 1, 1), x.shape)


def convolutions(module: nn.Module) -> list[tuple[str, Tensor]]:
    """Name and weight of each convolution with more than 1,000 weights."""
    return [(name, tensor) for name, tensor in module.named_parameters() if tensor.dim() == 4 and tensor.numel() > 1000]


@pytest.mark.parametrize("network", [Generator, Discriminator])
def test_convolutions_begin_normal_with_a_spread_of_002(network: type[Generator | Discriminator]) -> None:
    """Convolutions are initialised as N(0, 0.02), within 4.5 standard errors."""
    torch.manual_seed(1)
    found = convolutions(network(NetworkParameters(ndf=8, nz=64)))
    assert len(found) >= 5
    for name, weight in found:
        scaled, n = weight.detach().double().flatten() / 0.02, weight.numel()
        assert abs(scaled.mean()) < 4.5 / math.sqrt(n), name
        assert abs(scaled.std() - 1) < 4.5 / math.sqrt(2 * n), name
        within = (scaled.abs() < 1).double().mean()  # 0.68 of a normal distribution, 0.58 of a uniform one of that spread
        assert abs(within - 0.6827) < 4.5 * math.sqrt(0.6827 * 0.3173 / n), name


def test_batch_norms_begin_near_one_and_layer_norms_at_one() -> None:
    """BatchNorm is initialised as N(1, 0.02) with bias 0; LayerNorm keeps PyTorch's default."""
    torch.manual_seed(2)
    batch_norms = [module for module in Generator(NetworkParameters(generator_norm="bn")).modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(batch_norms) == 10
    weights = torch.cat([module.weight.detach() for module in batch_norms])
    n = len(weights)
    assert abs(weights.mean() - 1) < 4.5 * 0.02 / math.sqrt(n)
    assert abs(weights.std() - 0.02) < 4.5 * 0.02 / math.sqrt(2 * n)
    assert all((module.bias == 0).all() for module in batch_norms)

    networks = (Generator(make_small()), Discriminator(make_small()))
    layer_norms = [module for network in networks for module in network.modules() if isinstance(module, nn.LayerNorm)]
    assert len(layer_norms) == 10 + 6
    assert all((module.weight == 1).all() and (module.bias == 0).all() for module in layer_norms)


def test_the_critics_last_layer_begins_as_the_framework_makes_it() -> None:
    """The last layer keeps PyTorch's default initialisation, not N(0, 0.02)."""
    torch.manual_seed(3)
    linear = Discriminator(NetworkParameters()).output_layer[2]
    assert isinstance(linear, nn.Linear)
    bound = 1 / math.sqrt(512)
    assert linear.weight.abs().max() <= bound
    assert linear.weight.detach().std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert 0 < linear.bias.abs() <= bound
