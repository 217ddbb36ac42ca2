"""A plain statement of the reference's updates, on state dicts and without PyTorch's optimisers."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

import plain_networks as plain
from aegan_train.config import Match, Norm

LEARNING_RATE, PENALTY = 2e-4, 10.0  # the description's


@dataclass
class PlainAdam:
    """Source: D. Kingma, J. Ba, Adam, ICLR 2015, algorithm 1."""

    beta1: float
    beta2: float = 0.999
    n_steps: int = 0
    first: plain.State = field(default_factory=dict)
    second: plain.State = field(default_factory=dict)

    def update(self, state: plain.State, gradients: plain.State) -> None:
        """Move `state` by one step; running statistics have no gradient and stay."""
        self.n_steps += 1
        for name, gradient in gradients.items():
            self.first[name] = self.beta1 * self.first.get(name, 0) + (1 - self.beta1) * gradient
            self.second[name] = self.beta2 * self.second.get(name, 0) + (1 - self.beta2) * gradient**2
            mean = self.first[name] / (1 - self.beta1**self.n_steps)
            square = self.second[name] / (1 - self.beta2**self.n_steps)
            state[name] = (state[name].detach() - LEARNING_RATE * mean / (square.sqrt() + 1e-8)).requires_grad_(True)


def find_gradients(loss: Tensor, state: plain.State) -> plain.State:
    """The slope of `loss` along each weight in `state`."""
    weights = {name: tensor for name, tensor in state.items() if tensor.requires_grad}
    return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


@dataclass(frozen=True)
class Recipe:
    """One row of the description's table, or a setting of its own."""

    name: str
    norm: Norm = "ln"
    match: Match = "mu"
    weight: float = 1.0
    beta1: float = 0.5
    first_norm: bool = True
    n_critic: int = 1


RECIPES = [
    Recipe("2020 fan"),
    Recipe("2020 pump", match="mu+sigma"),
    Recipe("2020 valve", norm="bn", weight=0.05),
    Recipe("2022 bearing", weight=0.1, first_norm=False),
    Recipe("2022 ToyCar", weight=0.1, beta1=0.0, first_norm=False),
    Recipe("2022 gearbox", norm="bn", match="mu+sigma", weight=0.1),
    Recipe("instance norm", norm="in"),
    Recipe("two critic steps for one", match="mu+sigma", n_critic=2),
]


class PlainUpdates:
    """The reference procedure as it stands: G(x) computed anew for each step, every weight of D with its gradient."""

    def __init__(self, recipe: Recipe, generator: plain.State, discriminator: plain.State) -> None:
        self.recipe = recipe
        self.generator, self.discriminator = generator, discriminator
        self.generator_adam, self.discriminator_adam = PlainAdam(recipe.beta1), PlainAdam(recipe.beta1)

    def generate(self, x: Tensor) -> Tensor:
        """G(x) in train mode; with `bn` each pass moves the running statistics."""
        return plain.generate(x, self.generator, self.recipe.norm, first_norm=self.recipe.first_norm, train=True)

    def penalise(self, between: Tensor) -> Tensor:
        """The penalty, one segment at a time."""
        penalties = []
        for one in between.detach():
            segment = one[None].clone().requires_grad_(True)
            score = plain.discriminate(segment, self.discriminator)[0]
            (gradient,) = torch.autograd.grad(score.squeeze(), segment, create_graph=True)
            penalties.append(((gradient**2).sum().sqrt() - 1) ** 2)
        return torch.stack(penalties).mean()

    def step(self, i: int, x: Tensor, alpha: Tensor) -> list[float]:
        """Critic, penalty and (where it falls due) reconstruction and matching of batch `i`."""
        recon = self.generate(x).detach()
        critic = plain.discriminate(recon, self.discriminator)[0].mean() - plain.discriminate(x, self.discriminator)[0].mean()
        penalty = self.penalise(alpha * x + (1 - alpha) * recon)
        self.discriminator_adam.update(self.discriminator, find_gradients(critic + PENALTY * penalty, self.discriminator))
        if i % self.recipe.n_critic:
            return [critic.item(), penalty.item()]

        recon = self.generate(x)
        error = ((recon - x) ** 2).mean()
        fake, real = plain.discriminate(recon, self.discriminator)[1], plain.discriminate(x, self.discriminator)[1]
        matching = ((fake.mean(0) - real.mean(0)) ** 2).mean()
        if self.recipe.match == "mu+sigma":
            spreads = [((f - f.mean(0)) ** 2).mean(0).sqrt() for f in (fake, real)]
            matching = matching + ((spreads[0] - spreads[1]) ** 2).mean()
        loss = error + self.recipe.weight * matching
        self.generator_adam.update(self.generator, find_gradients(loss, self.generator))
        return [critic.item(), penalty.item(), error.item(), matching.item()]
