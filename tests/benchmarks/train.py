"""One epoch of training, beside a plain statement of the reference's procedure.

.venv/bin/python tests/benchmarks/train.py [--threads 1 2] [--preset edge] [--only bf16]

Both train on the same segments of synthesised clips with the same losses and threads; files and features are excluded on both sides. The
plain statement keeps the networks as PyTorch makes them, computes G(x) once for each of the two steps, and gradients of the critic's
weights in the generator's step, too. Each has a process of its own, and they take turns, so that a busy machine is busy for all. Medians
and their ratio to the plain statement's are printed: of the time on the clock, and of the processor's (a machine that others use gives
this process only some of the clock's).
"""

import argparse
import contextlib
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

sys.path.append(str(Path(__file__).parents[1]))

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.features import LogMel, make_filterbank
from aegan_train.checkpoint import Training, make_updater
from aegan_train.config import PRESETS, Preset, TrainConfig, load_config
from aegan_train.dataset import find_scaling
from aegan_train.epochs import run_epoch
from aegan_train.fit import set_up
from aegan_train.networks.aegan import Discriminator, Generator
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.sampler import SegmentSampler
from benchmarks.contenders.turns import Contender, Turn, describe_computer, serve, time_work

PLAIN = "plain statement, fp32"
OURS: dict[str, dict[str, object]] = {  # what differs from the preset
    "aegan-train, fp32": {},
    "aegan-train, bf16": {"arithmetic": "bf16"},
    "aegan-train, fp32, penalty on a quarter": {"penalty_part": 0.25},
    "aegan-train, bf16, penalty on a quarter": {"arithmetic": "bf16", "penalty_part": 0.25},
}
CPU = torch.device("cpu")
CLIP_S = 10


def make_pictures(n_clips: int, config: TrainConfig) -> Spectrograms:
    """Synthesised pumps."""
    logmel = LogMel(config.features, make_filterbank(config.features))
    frames = [logmel.transform_clip(Pump(seed).read(CLIP_S * config.features.sample_rate_hz)).db.T for seed in range(n_clips)]
    n = len(frames[0])
    return Spectrograms(np.concatenate(frames), range(0, n * n_clips, n), [n] * n_clips, [], [], [])


def make_plain_epoch(config: TrainConfig, pictures: Spectrograms) -> Callable[[], float]:
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


def make_epoch(config: TrainConfig, pictures: Spectrograms) -> Callable[[], float]:
    """Ours, as `fit` runs it."""
    torch.manual_seed(0)
    scaling, rng = find_scaling(pictures.db), torch.Generator().manual_seed(0)
    training = Training("pump", "edge", config, 0, scaling, "", make_updater(config, CPU), rng)
    sampler = SegmentSampler(pictures, scaling, config.clip, config.batch_segments, CPU)
    return lambda: run_epoch(training, sampler, CPU, lambda _: None)["recon"]


def serve_epochs(name: str, preset: Preset, n_clips: int, n_threads: int) -> None:
    """Be the contender `name`; a turn is an epoch."""
    torch.set_num_threads(n_threads)
    config = load_config(preset, None)
    pictures = make_pictures(n_clips, config)
    if name == PLAIN:
        epoch = make_plain_epoch(config, pictures)
    else:
        set_up(CPU)
        epoch = make_epoch(config.model_copy(update=OURS[name]), pictures)
    epoch()  # warms up
    sampler = SegmentSampler(pictures, find_scaling(pictures.db), config.clip, config.batch_segments, CPU)

    def turn() -> Turn:
        last: list[float] = []
        took = time_work(lambda: last.append(epoch()))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        return {**took, "recon": last[-1], "peak_mb": peak_mb}

    serve(turn, n_segments=sampler.epoch_segments)


def print_table(contenders: Sequence[Contender]) -> None:
    """A line a contender."""
    print(f"{'segments/s, and times the plain statement':<44}{'clock':>14}{'processor':>14}{'reconstruction':>18}{'peak memory':>14}")
    for each in contenders:
        columns = ""
        for of in ("clock_s", "processor_s"):
            took_s, longest_s = each.find_seconds((), of), contenders[0].find_seconds((), of)
            columns += f"{each.ready['n_segments'] / took_s:8.1f}{longest_s / took_s:6.2f}"
        last = each.took[()][-1]
        print(f"{each.label:<44}{columns}{last['recon']:18.4f}{last['peak_mb']:11.0f} MB")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="edge")
    parser.add_argument("--clips", type=int, default=16, help="of 10 s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", default=[""], help="contenders whose name contains one of these, beside the plain statement")
    parser.add_argument("--serve", help=argparse.SUPPRESS)  # be this contender
    arguments = parser.parse_args()
    if arguments.serve:
        serve_epochs(arguments.serve, arguments.preset, arguments.clips, *arguments.threads)
        return
    print(describe_computer(("torch", "numpy")))
    for n_threads in arguments.threads:
        options = ("--preset", arguments.preset, "--clips", arguments.clips, "--threads", n_threads)
        names = [PLAIN, *(name for name in OURS if any(each in name for each in arguments.only))]
        with contextlib.ExitStack() as stack:
            contenders = [stack.enter_context(Contender(name, Path(__file__), "--serve", name, *options)) for name in names]
            for _ in range(arguments.rounds):
                for each in contenders:
                    each.take_turn()
            n_segments = contenders[0].ready["n_segments"]
            print(f"\none epoch of {n_segments} segments, preset {arguments.preset}, {n_threads} threads, {arguments.rounds} rounds")
            print_table(contenders)


if __name__ == "__main__":
    main()
