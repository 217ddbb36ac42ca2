"""Export: correct, atomic and reproducible bundles."""

import json
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from aegan_export.bundle import export_bundle
from aegan_export.cli import main
from aegan_export.graph import make_modules, write_graphs
from aegan_export.parity import ParityError, check_parity
from aegan_monitor.decision.proof import commission
from aegan_monitor.detection.bundle import FORMAT, GATE, PAYLOAD, REFERENCE, load_bundle
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import LASTING, SPACE_SCORES
from aegan_monitor.detection.spaces import Space
from aegan_monitor.inference.gate import compare, load_gate, score_gate
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.tools.bundles.archive import unpack
from aegan_train.calibration.gate_clips import N_ALTERED, N_NORMAL
from aegan_train.calibration.normal_blocks import make_default_policy
from aegan_train.calibration.pseudo_faults import PSEUDO_FAULTS
from aegan_train.checkpoint import load_checkpoint
from aegan_train.config import Norm, TrainConfig
from aegan_train.networks.aegan import Discriminator, Generator

SEGMENTS = np.random.default_rng(0).uniform(-1, 1, (5, 1, 128, 128)).astype(np.float32)


def test_a_bundle_is_whole(bundle_folder: Path) -> None:
    """A bundle has all files, and its record agrees with them."""
    assert {path.name for path in bundle_folder.iterdir()} == {"bundle.json", *PAYLOAD, GATE}
    assert load_bundle(bundle_folder).record.provenance.n_epochs == 3


def test_the_gate_has_normal_and_altered_clips(bundle_folder: Path) -> None:
    """The gate has held-out clips and each pseudo-fault twice; the deciding score of an altered clip is higher; strict fp32 passes."""
    bundle = load_bundle(bundle_folder)
    gate = load_gate(bundle)
    assert gate is not None
    assert gate.frames.shape[1:] == (128, bundle.record.clip.covered_frames)
    assert 0 < np.count_nonzero(gate.altered == 0) <= N_NORMAL
    assert np.count_nonzero(gate.altered) == N_ALTERED * len(PSEUDO_FAULTS)
    scores = score_gate(bundle, gate, OrtSession(bundle), bundle.record.score)
    assert np.median(scores[gate.altered == 1]) > np.median(scores[gate.altered == 0])
    assert compare(bundle.record, bundle.record.score, gate, scores, scores).find_problem() == ""


def test_spaces_survive_the_way_into_the_bundle(bundle_folder: Path, run_folder: Path) -> None:
    """A bundle has the spaces of its run, in format 3, number for number."""
    bundle = load_bundle(bundle_folder)
    assert (bundle.record.format, bundle.record.spaces) == (FORMAT, [*SPACE_SCORES, LASTING])
    fitted = ReferenceSet.load(run_folder / REFERENCE, bundle.record.spaces)
    for name, space in fitted.spaces.items():
        for part in fields(Space):
            np.testing.assert_array_equal(getattr(bundle.reference.spaces[name], part.name), getattr(space, part.name))


@pytest.mark.parametrize("graph", ["encoder", "embedding", "generator"])
def test_each_graph_loads_alone_and_takes_any_batch(bundle_folder: Path, graph: str) -> None:
    """Each graph runs alone in plain ONNX Runtime with 1, 3 and 200 segments."""
    session = onnxruntime.InferenceSession(str(bundle_folder / f"{graph}.onnx"), providers=["CPUExecutionProvider"])
    for n in (1, 3, 200):
        outputs = session.run(None, {"segments": np.zeros((n, 1, 128, 128), np.float32)})
        assert all(len(output) == n for output in outputs)


def test_shared_weights_are_stored_once(bundle_folder: Path, run_folder: Path) -> None:
    """The encoder's weights are stored once for two graphs, and the graphs contain no path of this machine."""
    training = load_checkpoint(run_folder, torch.device("cpu"))
    parts = (training.generator, training.discriminator.main, training.discriminator.feat_extract_layer)
    n_bytes = sum(4 * parameter.numel() for part in parts for parameter in part.parameters())
    assert (bundle_folder / "weights.bin").stat().st_size < 1.1 * n_bytes
    for graph in ("encoder", "embedding", "generator"):
        content = (bundle_folder / f"{graph}.onnx").read_bytes()
        assert len(content) < 100_000
        assert b"site-packages" not in content
        assert b".py" not in content


