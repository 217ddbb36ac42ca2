"""One epoch of training, beside a plain statement of the reference's procedure: `python tests/benchmarks/train.py`.

Both train on the same segments of synthesised clips with the same losses and threads; files and features are excluded on both sides. The
plain statement keeps the networks as PyTorch makes them, computes G(x) once for each of the two steps, and gradients of the critic's
weights in the generator's step, too. Rounds alternate, so that a busy machine is busy for all. Medians and their ratio to the plain
statement's are printed: of the time on the clock, and of the processor's (a machine that others use gives this process only some of
the clock's).
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.features import LogMel, make_filterbank
from aegan_train.checkpoint import Training, make_updater
from aegan_train.config import PRESETS, TrainConfig, load_config
from aegan_train.dataset import find_scaling
from aegan_train.epochs import run_epoch
from aegan_train.networks.aegan import Discriminator, Generator
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.sampler import SegmentSampler

CPU = torch.device("cpu")
CLIP_S = 10


def make_pictures(n_clips: int, config: TrainConfig) -> Spectrograms:
    """Synthesised pumps."""
    logmel = LogMel(config.features, make_filterbank(config.features))
    frames = [logmel.transform_clip(Pump(seed).read(CLIP_S * config.features.sample_rate_hz)).db.T for seed in range(n_clips)]
    n = len(frames[0])
    return Spectrograms(np.concatenate(frames), range(0, n * n_clips, n), [n] * n_clips, [], [], [])


def make_plain_epoch(config: TrainConfig, pictures: Spectrograms) -> Callable[[], object]:
    """The two updates of each batch as the method's text has them, with nothing shared between them."""
    torch.manual_seed(0)
    g, d = Generator(config.network), Discriminator(config.network)
    adam_g, adam_d = (torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=(config.beta1, 0.999)) for network in (g, d))
    scaling, rng = find_scaling(pictures.db), torch.Generator().manual_seed(0)
    sampler = SegmentSampler(pictures, scaling, config.clip, config.batch_segments, CPU)  # for the same segments
    frames = torch.from_numpy(scaling.apply(np.concatenate(pictures.db, axis=1)))

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


def make_epoch(config: TrainConfig, pictures: Spectrograms) -> Callable[[], object]:
    """Ours, as `fit` runs it."""
    torch.manual_seed(0)
    scaling, rng = find_scaling(pictures.db), torch.Generator().manual_seed(0)
    training = Training("pump", "edge", config, 0, scaling, "", make_updater(config, CPU), rng)
    sampler = SegmentSampler(pictures, scaling, config.clip, config.batch_segments, CPU)
    return lambda: run_epoch(training, sampler, CPU, lambda _: None)["recon"]


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
    pictures = make_pictures(arguments.clips, config)
    bf16 = config.model_copy(update={"arithmetic": "bf16"})
    part = {"penalty_part": 0.25}
    epochs = {
        "plain statement, fp32": make_plain_epoch(config, pictures),
        "aegan-train, fp32": make_epoch(config, pictures),
        "aegan-train, bf16": make_epoch(bf16, pictures),
        "aegan-train, fp32, penalty on a quarter": make_epoch(config.model_copy(update=part), pictures),
        "aegan-train, bf16, penalty on a quarter": make_epoch(bf16.model_copy(update=part), pictures),
    }
    sampler = SegmentSampler(pictures, find_scaling(pictures.db), config.clip, config.batch_segments, CPU)
    n_segments = sampler.epoch_segments
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in epochs}
    last: dict[str, object] = {}
    for round_number in range(arguments.rounds + 1):
        for name, epoch in epochs.items():
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            last[name] = epoch()
            if round_number:  # the first warms up
                took[name].append((time.perf_counter() - began_s, time.process_time() - began_cpu_s))
    medians = {name: [statistics.median(kind) for kind in zip(*each, strict=True)] for name, each in took.items()}
    print(f"one epoch of {n_segments} segments, preset {arguments.preset}, {arguments.threads} threads, {arguments.rounds} rounds")
    print(f"{'segments/s, and times the plain statement':<44}{'clock':>14}{'processor':>14}{'reconstruction':>18}")
    for name, each in medians.items():
        columns = [f"{n_segments / one:8.1f}{other / one:6.2f}" for one, other in zip(each, medians["plain statement, fp32"], strict=True)]
        print(f"{name:<44}{''.join(columns)}{last[name]:18.4f}")


if __name__ == "__main__":
    main()
