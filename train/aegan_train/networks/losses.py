"""The losses of AEGAN-AD and the two updates of one batch.

Source: the method's paper; its README gives L_D and L_G. Squared norms there are means over elements here, as in the
reference code.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from aegan_train.config import Match
from aegan_train.networks.aegan import Discriminator, Generator
from aegan_train.networks.fast_networks import arrange, criticise, embed, generate, space_to_depth
from aegan_train.networks.penalty_gradient import input_gradient
from aegan_train.networks.pretext import change_segments, pretext_loss

PENALTY_WEIGHT = 10.0  # lambda of the gradient penalty


@dataclass(frozen=True, slots=True)
class LossParameters:
    """Feature matching: `mu` matches the mean of the embedding over the batch, `mu+sigma` also its spread."""

    match: Match = "mu"
    match_weight: float = 1.0


def critic_loss(discriminator: Discriminator, x: Tensor, recon: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """L_D without its penalty, and the penalty (unweighted).

    Args:
        discriminator: D.
        x: Real segments in space-to-depth layout, `[n, 64, 64, 4]`.
        recon: G(x), detached, same layout.
        alpha: Uniform on (0, 1), `[m, 1, 1, 1]`: the gradient is measured at alpha x + (1 - alpha) G(x) of the first m segments.

    Returns:
        `mean D(G(x)) - mean D(x)` and `mean (||grad D(xhat)||_2 - 1)^2`, scalars.

    Source: I. Gulrajani et al., Improved Training of Wasserstein GANs, 2017, equation 3.
    """
    difference = criticise(discriminator, recon).mean() - criticise(discriminator, x).mean()
    between = alpha * x[: len(alpha)] + (1 - alpha) * recon[: len(alpha)]
    lengths = input_gradient(discriminator, between).flatten(1).to(x.dtype).norm(2, dim=1)
    return difference, ((lengths - 1) ** 2).mean()


def generator_loss(discriminator: Discriminator, x: Tensor, recon: Tensor, loss: LossParameters) -> tuple[Tensor, Tensor]:
    """Reconstruction error and (unweighted) feature matching, scalars; there is no adversarial term.

    `x` and `recon` are in space-to-depth layout. The spread is the root of the mean squared deviation over the batch, without
    Bessel's correction.
    """
    with torch.no_grad():
        real = embed(discriminator, x)
    fake = embed(discriminator, recon)
    matching = mse_loss(fake.mean(0), real.mean(0))
    if loss.match == "mu+sigma":
        matching = matching + mse_loss(fake.std(0, correction=0), real.std(0, correction=0))
    return mse_loss(recon.to(x.dtype), x), matching


@dataclass(frozen=True, slots=True)
class BatchLosses:
    """The losses of one batch, scalars on the device; those of the generator belong to its last step."""

    critic: Tensor
    penalty: Tensor
    recon: Tensor
    matching: Tensor
    pretext: Tensor


class Updater:
    """One critic step and, every `n_critic` batches, one generator step.

    G does not change between the two steps, so G(x) is computed once, and D's weights get no gradient in the generator's step.
    The layers run in the faster layout of `fast_networks.py`. None of this changes the result.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        loss: LossParameters,
        *,
        learning_rate: float = 2e-4,
        beta1: float = 0.5,
        n_critic: int = 1,
        penalty_part: float = 1.0,
        head: nn.Linear | None = None,
        pretext_weight: float = 1.0,
        bf16: bool = False,
    ) -> None:
        """With `bf16`, convolutions multiply in bfloat16 and add in float32; weights and Adam stay float32.

        With `penalty_part` below 1 the penalty uses that part of each batch: its mean stays the same, its variance grows.
        With `head` the critic also learns its task (`pretext.py`) on the first half of each batch.
        """
        self.generator = generator
        self.discriminator = discriminator
        self.loss = loss
        self.n_critic = n_critic
        self.penalty_part = penalty_part
        self.head = head
        self.pretext_weight = pretext_weight
        self._bf16 = bf16
        self.n_batches = 0
        self._nothing = next(generator.parameters()).new_zeros(())
        self._last = (self._nothing, self._nothing)
        betas = (beta1, 0.999)
        for network in (generator, discriminator):
            arrange(network)
        self.generator_adam = torch.optim.Adam(generator.parameters(), lr=learning_rate, betas=betas, fused=True)
        critic = [*discriminator.parameters(), *(head.parameters() if head else ())]
        self.discriminator_adam = torch.optim.Adam(critic, lr=learning_rate, betas=betas, fused=True)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of both optimisers."""
        for adam in (self.generator_adam, self.discriminator_adam):
            for group in adam.param_groups:
                group["lr"] = learning_rate

    def step(self, x: Tensor, alpha: Tensor, rng: torch.Generator | None = None) -> BatchLosses:
        """Both updates on one batch of segments `[n, 1, 128, 128]`; `alpha` as in `critic_loss`, `rng` for the pretext task."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._bf16):
            pretext = self._find_pretext_loss(self.head, x, rng) if self.head and rng else self._nothing
            return self._step(space_to_depth(x), alpha, pretext)

    def _find_pretext_loss(self, head: nn.Linear, x: Tensor, rng: torch.Generator) -> Tensor:
        changed, kinds = change_segments(x[: math.ceil(len(x) / 2)], rng)
        return pretext_loss(head, embed(self.discriminator, space_to_depth(changed)), kinds)

    def _step(self, x: Tensor, alpha: Tensor, pretext: Tensor) -> BatchLosses:
        with_generator = self.n_batches % self.n_critic == 0
        self.n_batches += 1
        with torch.set_grad_enabled(with_generator):
            recon = generate(self.generator, x)

        self.discriminator_adam.zero_grad(set_to_none=True)
        n_penalised = math.ceil(self.penalty_part * len(x))
        critic, penalty = critic_loss(self.discriminator, x, recon.detach(), alpha[:n_penalised])
        (critic + PENALTY_WEIGHT * penalty + self.pretext_weight * pretext).backward()
        self.discriminator_adam.step()

        if with_generator:
            self._last = self._step_generator(x, recon)
        return BatchLosses(critic.detach(), penalty.detach(), *self._last, pretext.detach())

    def _step_generator(self, x: Tensor, recon: Tensor) -> tuple[Tensor, Tensor]:
        self.discriminator.requires_grad_(False)
        error, matching = generator_loss(self.discriminator, x, recon, self.loss)
        self.generator_adam.zero_grad(set_to_none=True)
        (error + self.loss.match_weight * matching).backward()
        self.generator_adam.step()
        self.discriminator.requires_grad_(True)
        return error.detach(), matching.detach()
