"""The epochs of a training: updates, checkpoints, and what ends it early."""

import contextlib
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from aegan_monitor.errors import DataError
from aegan_train.budget import explain_end, find_learning_rate, measure_error, plan_epochs
from aegan_train.checkpoint import CHECKPOINT, Training, load_checkpoint, redraw_networks, save_checkpoint
from aegan_train.progress import EpochProgress
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.sampler import SegmentSampler

SETTLED_BATCHES = 100  # after these a generator that learns is far better than the mean picture
LOSS_NAMES = ("critic", "penalty", "recon", "matching", "pretext")


def run_epochs(
    training: Training, fitted: Spectrograms, held_out: Spectrograms, out: Path, device: torch.device, *, verbose: bool = False
) -> bool:
    """Train as long as `plan_epochs` says, and save a checkpoint after each epoch.

    False on Ctrl-C, with `training` back at the last checkpoint.
    """
    config = training.config
    sampler = SegmentSampler(fitted, training.scaling, config.clip, config.batch_segments, device, config.epoch_batches)
    compared = SegmentSampler(held_out, training.scaling, config.clip, config.batch_segments, device)
    began_s = time.monotonic() - 60 * (training.history[-1]["minutes"] if training.history else 0)
    progress = EpochProgress(config.n_epochs, sampler.epoch_segments, len(training.history), verbose=verbose)
    with contextlib.closing(progress):
        try:
            while (epoch := len(training.history)) < (n_epochs := plan_epochs(config, training.history)):
                n_batches_before = training.updater.n_batches
                training.updater.set_learning_rate(find_learning_rate(config, epoch, n_epochs))
                losses = run_epoch(training, sampler, device, progress.add_batch)
                refuse_divergence(losses, epoch, out)
                if n_batches_before < SETTLED_BATCHES <= training.updater.n_batches and losses["recon"] > sampler.mean_picture_error:
                    found = f"reconstruction error {losses['recon']:.4f}, mean picture {sampler.mean_picture_error:.4f}"
                    if training.n_redrawn < config.n_redraws:
                        redraw_networks(training, out, device)
                        progress.say(f"the generator is stuck ({found}); restarting with other initial weights")
                        progress.restart()
                        continue
                    advice = "train with another --seed, or set n_redraws"
                    progress.say(f"warning: the generator is stuck ({found}); {advice}", file=sys.stderr)
                minutes, error = (time.monotonic() - began_s) / 60, measure_error(training, compared)
                training.history.append({**losses, "held_out": error, "minutes": minutes})
                save_checkpoint(training, out)
                progress.end_epoch(losses, plan_epochs(config, training.history))
            if why := explain_end(config, training.history):
                progress.say(why)
        except KeyboardInterrupt:
            progress.close()
            return stop_early(training, out, device)
    return True


def run_epoch(training: Training, sampler: SegmentSampler, device: torch.device, report: Callable[[int], None]) -> dict[str, float]:
    """Train one epoch; returns the mean of each loss. Calls `report` with the number of segments of each batch."""
    training.generator.train()
    training.discriminator.train()
    totals = torch.zeros(len(LOSS_NAMES), device=device)
    batches = sampler.epoch(training.rng)
    for starts in batches:
        alpha = torch.rand(len(starts), 1, 1, 1, generator=training.rng).to(device)
        losses = training.updater.step(sampler.slice(starts), alpha, training.rng)
        totals += torch.stack([getattr(losses, name).float() for name in LOSS_NAMES])
        report(len(starts))
    return dict(zip(LOSS_NAMES, (totals / len(batches)).tolist(), strict=True))


def refuse_divergence(losses: dict[str, float], n_whole: int, out: Path) -> None:
    """Stop a diverged training before it replaces the last checkpoint.

    Raises:
        DataError: A loss of the epoch after `n_whole` completed epochs is NaN or infinite.
    """
    wrong = [name for name, value in losses.items() if not math.isfinite(value)]
    if wrong:
        kept = f"{out} keeps epoch {n_whole}: finish it with --resume --epochs {n_whole}" if n_whole else "nothing is kept"
        raise DataError(
            f"training diverged in epoch {n_whole + 1} ({wrong[0]} is {losses[wrong[0]]}); {kept}, or train with a lower learning_rate"
        )


def stop_early(training: Training, out: Path, device: torch.device) -> bool:
    """Restore the last checkpoint after Ctrl-C; returns False."""
    if not (out / CHECKPOINT).exists():
        print("stopped before the end of the first epoch; nothing is kept", file=sys.stderr)
        training.history.clear()
        return False
    kept = load_checkpoint(out, device)
    training.updater, training.rng = kept.updater, kept.rng
    training.history, training.n_redrawn = kept.history, kept.n_redrawn
    print(f"stopped; epoch {len(kept.history)} is kept, continue with --resume", file=sys.stderr)
    return False
