"""The networks as convolutions and matrix products alone, for a quantiser that knows nothing else.

Channels lie last between the layers: matrix products take that order, and places can be interleaved without moving single numbers.
The largest deviation from the plain layers is that of any other order of float32 sums.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, layer_norm, pad

from aegan_monitor.detection.network import Graph
from aegan_train.networks.aegan import Discriminator, Generator
from aegan_train.networks.fast_networks import first, last
from aegan_train.torch_session import latent_errors, picture_errors


class ChannelsLast(nn.Module):
    """A layer of channels-first tensors on channels-last ones."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, h: Tensor) -> Tensor:
        """The layer's output."""
        return last(self.layer(first(h)))


class Norm(nn.Module):
    """A LayerNorm over `[c, h, w]` on `[n, h, w, c]`."""

    def __init__(self, layer: nn.LayerNorm) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, h: Tensor) -> Tensor:
        """The layer's output."""
        weight, bias = (parameter.permute(1, 2, 0) for parameter in (self.layer.weight, self.layer.bias))
        return layer_norm(h, weight.shape, weight, bias, self.layer.eps)


class WholePicture(nn.Module):
    """A Conv2d whose kernel covers its whole input, to `[n, 1, 1, c]`: a matrix product, or a weighted sum where each channel is apart."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight = layer.weight
        self.is_apart = layer.groups > 1

    def forward(self, h: Tensor) -> Tensor:
        """The layer's output."""
        weight = self.weight.permute(2, 3, 1, 0)
        if self.is_apart:
            return (h * weight[:, :, 0]).sum((1, 2), keepdim=True)
        return (h.flatten(1) @ weight.reshape(-1, weight.shape[3]))[:, None, None]


class FromPoint(nn.Module):
    """A ConvTranspose2d of one place: a matrix product."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight = layer.weight

    def forward(self, h: Tensor) -> Tensor:
        """The layer's output."""
        weight = self.weight.permute(0, 2, 3, 1)
        return (h.flatten(1) @ weight.flatten(1)).reshape(-1, *weight.shape[1:])


class Interleaved(nn.Module):
    """A ConvTranspose2d of kernel 4, stride 2 and padding 1: a convolution of kernel 2 for each parity of row and column."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight = layer.weight

    def forward(self, h: Tensor) -> Tensor:
        """The layer's output."""
        x, kernel = first(h), self.weight.transpose(0, 1).flip(2, 3)
        rows = []
        for row in range(2):
            parities = [conv2d(pad(x, (1 - column, column, 1 - row, row)), kernel[:, :, row::2, column::2]) for column in range(2)]
            rows.append(torch.stack([last(each) for each in parities], 3))
        n, height, width, _ = h.shape
        return torch.stack(rows, 2).reshape(n, 2 * height, 2 * width, -1)


def lay_out(layers: Iterable[nn.Module]) -> nn.Sequential:
    """The layers for channels-last pictures; they share the parameters."""
    found: list[nn.Module] = []
    for layer in layers:
        match layer:
            case nn.LayerNorm():
                found.append(Norm(layer))
            case nn.Conv2d(stride=(1, 1)):
                found.append(WholePicture(layer))
            case nn.ConvTranspose2d(stride=(1, 1)):
                found.append(FromPoint(layer))
            case nn.ConvTranspose2d() if layer.out_channels > 1:
                found.append(Interleaved(layer))
            case nn.LeakyReLU() | nn.ReLU() | nn.Tanh() | nn.Flatten():
                found.append(layer)
            case _:
                found.append(ChannelsLast(layer))
    return nn.Sequential(*found)


class ConvolutionEncoder(nn.Module):
    """segments to z `[n, nz]`."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.layers = lay_out(generator.Encoder.main)

    def forward(self, segments: Tensor) -> Tensor:
        """The latent z."""
        z: Tensor = self.layers(last(segments))
        return z.flatten(1)


class ConvolutionEmbedding(nn.Module):
    """segments to the discriminator's embedding `[n, n_embedding]`."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        blocks = [layer for block in discriminator.main for layer in block.children()]
        self.layers = lay_out([*blocks, *discriminator.feat_extract_layer.children()])

    def forward(self, segments: Tensor) -> Tensor:
        """The embedding f(x)."""
        embedding: Tensor = self.layers(last(segments))
        return embedding


class ConvolutionGenerator(nn.Module):
    """segments to z errors `[n, 3]`, x errors `[n, 2]` and recon."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.encoder = ConvolutionEncoder(generator)
        self.decoder = lay_out(generator.Decoder.main)

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z errors, x errors and G(x)."""
        z = self.encoder(segments)
        recon = first(self.decoder(z[:, None, None]))
        return latent_errors(z, self.encoder(recon)), picture_errors(segments, recon), recon


def make_convolution_modules(generator: Generator, discriminator: Discriminator) -> dict[Graph, nn.Module]:
    """Each graph as a module in this form, ready for export."""
    return {
        "encoder": ConvolutionEncoder(generator).eval(),
        "embedding": ConvolutionEmbedding(discriminator).eval(),
        "generator": ConvolutionGenerator(generator).eval(),
    }
