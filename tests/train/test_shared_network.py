"""`aegan-train fit --network RUN`: a machine on the network of another run."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from aegan_export.bundle import export_bundle
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.network import GRAPHS
from aegan_monitor.inference.providers import STRICT
from aegan_monitor.inference.session import network_digest
from aegan_train.checkpoint import load_checkpoint
from synthetic import write_wav
from training_program import aegan_train, fit_tiny

if TYPE_CHECKING:
    from aegan_monitor.detection.reference import ReferenceSet

CPU = torch.device("cpu")
RATE_HZ = 16_000
N_CLIPS = 8


def write_other_pump(folder: Path) -> Path:
    """Normal sound of another pump."""
    for number in range(N_CLIPS):
        write_wav(folder / f"{number}.wav", 0.5 * Pump(900 + number).read(10 * RATE_HZ))
    return folder


def test_a_machine_takes_the_network_of_another_run(run_folder: Path, bundle_folder: Path, tmp_path: Path) -> None:
    """Weights and scaling are those of the other run, reference set and calibration its own; both bundles have one network."""
    data, out = write_other_pump(tmp_path / "other"), tmp_path / "run"
    done = aegan_train(*fit_tiny(data, out), "--network", run_folder)
    assert (done.returncode, f"the network is that of {run_folder}, with 3 epochs" in done.stdout) == (0, True), done.stderr
    ours, theirs = load_checkpoint(out, CPU), load_checkpoint(run_folder, CPU)
    assert ours.scaling == theirs.scaling
    assert ours.training_data_sha256 != theirs.training_data_sha256
    assert all(torch.equal(value, theirs.generator.state_dict()[name]) for name, value in ours.generator.state_dict().items())
    export_bundle(out, tmp_path / "bundle")
    bundles = load_bundle(tmp_path / "bundle"), load_bundle(bundle_folder)
    assert len({network_digest(bundle, GRAPHS, STRICT) for bundle in bundles}) == 1
    references: list[ReferenceSet] = [bundle.reference for bundle in bundles]
    assert not np.array_equal(references[0].embedding_clips, references[1].embedding_clips)
    assert bundles[0].record.calibration != bundles[1].record.calibration


def test_a_network_of_other_settings_is_refused(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """Another width or another picture needs another network; the message names both."""
    (tmp_path / "wide.yaml").write_text("ndf: 4\nband_scale: linear\n")
    done = aegan_train(*fit_tiny(dataset, tmp_path / "run"), "--network", run_folder, "--config", tmp_path / "wide.yaml")
    assert (done.returncode, f"--network {run_folder}: its network has ndf 8, here 4; band_scale mel, here linear;" in done.stderr) == (
        1,
        True,
    )


def test_a_network_of_no_run_is_refused(dataset: Path, tmp_path: Path) -> None:
    """A folder without a checkpoint is no run."""
    done = aegan_train(*fit_tiny(dataset, tmp_path / "run"), "--network", tmp_path / "nothing")
    assert (done.returncode, "is no run; make one with" in done.stderr) == (1, True)
