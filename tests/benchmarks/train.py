"""Segments a second in training, beside a plain statement of the reference's procedure: `python tests/benchmarks/train.py`.

The plain statement computes G(x) once for each of the two steps, and gradients of the critic's weights in the generator's step, too.
Rounds alternate, so that a busy machine is busy for all; the medians and their ratio are printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from aegan_train.checkpoint import make_updater
from aegan_train.config import PRESETS, TrainConfig, load_config

CPU = torch.device("cpu")


def make_plain_step(config: TrainConfig) -> Callable[[Tensor, Tensor], object]:
    """The two updates of one batch as the method's text has them, with nothing shared between them."""
    updater = make_updater(config, CPU)
    g, d = updater.generator, updater.discriminator
    adam_g, adam_d = updater.generator_adam, updater.discriminator_adam

    def step(x: Tensor, alpha: Tensor) -> object:
        adam_d.zero_grad()
        recon = g(x)
        between = (alpha * x + (1 - alpha) * recon).detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(d(between)[0].sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
        (d(recon.detach())[0].mean() - d(x)[0].mean() + 10 * penalty).backward()
        adam_d.step()
        adam_g.zero_grad()
        recon = g(x)
        matching = mse_loss(d(recon)[1].mean(0), d(x)[1].mean(0))
        (mse_loss(recon, x) + config.match_weight * matching).backward()
        adam_g.step()
        return matching

    return step


def make_step(config: TrainConfig) -> Callable[[Tensor, Tensor], object]:
    """Ours."""
    return make_updater(config, CPU).step


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="edge")
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = load_config(arguments.preset, None)
    steps = {
        "plain statement, fp32": make_plain_step(config),
        "aegan-train, fp32": make_step(config),
        "aegan-train, bf16": make_step(config.model_copy(update={"arithmetic": "bf16"})),
    }
    rng = torch.Generator().manual_seed(0)
    n = config.batch_segments
    batches = [(torch.rand(n, 1, 128, 128, generator=rng) * 2 - 1, torch.rand(n, 1, 1, 1, generator=rng)) for _ in range(arguments.batches)]
    took: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(arguments.rounds + 1):
        for name, step in steps.items():
            began_s = time.perf_counter()
            for x, alpha in batches:
                step(x, alpha)
            if round_number:  # the first warms up
                took[name].append(time.perf_counter() - began_s)
    plain_s = statistics.median(took["plain statement, fp32"])
    for name, each in took.items():
        median_s = statistics.median(each)
        print(f"{name:<24}{n * arguments.batches / median_s:8.1f} segments/s{plain_s / median_s:8.2f} times")


if __name__ == "__main__":
    main()
