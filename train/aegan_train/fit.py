"""Training, read from top to bottom: recordings, epochs, and what is left for export."""

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from aegan_monitor.errors import DataError
from aegan_train.artifacts import RUN_RECORD, finish
from aegan_train.checkpoint import CHECKPOINT, Training, draw_networks, load_checkpoint, make_updater, save_checkpoint
from aegan_train.config import TrainConfig
from aegan_train.dataset import SegmentSampler, Spectrograms, find_scaling, gather_pictures, split_held_out
from aegan_train.hardware import prepare
from aegan_train.recordings.folder import SKIPPED, write_skipped

SETTLED_BATCHES = 100  # by then a generator that learns at all beats the mean picture by far
LOSS_NAMES = ("critic", "penalty", "recon", "matching")


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What `aegan-train fit` was asked for; a `cache` of None is the user's."""

    data: Path
    machine_type: str
    preset: str
    config: TrainConfig
    out: Path
    device: str = "auto"
    seed: int = 0
    resume: bool = False
    commit: str | None = None
    cache: Path | None = None


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one.

    Raises:
        DataError: `cuda` was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("--device cuda: PyTorch finds no CUDA device; use --device cpu, or install a CUDA build of torch")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def fit(request: FitRequest) -> bool:
    """Train, and leave a whole run in `request.out`; False when Ctrl-C ended it early (the last whole epoch is kept).

    Recordings that are not fit for training are skipped, told, and listed in `request.out`.

    Raises:
        DataError: Too few recordings are fit for training, `out` already holds a run, or the training diverged.
    """
    device = choose_device(request.device)
    if (request.out / CHECKPOINT).exists() and not request.resume:
        raise DataError(f"{request.out}: already holds a run; continue it with --resume, or choose another --out")
    config = request.config
    found = gather_pictures(request.data, request.machine_type, config, request.cache)
    fit_clips, held_out = split_held_out(found.clips, config.held_out, request.seed)
    print(
        f"{request.machine_type}: {len(fit_clips)} normal clips to train on, {len(held_out)} held out; {device.type}, seed {request.seed}"
    )
    pictures = found.select(fit_clips)
    request.out.mkdir(parents=True, exist_ok=True)
    write_skipped(found.skipped, request.out / SKIPPED)
    prepare(device)
    training = begin(request, pictures, device)
    (request.out / RUN_RECORD).unlink(missing_ok=True)  # it goes with the weights of before; a run without it is unfinished
    whole = run_epochs(training, pictures, request.out, device)
    if not training.history:
        return False
    fields = finish(training, fit_clips, held_out, pictures, request.out, device, request.commit)
    print(f"decides by {fields.choice}")
    tried = ", ".join(f"{name} {auc:.2f}" for name, auc in fields.sensitivity.items())
    print(f"altered held-out clips against plain ones, AUC (0.5 is unnoticed): {tried}")
    print(f"{request.out}: run of {len(training.history)} epochs; next: aegan-train evaluate, or aegan-export {request.out} --out BUNDLE")
    return whole


def begin(request: FitRequest, pictures: Spectrograms, device: torch.device) -> Training:
    """A fresh training, or with `resume` the one in `request.out`.

    Raises:
        DataError: The run to resume has other settings, another seed or other recordings.
    """
    if request.resume and (request.out / CHECKPOINT).exists():
        training = load_checkpoint(request.out, device)
        stays = {"n_epochs"}
        wanted, found = request.config.model_dump(exclude=stays), training.config.model_dump(exclude=stays)
        differing = [f"{key} {found[key]}, now {wanted[key]}" for key in wanted if wanted[key] != found[key]]
        if training.seed != request.seed:
            differing.append(f"seed {training.seed}, now {request.seed}")
        if training.training_data_sha256 != pictures.sha256:
            differing.append("other recordings")
        n_done, n_wanted = len(training.history), request.config.n_epochs
        if n_wanted < n_done:
            differing.append(f"has {n_done} epochs, more than {n_wanted}")
        elif request.config.schedule == "cosine" and n_wanted not in (n_done, training.config.n_epochs):
            differing.append(f"a learning rate that falls over {training.config.n_epochs} epochs, now {n_wanted}")
        if differing:
            raise DataError(f"{request.out}: --resume: the run was begun with {'; '.join(differing)}; choose another --out")
        training.config = request.config
        return training
    torch.manual_seed(request.seed)
    updater = make_updater(request.config, device)
    rng = torch.Generator().manual_seed(request.seed)
    scaling = find_scaling(pictures.db, request.config.scaling)
    return Training(request.machine_type, request.preset, request.config, request.seed, scaling, pictures.sha256, updater, rng)


