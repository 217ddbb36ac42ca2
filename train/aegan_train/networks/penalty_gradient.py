"""The gradient of the critic's scores with respect to its input, for the gradient penalty; it can be differentiated again.

PyTorch can differentiate its own gradients, but needs about thirty passes over memory for the second derivative of LayerNorm, and
one call a channel for that of the depthwise convolution. Here the gradient is computed layer by layer, and LayerNorm's gradient
has a hand-written derivative.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import leaky_relu

from aegan_train.networks.aegan import Discriminator
from aegan_train.networks.fast_networks import convolve_down, convolve_up, criticise, judge, normalise, weigh


def input_gradient(discriminator: Discriminator, x: Tensor) -> Tensor:
    """The gradient of the critic's scores with respect to `x`, same shape; differentiable in the weights.

    `x` is in space-to-depth layout, `[n, 64, 64, 4]`.
    """
    trunk = [tuple(block.children()) for block in discriminator.main]
    if not all(isinstance(norm, nn.LayerNorm) for _, norm, _ in trunk):
        x = x.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(criticise(discriminator, x).sum(), x, create_graph=True)
        return slope
    passed = []
    h = x
    for conv, norm, activation in cast("list[tuple[nn.Conv2d, nn.LayerNorm, nn.LeakyReLU]]", trunk):
        a = convolve_down(h, conv.weight)
        n, mean, rstd = normalise(a, norm)
        h = leaky_relu(n, activation.negative_slope, inplace=True)
        passed.append((conv, norm, activation, a, h.detach(), mean.detach(), rstd.detach()))
    (slope,) = torch.autograd.grad(judge(discriminator, weigh(discriminator, h)).sum(), h, create_graph=True)
    for conv, norm, activation, a, after, mean, rstd in reversed(passed):
        slope = torch.ops.aten.leaky_relu_backward(slope, after, activation.negative_slope, self_is_result=True)
        slope = LayerNormGradient.apply(slope, a, norm.weight.permute(1, 2, 0), mean, rstd)  # type: ignore[no-untyped-call] # of torch
        slope = convolve_up(slope, conv.weight)
    return slope


class LayerNormGradient(torch.autograd.Function):
    """LayerNorm's backward pass as a differentiable function: gradient after the norm to gradient before it, all `[n, h, w, c]`.

    With y = (a - mean) rstd, u = weight * behind and means over a picture: before = rstd (u - mean(u) - y mean(u y)). This linear
    map P is symmetric. So a gradient g with respect to `before` gives: P g with respect to u; -rstd (g mean(u y) + u mean(g y))
    with respect to y; the sum of g * before / rstd with respect to rstd. From y and rstd it continues to a as in any LayerNorm.
    """

    @staticmethod
    def forward(ctx: Any, behind: Tensor, a: Tensor, weight: Tensor, mean: Tensor, rstd: Tensor) -> Tensor:
        """The gradient with respect to the input of the norm."""
        behind = behind.to(a.dtype).contiguous()
        before = norm_backward(behind, a, mean, rstd, weight)
        ctx.save_for_backward(behind, before, a, weight, mean, rstd)
        return before

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Gradients with respect to `behind`, `a` and `weight`."""
        behind, before, a, weight, mean, rstd = ctx.saved_tensors
        ones = torch.ones_like(weight)
        g = g.to(a.dtype).contiguous()
        exact, dtype = mean.dtype, a.dtype  # means are float32 even where the pictures are bfloat16

        def mean_of(product: Tensor) -> Tensor:  # by rows first: a sum of another type would copy all terms
            return product.flatten(2).sum(2).mean(1, dtype=exact)[:, None, None, None] / product[0, 0].numel()

        u = behind * weight.to(dtype)
        g_y = rstd * (mean_of(g * a) - mean * mean_of(g))
        u_y = rstd * (mean_of(u * a) - mean * mean_of(u))
        along_u = norm_backward(g, a, mean, rstd, ones)
        along_y = (g * (-rstd * u_y).to(dtype)).addcmul_(u, (-rstd * g_y).to(dtype))
        along_a = norm_backward(along_y, a, mean, rstd, ones)
        stretch = rstd**2 * mean_of(g * before)
        along_a.addcmul_(a, (-stretch).to(dtype)).add_((stretch * mean).to(dtype))
        along_weight = (behind * along_u).sum(0).to(weight.dtype)
        return along_u.mul_(weight.to(dtype)), along_a, along_weight, None, None


def norm_backward(g: Tensor, a: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor) -> Tensor:
    """The gradient with respect to the input `a` of a LayerNorm over all but the first dimension, from `g` at its output."""
    along_a: Tensor = torch.ops.aten.native_layer_norm_backward(g, a, a.shape[1:], mean, rstd, weight, None, [True, False, False])[0]
    return along_a
