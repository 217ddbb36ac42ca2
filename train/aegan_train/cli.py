"""Trains a network on normal machine sound, and evaluates it on labelled test clips."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import get_args

from aegan_monitor import __version__
from aegan_monitor.arguments import parse_seed
from aegan_monitor.errors import AeganError
from aegan_monitor.program import EXIT_INTERRUPTED, run_command
from aegan_train.config import Preset, Recipe, load_config
from aegan_train.recordings.folder import Naming

NAMINGS = get_args(Naming)
EXAMPLES = {  # of each command: what it does, and a command line
    "fit": (
        "Trains on the normal clips of DIR/dev_data/NAME/train, and leaves a run for aegan-export.",
        "aegan-train fit --data recordings --machine-type pump --preset edge --out runs/pump",
    ),
    "evaluate": (
        "Prints AUC and pAUC of all scores on the labelled clips of DIR/dev_data/NAME/test.",
        "aegan-train evaluate runs/pump --data recordings",
    ),
    "reproduce": (
        "Trains and evaluates a row of the published tables, and prints both figures.",
        "aegan-train reproduce dcase2020 fan --data dcase2020",
    ),
    "import-checkpoint": (
        "Makes a run of a published .pth file and its training audio.",
        "aegan-train import-checkpoint fan.pth --config configs/train/dcase2020_fan.yaml --data dcase2020 --out runs/fan",
    ),
}
PACKAGES = ("torch", "sklearn", "scipy", "threadpoolctl", "tqdm")  # of the extra `train`


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="aegan-train", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    fit = commands.add_parser("fit", help="train on the normal clips of DIR/dev_data/NAME/train")
    fit.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder in DCASE layout, WAV or FLAC")
    fit.add_argument("--machine-type", required=True, metavar="NAME", help="folder name below dev_data")
    fit.add_argument("--preset", choices=get_args(Preset), required=True, help="size: paper (GPU), edge (small box), tiny")
    fit.add_argument("--recipe", choices=get_args(Recipe), default="robust", help="robust (default), or reference: the method as published")
    fit.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for the run")
    fit.add_argument("--config", type=Path, metavar="FILE", help="YAML with what differs from the preset")
    fit.add_argument("--epochs", type=int, metavar="N", help="number of passes over the clips, in place of the preset's")
    fit.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to compute (default: a GPU if there is one)")
    fit.add_argument("--seed", type=parse_seed, default=0, metavar="N", help="one seed gives one run (default: 0)")
    fit.add_argument("--resume", action="store_true", help="continue the run in RUN from its last whole epoch")
    fit.add_argument("--verbose", action="store_true", help="show the losses of each epoch")
    fit.set_defaults(run=run_fit)

    evaluate = commands.add_parser(
        "evaluate", help="AUC and pAUC of all scores, and of controls without a network, on the clips of DIR/dev_data/NAME/test"
    )
    evaluate.add_argument("run_folder", type=Path, metavar="RUN", help="folder that aegan-train fit left")
    evaluate.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the test clips")
    evaluate.add_argument("--protocol", choices=NAMINGS, help="how the figure is computed (default: by the names of the clips)")
    evaluate.set_defaults(run=run_evaluate)

    reproduce = commands.add_parser("reproduce", help="train and evaluate a row of the published tables, and print both figures")
    reproduce.add_argument("protocol", choices=NAMINGS, help="which challenge's table")
    reproduce.add_argument("machine_type", metavar="NAME", help="fan, pump, ...")
    reproduce.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the challenge's dev_data (and eval_data)")
    reproduce.add_argument("--out", type=Path, metavar="RUN", help="folder for the run, which is continued (default: runs/PROTOCOL_NAME)")
    reproduce.add_argument("--preset", choices=get_args(Preset), default="paper", help="another size than the paper's, for a trial")
    reproduce.add_argument("--epochs", type=int, metavar="N", help="other than the row's, for a trial")
    reproduce.add_argument("--seed", type=parse_seed, default=0, metavar="N", help="random seed (default: 0)")
    reproduce.set_defaults(run=run_reproduce)

    imported = commands.add_parser("import-checkpoint", help="make a run of a published .pth file and its training audio")
    imported.add_argument("file", type=Path, metavar="FILE", help="the .pth file")
    imported.add_argument("--config", type=Path, required=True, metavar="ROW", help="its row, e.g. configs/train/dcase2020_fan.yaml")
    imported.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the audio that it was trained on")
    imported.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for the run")
    imported.add_argument("--machine-type", metavar="NAME", help="folder name below dev_data (default: as in the name of ROW)")
    imported.set_defaults(run=run_import)

    for command in (evaluate, reproduce):
        command.add_argument("--jsonl", type=Path, metavar="FILE", help="write one object a clip, with its scores")
        command.add_argument("--csv", type=Path, metavar="FOLDER", help="write the files that the challenge's evaluator reads")
    for command in (evaluate, reproduce, imported):
        command.add_argument(
            "--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to compute (default: a GPU if there is one)"
        )
    for name, (sentence, example) in EXAMPLES.items():
        command = commands.choices[name]
        command.description, command.epilog = sentence, f"example:\n  {example}"
        command.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


def run_fit(arguments: argparse.Namespace) -> int:
    """`aegan-train fit`."""
    overrides = {"n_epochs": arguments.epochs} if arguments.epochs is not None else {}
    config = load_config(arguments.preset, arguments.config, arguments.recipe, **overrides)
    from aegan_train.fit import FitRequest, fit  # noqa: PLC0415 - torch takes seconds to import; --help must not

    request = FitRequest(
        arguments.data,
        arguments.machine_type,
        arguments.preset,
        config,
        arguments.out,
        arguments.device,
        arguments.seed,
        arguments.resume,
        find_commit(),
        arguments.verbose,
    )
    return 0 if fit(request) else EXIT_INTERRUPTED


def find_commit() -> str | None:
    """The commit of the checkout that this package runs from; None when it was installed from a wheel."""
    folder = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )
        tracked = subprocess.run(["git", "-C", str(folder), "ls-files", "fit.py"], capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None if tracked.stdout.strip() else None


def run_evaluate(arguments: argparse.Namespace) -> int:
    """`aegan-train evaluate`."""
    from aegan_train.evaluate import evaluate  # noqa: PLC0415 - as above
    from aegan_train.fit import choose_device  # noqa: PLC0415

    device = choose_device(arguments.device)
    evaluate(arguments.run_folder, arguments.data, device, protocol_name=arguments.protocol, jsonl=arguments.jsonl, csv=arguments.csv)
    return 0


def run_reproduce(arguments: argparse.Namespace) -> int:
    """`aegan-train reproduce`."""
    from aegan_train.dcase.published import find_published, find_row_config  # noqa: PLC0415
    from aegan_train.dcase.reproduce import reproduce  # noqa: PLC0415
    from aegan_train.fit import FitRequest  # noqa: PLC0415 - as above

    naming: Naming = arguments.protocol
    preset: Preset = arguments.preset
    machine_type = arguments.machine_type
    find_published(naming, machine_type)
    overrides = {"n_epochs": arguments.epochs} if arguments.epochs is not None else {}
    config = load_config(preset, find_row_config(naming, machine_type), "reference", **overrides)
    out = arguments.out or Path("runs", f"{naming}_{machine_type}")
    request = FitRequest(arguments.data, machine_type, preset, config, out, arguments.device, arguments.seed, commit=find_commit())
    return 0 if reproduce(request, naming, arguments.jsonl, arguments.csv) else EXIT_INTERRUPTED


def run_import(arguments: argparse.Namespace) -> int:
    """`aegan-train import-checkpoint`."""
    from aegan_train.dcase.import_checkpoint import PRESET, ImportRequest, guess_machine_type, import_checkpoint  # noqa: PLC0415
    from aegan_train.fit import choose_device  # noqa: PLC0415 - as above

    config = load_config(PRESET, arguments.config, "reference")
    machine_type = arguments.machine_type or guess_machine_type(arguments.config)
    device = choose_device(arguments.device)
    import_checkpoint(ImportRequest(arguments.file, arguments.data, machine_type, config, arguments.out, device, find_commit()))
    return 0


def run_with_extra(program: str, extra: str, packages: Collection[str], command: Callable[[], int]) -> int:
    """Run a command that needs the optional dependencies `extra`; a missing one of its `packages` is one line with the remedy."""

    def run() -> int:
        try:
            return command()
        except ModuleNotFoundError as error:
            lacking = (error.name or "").partition(".")[0]
            if lacking not in packages:
                raise
            install = f"pip install 'aegan-monitor[{extra}]'"
            raise AeganError(f"{lacking} is not installed, and {program} needs it: {install}") from error

    return run_command(program, run)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    return run_with_extra("aegan-train", "train", PACKAGES, lambda: arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