def run_epochs(training: Training, pictures: Spectrograms, out: Path, device: torch.device) -> bool:
    """Train to `config.n_epochs`, a checkpoint each; False on Ctrl-C, with `training` as the last checkpoint has it."""
    config = training.config
    sampler = SegmentSampler(pictures, training.scaling, config.clip, config.batch_segments, device)
    n_done = len(training.history)
    nominal = sampler.n_segments // sampler.batch_segments * sampler.batch_segments
    with tqdm(total=config.n_epochs * nominal, initial=n_done * nominal, unit="seg", desc="training", disable=None) as bar:
        try:
            while (epoch := len(training.history)) < config.n_epochs:
                began_s, n_batches_before = time.monotonic(), training.updater.n_batches
                training.updater.set_learning_rate(config.learning_rate_in(epoch))
                losses = run_epoch(training, sampler, device, bar)
                refuse_divergence(losses, epoch, out)
                if n_batches_before < SETTLED_BATCHES <= training.updater.n_batches and losses["recon"] > sampler.mean_picture_error:
                    found = f"reconstruction error {losses['recon']:.4f}, that of the mean picture {sampler.mean_picture_error:.4f}"
                    if training.n_redrawn < config.n_redraws:
                        tqdm.write(f"the generator is stuck ({found}); beginning anew with other initial weights")
                        draw_networks(training, device)
                        bar.reset()
                        continue
                    tqdm.write(f"warning: the generator is stuck ({found}); train with another --seed, or set n_redraws", file=sys.stderr)
                training.history.append(losses)
                save_checkpoint(training, out)
                bar.update((epoch + 1) * nominal - bar.n)
                if bar.disable:
                    report_epoch(epoch + 1, config.n_epochs, losses, nominal, time.monotonic() - began_s)
        except KeyboardInterrupt:
            bar.close()
            return stop_early(training, out, device)
    return True


def run_epoch(training: Training, sampler: SegmentSampler, device: torch.device, bar: "tqdm[None]") -> dict[str, float]:
    """One pass over the clips; the mean of each loss."""
    training.generator.train()
    training.discriminator.train()
    totals = torch.zeros(len(LOSS_NAMES), device=device)
    batches = sampler.epoch(training.rng)
    for starts in batches:
        alpha = torch.rand(len(starts), 1, 1, 1, generator=training.rng).to(device)
        losses = training.updater.step(sampler.slice(starts), alpha)
        totals += torch.stack([each.float() for each in (losses.critic, losses.penalty, losses.recon, losses.matching)])
        if not bar.disable:
            bar.update(len(starts))
            bar.set_postfix(recon=f"{losses.recon:.4f}", critic=f"{losses.critic:.2f}", refresh=False)
    return dict(zip(LOSS_NAMES, (totals / len(batches)).tolist(), strict=True))


def refuse_divergence(losses: dict[str, float], n_whole: int, out: Path) -> None:
    """Stop before a network that has lost its numbers replaces the last checkpoint.

    Raises:
        DataError: A loss of the epoch behind `n_whole` whole ones is NaN or infinite.
    """
    wrong = [name for name, value in losses.items() if not math.isfinite(value)]
    if wrong:
        kept = f"{out} keeps epoch {n_whole}: finish it with --resume --epochs {n_whole}" if n_whole else "nothing is kept"
        raise DataError(
            f"training diverged in epoch {n_whole + 1} ({wrong[0]} is {losses[wrong[0]]}); {kept}, or train anew with a lower learning_rate"
        )


def report_epoch(epoch: int, n_epochs: int, losses: dict[str, float], n_segments: int, took_s: float) -> None:
    """The progress bar's news as a line, for logs."""
    figures = " ".join(f"{name} {losses[name]:.4g}" for name in LOSS_NAMES)
    left_min = (n_epochs - epoch) * took_s / 60
    print(f"epoch {epoch}/{n_epochs}: {figures}, {n_segments / took_s:.0f} segments/s, {left_min:.1f} min of training left", flush=True)


def stop_early(training: Training, out: Path, device: torch.device) -> bool:
    """Go back to the last whole epoch after Ctrl-C."""
    if not (out / CHECKPOINT).exists():
        print("stopped before the first epoch was whole; nothing is kept", file=sys.stderr)
        training.history.clear()
        return False
    kept = load_checkpoint(out, device)
    training.updater, training.rng, training.history = kept.updater, kept.rng, kept.history
    print(f"stopped; epoch {len(kept.history)} is kept, continue with --resume", file=sys.stderr)
    return False
