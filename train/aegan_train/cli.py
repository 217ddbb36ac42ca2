"""Trains a network on normal machine sound, and evaluates it on labelled test clips."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from aegan_monitor import __version__
from aegan_monitor.command_options import parse_count, parse_index, parse_seed
from aegan_monitor.program import EXIT_INTERRUPTED, run_with_extra
from aegan_train.config import Preset, Recipe, load_config
from aegan_train.fleet.arguments import add_fleet
from aegan_train.recordings.folder import Naming

NAMINGS = get_args(Naming)
RECIPE_HELP = "robust (default): for use, in the place of the recordings or in another; reference: the method as published"
PACKAGES = ("torch", "sklearn", "scipy", "threadpoolctl", "tqdm")  # of the extra `train`


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="aegan-train", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    def add(
        name: str,
        run: Callable[[argparse.Namespace], int],
        purpose: str,
        example: str,
        data: str = "folder in DCASE layout, WAV or FLAC",
        *,
        takes_files: bool = False,
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=purpose,
            description=purpose,
            epilog=f"example:\n  aegan-train {name} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        several = {"nargs": "+", "metavar": "PATH"} if takes_files else {"metavar": "DIR"}
        command.add_argument("--data", type=Path, required=True, help=data, **several)
        command.add_argument(
            "--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to compute (default: a GPU if there is one)"
        )
        return command

    fit = add(
        "fit",
        run_fit,
        "Train on normal recordings, and write a run for aegan-export.",
        "--data recordings --machine-type pump --preset edge --out runs/pump",
        "WAV or FLAC recordings of any name, length and rate, folders of them, or a folder with clips in PATH/dev_data/NAME/train",
        takes_files=True,
    )
    fit.add_argument("--channel", type=int, metavar="N", help="of recordings with several channels, from 0")
    fit.add_argument("--machine-type", required=True, metavar="NAME", help="name of the machine; folder name below dev_data")
    fit.add_argument("--preset", choices=get_args(Preset), required=True, help="size: paper (GPU), edge (small box), tiny")
    fit.add_argument("--recipe", choices=get_args(Recipe), default="robust", help=RECIPE_HELP)
    fit.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for the run")
    fit.add_argument("--config", type=Path, metavar="FILE", help="YAML with what differs from the preset")
    fit.add_argument("--network", type=Path, metavar="RUN", help="take the network of that run of alike machines, and train none")
    fit.add_argument("--epochs", type=int, metavar="N", help="number of epochs, in place of the preset's")
    fit.add_argument("--seed", type=parse_seed, default=0, metavar="N", help="random seed (default: 0)")
    fit.add_argument("--resume", action="store_true", help="continue the run in RUN from its last whole epoch")
    fit.add_argument("--verbose", action="store_true", help="show the losses of each epoch")

    evaluate = add(
        "evaluate",
        run_evaluate,
        "Print AUC and pAUC of all scores and baselines on the labelled clips of DIR/dev_data/NAME/test.",
        "runs/pump --data recordings",
    )
    evaluate.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a finished aegan-train fit")
    evaluate.add_argument("--protocol", choices=NAMINGS, help="how the figure is computed (default: by the names of the clips)")

    reproduce = add(
        "reproduce",
        run_reproduce,
        "Train and evaluate a row of the published tables, and print both figures.",
        "dcase2020 fan --data dcase2020",
    )
    reproduce.add_argument("protocol", choices=NAMINGS, help="which challenge's table")
    reproduce.add_argument("machine_type", metavar="NAME", help="fan, pump, ...")
    reproduce.add_argument("--out", type=Path, metavar="RUN", help="folder for the run, which is continued (default: runs/PROTOCOL_NAME)")
    reproduce.add_argument("--preset", choices=get_args(Preset), default="paper", help="another size than the paper's, for a trial")
    reproduce.add_argument("--epochs", type=int, metavar="N", help="other than the row's, for a trial")
    reproduce.add_argument("--seed", type=parse_seed, default=0, metavar="N", help="random seed (default: 0)")

    bench = add(
        "bench",
        run_bench,
        "Train and evaluate the rows of the quality bench, and print a table. What was trained before is read.",
        "--data recordings --rows pump_halls press_rhythm --seeds 1",
        "folder with the recorded rows and esc10; a row whose recordings are not in it is not run",
    )
    bench.add_argument("--rows", nargs="+", default=[], metavar="ROW", help="rows of the table (default: all)")
    bench.add_argument("--recipe", choices=get_args(Recipe), default="robust", help="as in fit (default: robust)")
    bench.add_argument("--seeds", type=parse_count, default=3, metavar="N", help="trainings of each row (default: 3)")
    bench.add_argument(
        "--further",
        type=parse_index,
        default=2000,
        metavar="N",
        help="further normal clips of each synthesised row in place, for the share over the threshold (default: 2000)",
    )
    bench.add_argument(
        "--jobs", type=parse_count, metavar="N", help="trainings at a time, one thread each; changes no result (default: one a core)"
    )
    bench.add_argument(
        "--out", type=Path, default=Path("build/quality"), metavar="OUT", help="folder for the results (default: build/quality)"
    )

    imported = add(
        "import-checkpoint",
        run_import,
        "Make a run of a published .pth file and the audio that it was trained on.",
        "fan.pth --config configs/train/dcase2020_fan.yaml --data dcase2020 --out runs/fan",
    )
    imported.add_argument("file", type=Path, metavar="FILE", help="the .pth file")
    imported.add_argument("--config", type=Path, required=True, metavar="ROW", help="its row, e.g. configs/train/dcase2020_fan.yaml")
    imported.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for the run")
    imported.add_argument("--machine-type", metavar="NAME", help="folder name below dev_data (default: as in the name of ROW)")

    for command in (evaluate, reproduce):
        command.add_argument("--jsonl", type=Path, metavar="FILE", help="write one object a clip, with its scores")
        command.add_argument("--csv", type=Path, metavar="FOLDER", help="write the files that the challenge's evaluator reads")
    add_fleet(commands, run_fleet)
    return parser


def run_fit(arguments: argparse.Namespace) -> int:
    """`aegan-train fit`."""
    overrides = {"n_epochs": arguments.epochs} if arguments.epochs is not None else {}
    config = load_config(arguments.preset, arguments.config, arguments.recipe, **overrides)
    from aegan_train.fit import FitRequest, fit  # noqa: PLC0415 - torch takes seconds to import; --help must not
    from aegan_train.shared_network import SharedNetwork  # noqa: PLC0415 - as above

    first, *more = arguments.data
    request = FitRequest(
        first,
        arguments.machine_type,
        arguments.preset,
        config,
        arguments.out,
        arguments.device,
        arguments.seed,
        arguments.resume,
        find_commit(),
        arguments.verbose,
        more,
        arguments.channel,
    )
    return 0 if fit(request, SharedNetwork(arguments.network) if arguments.network else None) else EXIT_INTERRUPTED


def find_commit() -> str | None:
    """The commit of the checkout that this package runs from; None when it was installed from a wheel."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=5).stdout.strip()

    try:
        return git("describe", "--always", "--dirty", "--abbrev=12") or None if git("ls-files", "fit.py") else None
    except (OSError, subprocess.TimeoutExpired):
        return None


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


