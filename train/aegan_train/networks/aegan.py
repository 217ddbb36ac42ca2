"""The generator (encoder and decoder) and the critic of AEGAN-AD for 128 x 128 segments, as in the paper.

Module names follow the reference's state dicts (`Encoder.main.<i>`, `main.<block>.<i>`), so published weights load by name.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from aegan_train.config import Norm

INPUT_SIZE = 128
TRUNK_SIZES = (64, 32, 16, 8, 4)  # height and width after each of the trunk's five convolutions


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """Widths and norms.

    Attributes:
        ndf: Channels of the first convolution, in E, D and (mirrored) the decoder.
        nz: Size of the latent z.
        generator_norm, discriminator_norm: `ln` LayerNorm over (C, H, W), `bn` BatchNorm, `in` InstanceNorm.
        first_norm: Whether the generator's encoder has its first norm layer (DCASE 2022 leaves it out for some machines).
        batch_norm_momentum: Momentum of a `bn` generator. 0.19 = 1 - 0.9^2: one pass a batch moves the running statistics as far
            as the two passes of the reference code at 0.1.
    """

    ndf: int = 32
    nz: int = 256
    generator_norm: Norm = "ln"
    discriminator_norm: Norm = "ln"
    first_norm: bool = True
    batch_norm_momentum: float = 0.19

    @property
    def n_embedding(self) -> int:
        """Size of the discriminator's embedding: the trunk's last width."""
        return 16 * self.ndf


def make_norm(norm: Norm, n_channels: int, size: int, momentum: float = 0.1) -> nn.Module:
    """One norm layer over `[n, n_channels, size, size]`."""
    if norm == "ln":
        return nn.LayerNorm([n_channels, size, size])
    if norm == "bn":
        return nn.BatchNorm2d(n_channels, momentum=momentum)
    return nn.InstanceNorm2d(n_channels)


class Encoder(nn.Module):
    """E: segments `[n, 1, 128, 128]` to latent z `[n, nz, 1, 1]`."""

    def __init__(self, parameters: NetworkParameters) -> None:
        super().__init__()
        p = parameters
        layers: list[nn.Module] = []
        n_in = 1
        for step, size in enumerate(TRUNK_SIZES):
            n_out = p.ndf << step
            layers.append(nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False))
            if step or p.first_norm:
                layers.append(make_norm(p.generator_norm, n_out, size, p.batch_norm_momentum))
            layers.append(nn.LeakyReLU(0.2))
            n_in = n_out
        layers.append(nn.Conv2d(n_in, p.nz, 4, 1, 0, bias=False))
        self.main = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The latent z of segments."""
        z: Tensor = self.main(x)
        return z


class Decoder(nn.Module):
    """The encoder's mirror: z `[n, nz, 1, 1]` to a reconstruction `[n, 1, 128, 128]` in (-1, 1)."""

    def __init__(self, parameters: NetworkParameters) -> None:
        super().__init__()
        p = parameters
        layers: list[nn.Module] = []
        n_in = p.nz
        for step, size in reversed(list(enumerate(TRUNK_SIZES))):
            n_out = p.ndf << step
            stride, padding = (1, 0) if n_in == p.nz and not layers else (2, 1)
            layers.append(nn.ConvTranspose2d(n_in, n_out, 4, stride, padding, bias=False))
            layers.append(make_norm(p.generator_norm, n_out, size, p.batch_norm_momentum))
            layers.append(nn.ReLU())
            n_in = n_out
        layers += [nn.ConvTranspose2d(n_in, 1, 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """The reconstruction of z."""
        recon: Tensor = self.main(z)
        return recon


class Generator(nn.Module):
    """G = Decoder(E(x)): an autoencoder."""

    def __init__(self, parameters: NetworkParameters) -> None:
        super().__init__()
        self.Encoder = Encoder(parameters)
        self.Decoder = Decoder(parameters)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction of x, same shape."""
        recon: Tensor = self.Decoder(self.Encoder(x))
        return recon


class Discriminator(nn.Module):
    """D: segments to the critic's score `[n, 1]` and the embedding `[n, 16 ndf]`."""

    def __init__(self, parameters: NetworkParameters) -> None:
        super().__init__()
        p = parameters
        blocks: list[nn.Module] = []
        n_in = 1
        for step, size in enumerate(TRUNK_SIZES):
            n_out = p.ndf << step
            norm = make_norm(p.discriminator_norm, n_out, size)
            blocks.append(nn.Sequential(nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False), norm, nn.LeakyReLU(0.2)))
            n_in = n_out
        self.main = nn.Sequential(*blocks)
        self.feat_extract_layer = nn.Sequential(nn.Conv2d(n_in, n_in, 4, groups=n_in, bias=False), nn.Flatten())
        self.output_layer = nn.Sequential(nn.LayerNorm(n_in), nn.LeakyReLU(0.2), nn.Linear(n_in, 1))
        self.apply(initialise)

    def embed(self, x: Tensor) -> Tensor:
        """The embedding f(x) alone, `[n, 16 ndf]`."""
        embedding: Tensor = self.feat_extract_layer(self.main(x))
        return embedding

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(score `[n, 1]`, embedding `[n, 16 ndf]`)."""
        embedding = self.embed(x)
        return self.output_layer(embedding), embedding


def initialise(module: nn.Module) -> None:
    """Convolutions N(0, 0.02), batch-norm weights N(1, 0.02) and biases 0; everything else keeps PyTorch's defaults."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
