"""Convolutions of kernel 4 and stride 2 with fewer multiplications, as matrix products.

Along one axis such a convolution is two convolutions of kernel 2, one of the even and one of the odd places. A tile of two outputs of
each takes three products instead of four, so both axes together take 16 / 9 times fewer, and 9 / 4 times as many weights. A transposed
convolution is likewise one convolution of kernel 2 for the even and one for the odd outputs.

Source: A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016, F(2, 2). All weights of its sums are 0, 1 and -1.
"""

import numpy as np
import torch
from torch import Tensor, nn

from aegan_monitor.types import DoubleArray

KERNEL, TILE, N_PRODUCTS = 4, 2, 3
# y = SUMS ((TAPS g) * (PLACES d)) has y_i = d_i g_0 + d_{i+1} g_1
SUMS = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, -1.0]])
TAPS = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
PLACES = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, -1.0]])


def down_matrices(size: int) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """The three steps along one axis of a convolution of stride 2 and padding 1 on `size` places.

    Returns:
        input `[n, n_tiles, 2, size]`, kernel `[n, 2, 4]` and output `[size / 2, n, n_tiles]`: of each of n products, for each tile
        and parity, the weights of places, of kernel taps and of products.
    """
    n, n_tiles = N_PRODUCTS, size // 2 // TILE
    places, kernel, output = np.zeros((n, n_tiles, 2, size)), np.zeros((n, 2, KERNEL)), np.zeros((size // 2, n, n_tiles))
    for parity in range(2):
        kernel[:, parity, parity::2] = TAPS
        for t in range(n_tiles):
            output[TILE * t : TILE * (t + 1), :, t] = SUMS
            for d in range(TILE + 1):
                if 0 <= (place := 2 * (TILE * t + d) - 1 + parity) < size:
                    places[:, t, parity, place] = PLACES[:, d]
    return places, kernel, output


def up_matrices(size: int) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """As `down_matrices`, of a transposed convolution: `[2 n, n_tiles, 1, size]`, `[2 n, 1, 4]` and `[2 size, 2 n, n_tiles]`."""
    n, n_tiles = N_PRODUCTS, size // TILE
    places, kernel, output = np.zeros((2, n, n_tiles, size)), np.zeros((2, n, KERNEL)), np.zeros((2 * size, 2, n, n_tiles))
    for parity, taps in enumerate(((3, 1), (2, 0))):  # of the inputs before and after an output
        kernel[parity][:, taps] = TAPS
        for t in range(n_tiles):
            output[2 * TILE * t + parity : 2 * TILE * (t + 1) : 2, parity, :, t] = SUMS
            for d in range(TILE + 1):
                if 0 <= (place := TILE * t - 1 + parity + d) < size:
                    places[parity, :, t, place] = PLACES[:, d]
    return places.reshape(2 * n, n_tiles, 1, size), kernel.reshape(2 * n, 1, KERNEL), output.reshape(2 * size, 2 * n, n_tiles)


class Winograd(nn.Module):
    """A Conv2d or ConvTranspose2d of kernel 4, stride 2 and padding 1 on `[n, size, size, c]`, channels last in and out.

    The kernel is transformed in the graph, so that its file holds it once for all graphs; a runtime does so when it loads the graph.
    """

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d, size: int) -> None:
        super().__init__()
        self.weight = layer.weight
        self.is_transposed = isinstance(layer, nn.ConvTranspose2d)
        places, kernel, output = (up_matrices if self.is_transposed else down_matrices)(size)
        self.n, self.n_tiles, self.n_parities, _ = places.shape
        both = np.einsum("apr,bqs->abpqrs", kernel, kernel).reshape(self.n**2, self.n_parities**2, KERNEL**2)
        self.register_buffer("input_sums", torch.from_numpy(places).float().flatten(0, 2))
        self.register_buffer("output_sums", torch.from_numpy(output).float().flatten(1))
        for number, one in enumerate(both):  # one tensor each: small ones stay in the graph, in full precision
            self.register_buffer(f"kernel_{number}", torch.from_numpy(one).float())

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output."""
        before, after = self.get_buffer("input_sums"), self.get_buffer("output_sums")
        n, t, p, (n_batch, size, _, n_in) = self.n, self.n_tiles, self.n_parities, x.shape
        along = before @ x.reshape(n_batch, size, size * n_in)
        along = before @ along.reshape(n_batch * n * t * p, size, n_in)
        tiles = along.reshape(n_batch, n, t, p, n, t, p * n_in).permute(1, 4, 0, 2, 5, 3, 6).reshape(n * n, n_batch * t * t, p * p * n_in)
        products = torch.stack([rows @ weights for rows, weights in zip(tiles.unbind(), self.transform_kernel(), strict=True)])
        n_out = products.shape[2]
        back = products.reshape(n, n, n_batch, t, t, n_out).permute(2, 0, 3, 1, 4, 5).reshape(n_batch, n * t, n * t * n_out)
        back = after @ back
        n_places = len(after)
        return (after @ back.reshape(n_batch * n_places, n * t, n_out)).reshape(n_batch, n_places, n_places, n_out)

    def transform_kernel(self) -> list[Tensor]:
        """The weights of each product, `[p p n_in, n_out]`."""
        weight = self.weight.permute(2, 3, 0, 1) if self.is_transposed else self.weight.permute(2, 3, 1, 0)
        taps, n_out = weight.reshape(KERNEL**2, -1), weight.shape[3]
        return [(self.get_buffer(f"kernel_{number}") @ taps).reshape(-1, n_out) for number in range(self.n**2)]
