"""Which graph file of a bundle runs, and what is checked of the files that a bundle need not have."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.detection.bundle import DIGEST_KEY, OPTIONAL, digest_of, load_bundle, sha256_of
from aegan_monitor.errors import BundleError, InferenceError
from aegan_monitor.inference.onnx_runtime import OrtSession

SEGMENTS = np.zeros((2, 1, 128, 128), np.float32)


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    """A bundle whose graphs for a processor are other graphs, so that it shows which of them runs."""
    folder = shutil.copytree(bundle_folder, tmp_path / "bundle")
    record = json.loads((folder / "bundle.json").read_text())
    for name in OPTIONAL:
        shutil.copy(folder / "encoder.onnx", folder / name)
        record["files"][name] = {"sha256": sha256_of(folder / name), "n_bytes": (folder / name).stat().st_size}
    (folder / "bundle.json").write_text(json.dumps({**record, DIGEST_KEY: digest_of(record)}))
    return folder


def test_the_processor_runs_its_own_graph(copy: Path, bundle_folder: Path) -> None:
    """With the provider cpu alone the graph for a processor runs, else the plain one; a bundle without it runs the plain one."""
    with pytest.raises(InferenceError, match="is another graph"):
        OrtSession(load_bundle(copy), ["embedding"]).infer(SEGMENTS)
    plain = OrtSession(load_bundle(bundle_folder), ["embedding"]).infer(SEGMENTS)
    other = OrtSession(load_bundle(copy), ["embedding"], providers=["cuda", "cpu"]).infer(SEGMENTS)
    np.testing.assert_array_equal(other.embedding, plain.embedding)


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_optional_file_is_checked_when_it_is_listed(copy: Path, name: str) -> None:
    """A changed or missing graph for a processor is refused, as any other file."""
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=r"expected sha256 [0-9a-f]{12}\.\.\., found"):
        load_bundle(copy)
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: file missing; copy the whole folder again, or export it again$"):
        load_bundle(copy)
