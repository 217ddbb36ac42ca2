"""Makes a finished run from a published checkpoint; everything that the file lacks comes from the training audio."""

import re
import shlex
from pathlib import Path

import torch

from aegan_monitor.errors import DataError
from aegan_train.artifacts import finish
from aegan_train.checkpoint import CHECKPOINT, Training, make_updater, save_checkpoint
from aegan_train.config import Preset, TrainConfig
from aegan_train.dataset import find_scaling, gather_recordings, split_held_out
from aegan_train.dcase.reference_checkpoint import describe_differences, load_state, read_reference_checkpoint
from aegan_train.recordings.folder import SKIPPED, write_skipped
from aegan_train.run_folder import lock_run

PRESET: Preset = "paper"  # the size of the published networks
ROW_NAME = re.compile(r"dcase\d{4}_(?P<machine_type>[^_]+)")


def guess_machine_type(config_path: Path) -> str:
    """The machine type in the name of a configuration file.

    Raises:
        DataError: The name contains no machine type.
    """
    if match := ROW_NAME.fullmatch(config_path.stem):
        return match["machine_type"]
    raise DataError(f"{config_path}: the name contains no machine type (as dcase2020_fan.yaml does); give it by --machine-type")


def import_checkpoint(
    file: Path, data: Path, machine_type: str, config: TrainConfig, out: Path, device: torch.device, commit: str | None, seed: int = 0
) -> None:
    """Write a run into `out`.

    The scaling spans all training clips, as in the reference code; the reference set uses the clips that are not held out.
    The networks were trained on the held-out clips, too, so the calibration is slightly too low.

    Raises:
        DataError: The file does not fit the configuration, the recordings cannot be trained on, or `out`
            already holds a run.
    """
    if (out / CHECKPOINT).exists():
        raise DataError(f"{out}: already holds a run; choose another --out")
    checkpoint = read_reference_checkpoint(file)
    updater = make_updater(config, device)
    settings = describe_differences(checkpoint, config)
    load_state(updater.generator, checkpoint.generator, "netG", str(file), settings)
    load_state(updater.discriminator, checkpoint.discriminator, "netD", str(file), settings)

    with lock_run(out), gather_recordings([data], machine_type, config, out) as (found, chosen):
        fitted, held_out = (found.select(clips) for clips in split_held_out(found.clips, chosen.held_out, seed))
        rng = torch.Generator().manual_seed(seed)
        scaling = find_scaling(found.db)
        training = Training(machine_type, PRESET, chosen, seed, scaling, fitted.sha256, updater, rng)
        write_skipped(found.skipped, out / SKIPPED)
        finish(training, fitted, held_out, out, device, commit)
        save_checkpoint(training, out)  # written last, so that an interrupted import can be repeated
    if checkpoint.figure is not None:
        print(f"{file}: the labels of test clips chose its epoch (figure {100 * checkpoint.figure:.2f})")
    print(f"{out}: run of imported weights; next: aegan-export {shlex.quote(str(out))} --out BUNDLE")
