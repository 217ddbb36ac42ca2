"""Runs the layers of the networks faster, for training: pictures in space-to-depth layout, channels last.

A picture becomes `[n, 64, 64, 4]`: the four pixels of each 2 x 2 block are channels. A convolution of one channel (the first of
encoder and critic, and in reverse the decoder's last) uses a small part of a processor; its 4 x 4 kernel of stride 2 is a 3 x 3 kernel
over blocks. Losses are means and norms over pixels, so the layout does not change them. Channels lie last because PyTorch's
convolutions read that order directly: with channels first each call reorders its input, which takes a third of a step's time.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, pad, pixel_unshuffle, relu

from aegan_train.networks.aegan import INPUT_SIZE, Discriminator, Generator

BLOCKS = INPUT_SIZE // 2


def first(h: Tensor) -> Tensor:
    """`[n, h, w, c]` as `[n, c, h, w]`, without a copy."""
    return h.permute(0, 3, 1, 2)


def last(h: Tensor) -> Tensor:
    """`[n, c, h, w]` as `[n, h, w, c]`, without a copy."""
    return h.permute(0, 2, 3, 1)


def space_to_depth(x: Tensor) -> Tensor:
    """Pictures `[n, 1, 128, 128]` as `[n, 64, 64, 4]`."""
    return last(pixel_unshuffle(x, 2)).contiguous()


def arrange(network: nn.Module) -> None:
    """Change the memory layout of kernels and LayerNorm weights to the one that `run` reads; names, shapes and values stay."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        elif parameter.dim() == 3:
            parameter.data = parameter.data.permute(1, 2, 0).contiguous().permute(2, 0, 1)


def _block_kernel() -> Tensor:
    """The index in a flattened 4 x 4 kernel (16: a zero) of each weight of its `[4, 3, 3]` kernel over blocks.

    Pixel 2 (i + d) + p of block i + d has index 2 d + p + 1 in the window that begins at pixel 2 i - 1.
    """
    places = [[2 * d + p + 1 for d in (-1, 0, 1)] for p in (0, 1)]
    rows, columns = torch.tensor(places)[:, None, :, None], torch.tensor(places)[None, :, None, :]
    inside = (rows >= 0) & (rows < 4) & (columns >= 0) & (columns < 4)
    return torch.where(inside, 4 * rows + columns, 16).reshape(4, 3, 3)


_BLOCK_KERNEL = _block_kernel()


def space_to_depth_kernel(weight: Tensor) -> Tensor:
    """A kernel `[c, 1, 4, 4]` (stride 2, padding 1) as a kernel over blocks `[c, 4, 3, 3]` (stride 1, padding 1)."""
    return pad(weight.flatten(1), (0, 1))[:, _BLOCK_KERNEL]


def convolve_down(h: Tensor, weight: Tensor) -> Tensor:
    """The convolution that halves height and width; `h` with more channels than `weight` takes is in space-to-depth layout."""
    if weight.shape[1] != h.shape[3]:
        return last(conv2d(first(h), space_to_depth_kernel(weight), padding=1))
    return last(conv2d(first(h), weight, stride=2, padding=1))


def convolve_up(h: Tensor, weight: Tensor) -> Tensor:
    """The transposed convolution that doubles height and width; a resulting picture is in space-to-depth layout."""
    if h.shape[1] == BLOCKS:
        return last(conv2d(first(h), space_to_depth_kernel(weight).flip(2, 3).transpose(0, 1), padding=1))
    return last(conv_transpose2d(first(h), weight, stride=2, padding=1))


def normalise(h: Tensor, layer: nn.LayerNorm) -> tuple[Tensor, Tensor, Tensor]:
    """LayerNorm of `[n, h, w, c]` with weights `[c, h, w]`; with each picture's mean and reciprocal deviation, `[n, 1, 1, 1]`."""
    weight, bias = (parameter.permute(1, 2, 0) for parameter in (layer.weight, layer.bias))
    h = h if h.device.type == "cpu" else h.to(weight.dtype)  # the CUDA kernel needs one type
    return torch.native_layer_norm(h, weight.shape, weight, bias, layer.eps)


def run(layers: Iterable[nn.Module], h: Tensor) -> Tensor:
    """Run the layers in order, `[n, h, w, c]` in and out; activations work in place."""
    for layer in layers:
        match layer:
            case nn.LayerNorm():
                h = normalise(h, layer)[0]
            case nn.LeakyReLU():
                h = leaky_relu(h, layer.negative_slope, inplace=not h._is_view())
            case nn.ReLU():
                h = relu(h, inplace=not h._is_view())
            case nn.Conv2d(stride=(2, 2)):
                h = convolve_down(h, layer.weight)
            case nn.ConvTranspose2d(stride=(2, 2)):
                h = convolve_up(h, layer.weight)
            case _:
                h = last(layer(first(h)))
    return h


def generate(generator: Generator, x: Tensor) -> Tensor:
    """G(x), in space-to-depth layout."""
    return run(generator.Decoder.main, run(generator.Encoder.main, x))


def weigh(discriminator: Discriminator, h: Tensor) -> Tensor:
    """The embedding `[n, 16 ndf]` of the trunk's output: the depthwise kernel covers its whole input, so it is a weighted sum."""
    weight = discriminator.feat_extract_layer.get_parameter("0.weight")
    return (h * weight[:, 0].permute(1, 2, 0)).sum((1, 2))


def embed(discriminator: Discriminator, x: Tensor) -> Tensor:
    """f(x), `[n, 16 ndf]`."""
    for block in discriminator.main:
        x = run(block.children(), x)
    return weigh(discriminator, x)


def criticise(discriminator: Discriminator, x: Tensor) -> Tensor:
    """The critic's scores `[n, 1]`."""
    return judge(discriminator, embed(discriminator, x))


def judge(discriminator: Discriminator, embedding: Tensor) -> Tensor:
    """The critic's scores of embeddings, always in float32, because their differences are small."""
    with torch.autocast(embedding.device.type, enabled=False):
        scores: Tensor = discriminator.output_layer(embedding)
    return scores
