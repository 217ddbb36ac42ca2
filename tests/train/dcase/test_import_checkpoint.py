"""Published checkpoints, imitated with the reference's keys, random weights and a NumPy figure."""

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import plain_networks as plain
from aegan_export.bundle import export_bundle
from aegan_monitor.detection.bundle import load_bundle
from aegan_train.checkpoint import load_trained
from aegan_train.cli import main
from aegan_train.torch_session import TorchSession
from published_checkpoint import NDF, NZ, make_reference_checkpoint

CPU = torch.device("cpu")
TOLERANCE = 1e-5  # of z, G(x), D(x) and f(x) to the plain re-statement in float64, relative to their size


def write_config(folder: Path, settings: str = "") -> Path:
    """A small row configuration."""
    path = folder / "dcase2020_fan.yaml"
    path.write_text(f"ndf: {NDF}\nnz: {NZ}\ntop_db: 80\nsegment_hop_frames: 16\ndecision_hop_frames: 32\n{settings}")
    return path


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Within TOLERANCE of the largest number expected."""
    return float((found.double() - expected).abs().max()) <= TOLERANCE * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize(
    ("norm", "first_norm", "settings"),
    [
        ("ln", True, ""),
        pytest.param("bn", True, "generator_norm: bn\n", marks=pytest.mark.full),
        pytest.param("ln", False, "first_norm: false\n", marks=pytest.mark.full),
    ],
)
def test_imported_networks_are_the_published_ones(
    norm: str,
    first_norm: bool,
    settings: str,
    dcase2020: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """E, G, D and f agree with a plain re-statement; the run evaluates and exports."""
    content = make_reference_checkpoint(norm, first_norm=first_norm)
    torch.save(content, tmp_path / "fan.pth")
    run = tmp_path / "run"
    config = write_config(tmp_path, settings)
    command = ["import-checkpoint", tmp_path / "fan.pth", "--config", config, "--data", dcase2020, "--out", run]
    assert main([str(each) for each in command]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "computing the features of 18 recordings",
        "embedding 16 clips",
        "scoring 2 held-out clips",
        "scoring 2 held-out clips without and with each of 5 pseudo-faults",
        f"{tmp_path}/fan.pth: the labels of test clips chose its epoch (figure 77.01)",
        f"{run}: run of imported weights; next: aegan-export {run} --out BUNDLE",
    ]
    training = load_trained(run, CPU)
    TorchSession(training.generator.double(), training.discriminator.double(), CPU)  # as evaluate has them, but for float32's last digits
    x = torch.rand(3, 1, 128, 128, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    states = [{key: value.double() for key, value in content[name].items()} for name in ("netG", "netD")]
    with torch.no_grad():
        assert close(training.generator.Encoder(x), plain.encode(x, states[0], norm, first_norm=first_norm))
        assert close(training.generator(x), plain.generate(x, states[0], norm, first_norm=first_norm))
        score, embedding = training.discriminator(x)
        for found, expected in zip((score, embedding), plain.discriminate(x, states[1]), strict=True):
            assert close(found, expected)
    assert main(["evaluate", str(run), "--data", str(dcase2020)]) == 0
    assert "6 anomalous test clips (and 4 without a label, in no AUC), imported weights, dcase2020\n" in capsys.readouterr().out
    export_bundle(run, tmp_path / "bundle")
    record = load_bundle(tmp_path / "bundle").record
    assert (record.machine_type, record.features.top_db, record.provenance.n_epochs) == ("fan", 80, 0)


def test_the_scaling_spans_all_training_clips(dcase2020: Path, tmp_path: Path) -> None:
    """The scaling covers held-out clips too, as in the training of the weights."""
    from aegan_monitor.audio.recording import read_recording
    from aegan_monitor.detection.features import FeatureParameters, LogMel, limit_range, make_filterbank
    from aegan_train.recordings.folder import find_clips

    torch.save(make_reference_checkpoint("ln"), tmp_path / "fan.pth")
    config, run = write_config(tmp_path, "held_out: 0.5\nsets: [dev]\n"), tmp_path / "run"
    command = ["import-checkpoint", tmp_path / "fan.pth", "--config", config, "--data", dcase2020, "--out", run]
    assert main([str(each) for each in command]) == 0
    features = FeatureParameters(top_db=80)
    logmel = LogMel(features, make_filterbank(features))
    clips = find_clips(dcase2020, "fan", "train", ["dev"]).clips
    db = np.concatenate([limit_range(logmel.transform_clip(read_recording(clip.path, 16_000)).db, 80) for clip in clips], axis=1)
    scaled = load_trained(run, CPU).scaling.apply(db)
    assert (scaled.min(), scaled.max()) == pytest.approx((-1, 1), abs=1e-5)


def change(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A checkpoint with other entries."""
    return {**content, **changes}


def without(state: dict[str, Any], key: str) -> dict[str, Any]:
    """A state that lacks a key."""
    return {name: value for name, value in state.items() if name != key}


LN = make_reference_checkpoint("ln")


