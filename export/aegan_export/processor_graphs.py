"""The networks in the form that ONNX Runtime runs fastest on a processor without matrix units.

Channels lie last between the layers: matrix products take that order, and places can be interleaved without moving single numbers.
Where a layer has many weights it runs with fewer multiplications, see `winograd.py`. The largest deviation from the plain layers is
that of any other order of float32 sums.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, layer_norm, pad

from aegan_export.winograd import Winograd
from aegan_monitor.detection.network import Graph
from aegan_train.networks.aegan import INPUT_SIZE, Discriminator, Generator
from aegan_train.networks.fast_networks import first, last
from aegan_train.torch_session import latent_errors, picture_errors

# Layers with fewer weights are not faster with fewer multiplications: what they save goes into additions and copies.
LEAST_WEIGHTS = 2**20


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


def make_fast(layers: Iterable[nn.Module], size: int, least_weights: float) -> nn.Sequential:
    """The layers for channels-last pictures of `size` x `size`; they share the parameters."""
    fast: list[nn.Module] = []
    for layer in layers:
        match layer:
            case nn.LayerNorm():
                fast.append(Norm(layer))
            case nn.Conv2d(stride=(1, 1)):
                fast.append(WholePicture(layer))
                size = 1
            case nn.ConvTranspose2d(stride=(1, 1)):
                fast.append(FromPoint(layer))
                size = layer.kernel_size[0]
            case nn.Conv2d() | nn.ConvTranspose2d() if layer.weight.numel() >= least_weights:
                fast.append(Winograd(layer, size))
                size = 2 * size if isinstance(layer, nn.ConvTranspose2d) else size // 2
            case nn.ConvTranspose2d() if layer.out_channels > 1:
                fast.append(Interleaved(layer))
                size = 2 * size
            case nn.Conv2d():
                fast.append(ChannelsLast(layer))
                size = size // 2
            case nn.LeakyReLU() | nn.ReLU() | nn.Tanh() | nn.Flatten():
                fast.append(layer)
            case _:
                fast.append(ChannelsLast(layer))
    return nn.Sequential(*fast)


class FastEncoder(nn.Module):
    """segments to z `[n, nz]`."""

    def __init__(self, generator: Generator, least_weights: float) -> None:
        super().__init__()
        self.layers = make_fast(generator.Encoder.main, INPUT_SIZE, least_weights)

    def forward(self, segments: Tensor) -> Tensor:
        """The latent z."""
        z: Tensor = self.layers(last(segments))
        return z.flatten(1)


class FastEmbedding(nn.Module):
    """segments to the discriminator's embedding `[n, n_embedding]`."""

    def __init__(self, discriminator: Discriminator, least_weights: float) -> None:
        super().__init__()
        blocks = [layer for block in discriminator.main for layer in block.children()]
        self.layers = make_fast([*blocks, *discriminator.feat_extract_layer.children()], INPUT_SIZE, least_weights)

    def forward(self, segments: Tensor) -> Tensor:
        """The embedding f(x)."""
        embedding: Tensor = self.layers(last(segments))
        return embedding


class FastGenerator(nn.Module):
    """segments to z errors `[n, 3]`, x errors `[n, 2]` and recon."""

    def __init__(self, generator: Generator, least_weights: float) -> None:
        super().__init__()
        self.encoder = FastEncoder(generator, least_weights)
        self.decoder = make_fast(generator.Decoder.main, 1, least_weights)

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z errors, x errors and G(x)."""
        z = self.encoder(segments)
        recon = first(self.decoder(z[:, None, None]))
        return latent_errors(z, self.encoder(recon)), picture_errors(segments, recon), recon


def make_processor_modules(
    generator: Generator, discriminator: Discriminator, least_weights: float = LEAST_WEIGHTS
) -> dict[Graph, nn.Module]:
    """Each graph as a module in this form, ready for export; layers of `least_weights` and more run with fewer multiplications."""
    return {
        "encoder": FastEncoder(generator, least_weights).eval(),
        "embedding": FastEmbedding(discriminator, least_weights).eval(),
        "generator": FastGenerator(generator, least_weights).eval(),
    }


def has_large_layer(generator: Generator, discriminator: Discriminator) -> bool:
    """Whether a layer would run with fewer multiplications; other networks gain nothing by this form."""
    modules = [module for network in (generator, discriminator) for module in network.modules()]
    layers = [module for module in modules if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.stride == (2, 2)]
    return any(layer.weight.numel() >= LEAST_WEIGHTS for layer in layers)
