"""Reproduces a row of the published tables: trains, evaluates, and compares with the published figure."""

from dataclasses import replace
from pathlib import Path

from aegan_monitor.detection.scores import PUBLISHED_IDS
from aegan_train.artifacts import RUN_RECORD
from aegan_train.checkpoint import CHECKPOINT, load_checkpoint
from aegan_train.dcase.protocols import Metrics
from aegan_train.dcase.published import Published, find_published
from aegan_train.dcase.report import find_oracle, label_free_score
from aegan_train.dcase.score_files import make_folder
from aegan_train.evaluate import evaluate, load_fields
from aegan_train.fit import FitRequest, choose_device, fit
from aegan_train.recordings.folder import Naming


def reproduce(request: FitRequest, naming: Naming, jsonl: Path | None = None, csv: Path | None = None) -> bool:
    """Train (or resume, or take the finished run in `request.out`), evaluate on the test clips of dev_data, print both figures.

    Returns False when Ctrl-C ended the training early.

    Raises:
        AeganError: As `fit` and `evaluate`.
    """
    published = find_published(naming, request.machine_type)
    if csv:
        make_folder(csv)
    if is_finished(request):
        print(f"{request.out}: holds the finished run; evaluating it")
    elif not fit(replace(request, resume=True)):
        return False
    device = choose_device(request.device)
    metrics = evaluate(request.out, request.data, device, protocol_name=naming, sets=["dev"], jsonl=jsonl, csv=csv)
    if metrics:
        label_free = label_free_score(load_fields(request.out), request.config)
        print_comparison(f"{naming} {request.machine_type}", request.config.n_epochs, published, metrics, label_free)
    return True


def is_finished(request: FitRequest) -> bool:
    """Whether `request.out` holds this run, trained to its last epoch."""
    if not (request.out / RUN_RECORD).exists() or not (request.out / CHECKPOINT).exists():
        return False
    training = load_checkpoint(request.out, choose_device("cpu"))
    same = (training.machine_type, training.config, training.seed) == (request.machine_type, request.config, request.seed)
    return same and len(training.history) == request.config.n_epochs


def print_comparison(row: str, n_epochs: int, published: Published, metrics: dict[str, Metrics], label_free: str) -> None:
    """Print the published figure and the measured ones, in per cent."""
    print(f"\n{row}, figures in per cent; published: best epoch and score by the test labels; this run: epoch {n_epochs}")
    if published.autoencoder is not None:
        print(f"{'published, official autoencoder':<34}{'':<16}{published.autoencoder:>6.1f}")
    print(f"{'published, AEGAN-AD':<34}{published.score:<16}{published.figure:>6.2f}")
    oracle = find_oracle({name: metrics[name] for name in PUBLISHED_IDS})
    for what, name in (
        ("this run, the same score", published.score_id),
        ("this run, label-free", label_free),
        ("this run, oracle (of the 19)", oracle),
    ):
        print(f"{what:<34}{name:<16}{100 * metrics[name].figure:>6.2f}")