def run_bench(arguments: argparse.Namespace) -> int:
    """`aegan-train bench`."""
    from aegan_train.bench import command  # noqa: PLC0415
    from aegan_train.bench.processes import choose_jobs  # noqa: PLC0415
    from aegan_train.bench.units import Bench  # noqa: PLC0415
    from aegan_train.fit import choose_device  # noqa: PLC0415 - as above

    preset: Preset = "edge"
    recipe: Recipe = arguments.recipe
    config = load_config(preset, None, recipe, max_minutes=None)  # so that no result depends on the speed of the computer
    bench = Bench(arguments.data, arguments.out, choose_device(arguments.device), preset, recipe, config, arguments.further)
    return command.run_bench(arguments.rows, arguments.seeds, bench, arguments.jobs or choose_jobs(bench.device))


def run_import(arguments: argparse.Namespace) -> int:
    """`aegan-train import-checkpoint`."""
    from aegan_train.dcase.import_checkpoint import PRESET, guess_machine_type, import_checkpoint  # noqa: PLC0415
    from aegan_train.fit import choose_device  # noqa: PLC0415 - as above

    config = load_config(PRESET, arguments.config, "reference")
    machine_type = arguments.machine_type or guess_machine_type(arguments.config)
    device = choose_device(arguments.device)
    import_checkpoint(arguments.file, arguments.data, machine_type, config, arguments.out, device, find_commit())
    return 0


def run_fleet(arguments: argparse.Namespace) -> int:
    """`aegan-train fleet`."""
    from aegan_train.fleet import command  # noqa: PLC0415 - as above

    request = command.FleetRequest(
        arguments.plant, arguments.on, arguments.jobs, arguments.gpus, is_open=arguments.open_cluster, broker=arguments
    )
    return command.run_fleet(request)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    extra, packages = ("fleet", ("ray",)) if arguments.command == "fleet" else ("train", PACKAGES)
    return run_with_extra("aegan-train", extra, (*PACKAGES, *packages), lambda: arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