def test_bundles_are_reproducible(run_folder: Path, bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One run gives the same bundle, all bytes but the date, and an archive; the command prints what is proved about its false alarms."""
    assert main([str(run_folder), "--out", str(tmp_path / "again"), "--archive", str(tmp_path / "again.tar")]) == 0
    lines = capsys.readouterr().out.splitlines()
    proved = commission(make_default_policy(load_bundle(bundle_folder).record)).describe()
    assert lines[lines.index(proved[0]) :][: len(proved)] == proved
    again, before = (load_bundle(folder).record for folder in (tmp_path / "again", bundle_folder))
    assert again.created is not None
    assert before.created is not None
    assert again.created >= before.created
    unpack(tmp_path / "again.tar", tmp_path / "unpacked")
    assert load_bundle(tmp_path / "unpacked").record == again
    assert again.model_copy(update={"created": before.created}) == before
    for name in (*PAYLOAD, GATE):
        assert (tmp_path / "again" / name).read_bytes() == (bundle_folder / name).read_bytes(), name


def spoil(run: Path, tmp_path: Path) -> Path:
    """A run whose checkpoint differs from its record."""
    copy = shutil.copytree(run, tmp_path / "spoiled")
    state = torch.load(copy / "checkpoint.pt", weights_only=True)
    state["netD"]["feat_extract_layer.0.weight"] *= 1.5
    torch.save(state, copy / "checkpoint.pt")
    return copy


@pytest.mark.full
def test_nothing_is_written_when_the_golden_check_fails(run_folder: Path, tmp_path: Path) -> None:
    """A failed golden check writes nothing and keeps an older bundle."""
    out = tmp_path / "bundle"
    run = spoil(run_folder, tmp_path)
    command = [sys.executable, "-m", "aegan_export.cli", str(run), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "golden check failed at embedding" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("bundle*"))
    export_bundle(run_folder, out)
    before = (out / "bundle.json").read_bytes()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 78
    assert (out / "bundle.json").read_bytes() == before
    assert [path.name for path in tmp_path.glob("bundle*")] == ["bundle"]


def test_the_parity_gate_finds_another_network(bundle_folder: Path, run_folder: Path) -> None:
    """A graph with one changed weight is refused, and the output is named."""
    training = load_checkpoint(run_folder, torch.device("cpu"))
    modules = make_modules(training.generator, training.discriminator)
    assert max(each.deviation for each in check_parity(modules, bundle_folder, SEGMENTS)) < 1e-5
    with torch.no_grad():
        next(training.generator.Decoder.parameters())[0, 0] += 0.5
    with pytest.raises(ParityError, match=r"^generator\.onnx: z_errors: expected to differ from PyTorch by at most 0\.0001, found "):
        check_parity(modules, bundle_folder, SEGMENTS)


@pytest.mark.parametrize(
    ("norm", "first_norm"),
    [
        ("bn", False),
        *(pytest.param(*kind, marks=pytest.mark.full) for kind in [("ln", True), ("in", True), ("ln", False), ("bn", True), ("in", False)]),
    ],
)
def test_every_kind_of_network_exports(tmp_path: Path, norm: Norm, first_norm: bool) -> None:
    """All norms of the method export, with and without the first norm."""
    config = TrainConfig(ndf=4, nz=8, generator_norm=norm, discriminator_norm=norm, first_norm=first_norm)
    torch.manual_seed(0)
    modules = make_modules(Generator(config.network), Discriminator(config.network))
    write_graphs(modules, tmp_path, (1, 128, 128), "fp32")
    assert max(each.deviation for each in check_parity(modules, tmp_path, SEGMENTS)) < 1e-5
    onnx.checker.check_model(str(tmp_path / "generator.onnx"))


def test_a_folder_that_is_no_bundle_is_left_alone(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--out on a folder that is no bundle is refused."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "letter.txt").write_text("dear")
    assert main([str(run_folder), "--out", str(tmp_path / "precious")]) == 1
    assert capsys.readouterr().err == f"aegan-export: {tmp_path}/precious: exists and is no bundle; remove it, or choose another --out\n"
    assert (tmp_path / "precious" / "letter.txt").read_text() == "dear"


@pytest.mark.full
def test_neighbours_of_the_bundle_are_left_alone(run_folder: Path, tmp_path: Path) -> None:
    """Folders named OUT.old and OUT.tmp are not touched, and no temporary folder stays."""
    for name in ("pump.old", "pump.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "backup").write_text("precious")
    for _ in range(2):
        export_bundle(run_folder, tmp_path / "pump")
    assert {path.name for path in tmp_path.iterdir()} == {"pump", "pump.old", "pump.tmp"}
    assert (tmp_path / "pump.old" / "backup").read_text() == (tmp_path / "pump.tmp" / "backup").read_text() == "precious"
    load_bundle(tmp_path / "pump")


def test_the_demo_bundle_is_small_and_stored_as_fp16(repository: Path) -> None:
    """The demo bundle is under 8 MB, with no file over 4 MiB."""
    folder = repository / "daemon" / "aegan_monitor" / "demo" / "bundle"
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert sum(sizes) < 8e6
    assert max(sizes) <= 4 * 2**20
    assert json.loads((folder / "bundle.json").read_text())["precision"] == "fp16"