@pytest.mark.parametrize(
    ("content", "settings", "line"),
    [
        (
            make_reference_checkpoint("bn"),
            "",
            "Encoder.main.1.running_mean: expected no such key, found shape (8,) (and 49 more); the file looks like generator_norm: bn;",
        ),
        (
            make_reference_checkpoint("ln", first_norm=False),
            "",
            "netG: Encoder.main.1.weight: expected shape (8, 64, 64), found nothing (and 23 more); the file looks like first_norm: false;",
        ),
        (LN, "first_norm: false\n", "; the file looks like first_norm: true; choose the --config of its machine type"),
        (LN, "ndf: 4\n", "the file looks like ndf: 8; choose the --config of its machine type"),
        (LN, "nz: 8\n", "the file looks like nz: 16; choose the --config of its machine type"),
        (LN, "discriminator_norm: bn\n", "the file looks like discriminator_norm: ln; choose the --config of its machine type"),
        (
            change(LN, netD=without(LN["netD"], "output_layer.2.bias")),
            "",
            "netD: output_layer.2.bias: expected shape (1,), found nothing; expected a checkpoint of this method's networks",
        ),
        (
            change(LN, netD={**LN["netD"], "extra.weight": torch.zeros(2)}),
            "",
            "netD: extra.weight: expected no such key, found shape (2,); expected a checkpoint of this method's networks",
        ),
        (
            change(LN, netG={**LN["netG"], "Encoder.main.0.weight": torch.full((8, 1, 4, 4), torch.nan)}),
            "",
            "netG: Encoder.main.0.weight: expected finite numbers, found others; ",
        ),
        (without(LN, "netD"), "", "key missing: netD; expected netD, netG and best_aver or best_hmean, found best_aver, netG"),
        (change(LN, netG=[1, 2]), "", "netG: expected a state dict of tensors, found list; name the published .pth"),
        ([1, 2], "", "key missing: netG; expected netD, netG and best_aver or best_hmean, found list"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(
    content: Any, settings: str, line: str, dcase2020: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that does not fit gives one line with the key, both shapes, and the wrong setting."""
    torch.save(content, tmp_path / "fan.pth")
    config = write_config(tmp_path)
    kept = [each for each in config.read_text().splitlines() if each.split(":")[0] not in settings]
    config.write_text("\n".join([*kept, settings]))
    command = ["import-checkpoint", tmp_path / "fan.pth", "--config", config, "--data", dcase2020, "--out", tmp_path / "run"]
    assert main([str(each) for each in command]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"aegan-train: {tmp_path}/fan.pth: ")
    assert line in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


class Dangerous:
    """An object whose unpickling runs a program."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        """Run a program."""
        return os.system, ("touch owned",)


def test_nothing_in_a_file_is_run(dcase2020: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only tensors and NumPy's float64 scalar are unpickled."""
    torch.save(change(LN, best_aver=Dangerous()), tmp_path / "fan.pth")
    (tmp_path / "text.pth").write_text("hello")
    config = write_config(tmp_path)
    for name, found in (("fan.pth", r".*posix\.system.*"), ("text.pth", ".*"), ("none.pth", "no such file; name the published .pth")):
        command = ["import-checkpoint", tmp_path / name, "--config", config, "--data", dcase2020, "--out", tmp_path / "run"]
        assert main([str(each) for each in command]) == 1
        assert re.fullmatch(rf"aegan-train: {tmp_path}/{name}: {found}\n", capsys.readouterr().err)


def test_figures_of_numpy_1_and_2_are_read(tmp_path: Path) -> None:
    """Figures pickled by NumPy 1 and 2 are read, also from the old format without zip."""
    from aegan_train.dcase.reference_checkpoint import read_reference_checkpoint

    file = io.BytesIO()
    torch.save(change(without(LN, "best_aver"), best_hmean=np.float64(0.7603)), file, _use_new_zipfile_serialization=False)
    new = file.getvalue()
    assert b"numpy._core.multiarray" in new
    for name, written in (("new", new), ("old", new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))):
        (tmp_path / name).write_bytes(written)
        assert read_reference_checkpoint(tmp_path / name).figure == 0.7603


def test_a_name_or_folder_that_says_nothing_is_reported(dcase2020: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The machine type comes from the configuration's name or an option, and a run is not overwritten."""
    torch.save(LN, tmp_path / "x.pth")
    config = write_config(tmp_path).rename(tmp_path / "mine.yaml")
    command = ["import-checkpoint", tmp_path / "x.pth", "--config", config, "--data", dcase2020, "--out", tmp_path / "run"]
    assert main([str(each) for each in command]) == 1
    assert capsys.readouterr().err == (
        f"aegan-train: {config}: the name contains no machine type (as dcase2020_fan.yaml does); give it by --machine-type\n"
    )
    assert main([str(each) for each in (*command, "--machine-type", "fan")]) == 0
    capsys.readouterr()
    assert main([str(each) for each in (*command, "--machine-type", "fan")]) == 1
    assert capsys.readouterr().err == f"aegan-train: {tmp_path}/run: already holds a run; choose another --out\n"
