"""Training: reads the recordings, trains for the epochs, and writes the run for export."""

import contextlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from aegan_monitor.errors import DataError
from aegan_train.artifacts import RUN_RECORD, finish
from aegan_train.checkpoint import CHECKPOINT, Training, describe_kept, load_checkpoint, make_updater, redraw_networks, save_checkpoint
from aegan_train.config import TrainConfig
from aegan_train.dataset import SegmentSampler, find_scaling, gather_recordings, split_held_out
from aegan_train.findings.findings import FINDINGS, find_all, write_findings
from aegan_train.progress import EpochProgress
from aegan_train.recordings.folder import SKIPPED, write_skipped
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.run_folder import WriteError, lock_run
from aegan_train.summary import print_recordings, print_verdict

SETTLED_BATCHES = 100  # after these a generator that learns is far better than the mean picture
LOSS_NAMES = ("critic", "penalty", "recon", "matching")


@dataclass(frozen=True, slots=True)
class FitRequest:
    """The options of `aegan-train fit`."""

    data: Path
    machine_type: str
    preset: str
    config: TrainConfig
    out: Path
    device: str = "auto"
    seed: int = 0
    resume: bool = False
    commit: str | None = None
    verbose: bool = False


def fit(request: FitRequest) -> bool:
    """Train, and write a run into `request.out`; False when Ctrl-C ended it early (the last completed epoch is kept).

    Recordings that cannot be trained on are skipped, listed on stderr, and written to skipped.csv in `request.out`.

    Raises:
        DataError: Too few recordings can be trained on, `out` already holds a run, is in use by another training or cannot be
            written, or the training diverged.
    """
    device = choose_device(request.device)
    if (request.out / CHECKPOINT).exists() and not request.resume:
        raise DataError(f"{request.out}: already holds a run; continue it with --resume, or choose another --out")
    with lock_run(request.out):
        return _fit(request, device)


def _fit(request: FitRequest, device: torch.device) -> bool:
    config, out = request.config, request.out
    found = gather_recordings(request.data, request.machine_type, config, out)
    fitted, held_out = (found.select(clips) for clips in split_held_out(found.clips, config.held_out, request.seed))
    set_up(device)
    training = begin(request, fitted, device)
    print_recordings(request.machine_type, fitted, held_out, config, device.type, request.seed)
    write_skipped(found.skipped, out / SKIPPED)
    (out / RUN_RECORD).unlink(missing_ok=True)  # it describes the previous weights; a run without it is unfinished
    (out / FINDINGS).unlink(missing_ok=True)
    whole = run_epochs(training, fitted, out, device, verbose=request.verbose)
    if not training.history:
        return False
    try:
        calibrated = finish(training, fitted, held_out, out, device, request.commit)
        findings = find_all(found, fitted, held_out, config, calibrated)
        write_findings(findings, out)
    except WriteError as error:
        raise WriteError(f"{error}; {describe_kept(len(training.history))}") from error
    print(f"{out}: run of {len(training.history)} epochs")
    print_verdict(calibrated, findings, out)
    return whole


def begin(request: FitRequest, pictures: Spectrograms, device: torch.device) -> Training:
    """A new training, or with `resume` the one in `request.out`.

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


def run_epochs(training: Training, pictures: Spectrograms, out: Path, device: torch.device, *, verbose: bool = False) -> bool:
    """Train to `config.n_epochs` and save a checkpoint after each epoch; False on Ctrl-C, with `training` back at the last checkpoint."""
    config = training.config
    sampler = SegmentSampler(pictures, training.scaling, config.clip, config.batch_segments, device, config.epoch_batches)
    progress = EpochProgress(config.n_epochs, sampler.epoch_segments, len(training.history), verbose=verbose)
    with contextlib.closing(progress):
        try:
            while (epoch := len(training.history)) < config.n_epochs:
                n_batches_before = training.updater.n_batches
                training.updater.set_learning_rate(config.learning_rate_in(epoch))
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
                training.history.append(losses)
                save_checkpoint(training, out)
                progress.end_epoch(losses)
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
        losses = training.updater.step(sampler.slice(starts), alpha)
        totals += torch.stack([each.float() for each in (losses.critic, losses.penalty, losses.recon, losses.matching)])
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


def choose_device(name: str) -> torch.device:
    """The device of `--device`; `auto` is the GPU where there is one.

    Raises:
        DataError: `name` is `cuda` and PyTorch finds no CUDA device.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("--device cuda: PyTorch finds no CUDA device; use --device cpu, or install a CUDA build of torch")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def set_up(device: torch.device) -> None:
    """Select fast convolutions on a GPU; results change only by rounding."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, the default of PyTorch's convolutions
        torch.backends.cudnn.benchmark = True  # all batches have one shape, so the search pays
