"""Training: reads the recordings, trains for the epochs, and writes the run for export."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from aegan_monitor.errors import DataError
from aegan_train.artifacts import RUN_RECORD, finish
from aegan_train.checkpoint import CHECKPOINT, Training, describe_kept, load_checkpoint, make_updater
from aegan_train.config import TrainConfig
from aegan_train.dataset import find_scaling, gather_recordings, split_held_out, warn_of_one_recording
from aegan_train.epochs import run_epochs
from aegan_train.findings.findings import FINDINGS, find_all, hear_normal, write_findings
from aegan_train.findings.states import find_states, make_records
from aegan_train.recordings.folder import SKIPPED, write_skipped
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.run_folder import WriteError, lock_run
from aegan_train.summary import print_recordings, print_verdict

# By glibc's numbers (malloc.h): M_MMAP_THRESHOLD, at its largest value; M_TRIM_THRESHOLD; M_TOP_PAD. By default, the system takes back
# and zeroes the pages of every batch.
MALLOC = {-3: 2**25, -1: 2**30, -2: 2**26}


@dataclass(frozen=True, slots=True)
class FitRequest:
    """The options of `aegan-train fit`; `more_data` and `channel` are for recordings outside the DCASE layout."""

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
    more_data: Sequence[Path] = ()
    channel: int | None = None


def fit(request: FitRequest, train: Callable[..., bool] | None = None) -> bool:
    """Train, and write a run into `request.out`; False when Ctrl-C ended it early (the last completed epoch is kept).

    `train` replaces `run_epochs`; the bench takes weights that it kept.

    Recordings that cannot be trained on are skipped, listed on stderr, and written to skipped.csv in `request.out`.

    Raises:
        DataError: Too few recordings can be trained on, `out` already holds a run, is in use by another training or cannot be
            written, or the training diverged.
    """
    device = choose_device(request.device)
    if (request.out / CHECKPOINT).exists() and not request.resume:
        raise DataError(f"{request.out}: already holds a run; continue it with --resume, or choose another --out")
    data = [request.data, *request.more_data]
    with (
        lock_run(request.out),
        gather_recordings(data, request.machine_type, request.config, request.out, request.channel) as (found, config),
    ):
        return _fit(replace(request, config=config), found, device, train or run_epochs)


def _fit(request: FitRequest, found: Spectrograms, device: torch.device, train: Callable[..., bool]) -> bool:
    config, out = request.config, request.out
    fitted, held_out = (found.select(clips) for clips in split_held_out(found.clips, config.held_out, request.seed))
    set_up(device)
    training = begin(request, fitted, device)
    print_recordings(request.machine_type, fitted, held_out, config, device.type, request.seed)
    warn_of_one_recording(found.clips)
    write_skipped(found.skipped, out / SKIPPED)
    (out / RUN_RECORD).unlink(missing_ok=True)  # it describes the previous weights; a run without it is unfinished
    (out / FINDINGS).unlink(missing_ok=True)
    whole = train(training, fitted, held_out, out, device, verbose=request.verbose)
    if not training.history:
        return False
    try:
        sound = hear_normal(found, config)
        states = find_states(sound)
        calibrated = finish(training, fitted, held_out, out, device, request.commit, make_records(states))
        findings = find_all(sound, states, fitted, held_out, config, calibrated)
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
    """Select fast convolutions on a GPU, whose results change only by rounding; on a CPU let malloc keep what each batch frees."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, the default of PyTorch's convolutions
        torch.backends.cudnn.benchmark = True  # all batches have one shape, so the search pays
    elif mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # other C libraries than glibc have none
        for parameter, n_bytes in MALLOC.items():
            mallopt(parameter, n_bytes)
