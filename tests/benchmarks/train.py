"""One epoch of training, beside a plain statement of the reference's procedure: `python tests/benchmarks/train.py`.

Both train on the same segments of synthesised clips with the same losses and threads; files and features are excluded on both sides. The
plain statement keeps the networks as PyTorch makes them, computes G(x) once for each of the two steps, and gradients of the critic's
weights in the generator's step, too. Rounds alternate, so that a busy machine is busy for all; medians and their ratio are printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from tqdm import tqdm

from aegan_monitor.demo.pump import Pump
from aegan_monitor.logmel import LogMel, make_filterbank
from aegan_monitor.types import FloatArray
from aegan_train.checkpoint import Training, make_updater
from aegan_train.config import PRESETS, TrainConfig, load_config
from aegan_train.dataset import SegmentSampler, find_scaling
from aegan_train.fit import run_epoch
from aegan_train.networks import Discriminator, Generator

CPU = torch.device("cpu")
CLIP_S = 10


def make_plain_epoch(config: TrainConfig, db: list[FloatArray]) -> Callable[[], object]:
    """The two updates of each batch as the method's text has them, with nothing shared between them."""
    torch.manual_seed(0)
    g, d = Generator(config.network), Discriminator(config.network)
    adam_g, adam_d = (torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=(config.beta1, 0.999)) for network in (g, d))
    scaling, rng = find_scaling(db), torch.Generator().manual_seed(0)
    sampler = SegmentSampler(db, scaling, config.clip, config.batch_segments, CPU)  # for the same segments
    frames = torch.from_numpy(scaling.apply(np.concatenate(db, axis=1)))

    def step(x: Tensor, alpha: Tensor) -> Tensor:
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
        error = mse_loss(recon, x)
        (error + config.match_weight * matching).backward()
        adam_g.step()
        return error.detach()

    def epoch() -> float:
        errors = []
        for starts in sampler.epoch(rng):
            x = torch.stack([frames[None, :, start : start + config.clip.segment_frames] for start in starts.tolist()])
            errors.append(step(x, torch.rand(len(x), 1, 1, 1, generator=rng)))
        return float(torch.stack(errors).mean())

    return epoch


def make_epoch(config: TrainConfig, db: list[FloatArray]) -> Callable[[], object]:
    """Ours, as `fit` runs it."""
    torch.manual_seed(0)
    scaling, rng = find_scaling(db), torch.Generator().manual_seed(0)
    training = Training("pump", "edge", config, 0, scaling, "", make_updater(config, CPU), rng)
    sampler = SegmentSampler(db, scaling, config.clip, config.batch_segments, CPU)
    return lambda: run_epoch(training, sampler, CPU, tqdm(disable=True))["recon"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="edge")
    parser.add_argument("--clips", type=int, default=16, help="of 10 s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = load_config(arguments.preset, None)
    logmel = LogMel(config.features, make_filterbank(config.features))
    db = [logmel.transform_clip(Pump(seed).read(CLIP_S * config.features.sample_rate_hz)).db for seed in range(arguments.clips)]
    bf16 = config.model_copy(update={"arithmetic": "bf16"})
    part = {"penalty_part": 0.25}
    epochs = {
        "plain statement, fp32": make_plain_epoch(config, db),
        "aegan-train, fp32": make_epoch(config, db),
        "aegan-train, bf16": make_epoch(bf16, db),
        "aegan-train, fp32, penalty on a quarter": make_epoch(config.model_copy(update=part), db),
        "aegan-train, bf16, penalty on a quarter": make_epoch(bf16.model_copy(update=part), db),
    }
    n_segments = len(torch.cat(SegmentSampler(db, find_scaling(db), config.clip, config.batch_segments, CPU).epoch(torch.Generator())))
    took: dict[str, list[float]] = {name: [] for name in epochs}
    last: dict[str, object] = {}
    for round_number in range(arguments.rounds + 1):
        for name, epoch in epochs.items():
            began_s = time.perf_counter()
            last[name] = epoch()
            if round_number:  # the first warms up
                took[name].append(time.perf_counter() - began_s)
    plain_s = statistics.median(took["plain statement, fp32"])
    print(
        f"one epoch of {n_segments} segments, preset {arguments.preset}, {arguments.threads} threads, median of {arguments.rounds} rounds"
    )
    for name, each in took.items():
        median_s = statistics.median(each)
        print(f"{name:<40}{n_segments / median_s:8.1f} segments/s{plain_s / median_s:8.2f} times    reconstruction {last[name]:.4f}")


if __name__ == "__main__":
    main()
