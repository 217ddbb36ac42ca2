"""Sessions: which machines share a network."""

import shutil
from pathlib import Path

import pytest

from aegan_monitor.config.model import InferenceConfig
from aegan_monitor.detection.bundle import demo_bundle, load_bundle, write_record
from aegan_monitor.errors import InferenceError
from aegan_monitor.service.inference import Sessions

SCORE = "D_knn"


def test_the_session_that_is_proved_is_the_one_that_monitors(tmp_path: Path) -> None:
    """Only the graphs of the score are loaded, and no second session for the golden check: another graph may be broken."""
    folder = shutil.copytree(demo_bundle(), tmp_path / "bundle")
    (folder / "generator.onnx").write_bytes(b"no graph")
    write_record(folder, load_bundle(demo_bundle()).record)
    sessions = Sessions(InferenceConfig())
    bundle = sessions.load_bundle(folder)
    sessions.open(bundle, "D_maha")
    with pytest.raises(InferenceError, match=r"generator\.onnx"):
        sessions.open(bundle, "G_z_2_sum")


def test_bundles_with_the_same_network_share_a_session(tmp_path: Path) -> None:
    """The network is loaded once for two machines with reference sets of their own; another network is another session."""
    folders = [shutil.copytree(demo_bundle(), tmp_path / name) for name in ("a", "b", "c")]
    record = load_bundle(demo_bundle()).record
    write_record(folders[1], record.model_copy(update={"machine_type": "other pump"}))
    (folders[2] / "embedding.onnx").write_bytes((folders[2] / "embedding.onnx").read_bytes() + b"\x12\x00")  # no name of a producer
    write_record(folders[2], record)
    sessions = Sessions(InferenceConfig())
    bundles = [sessions.load_bundle(folder) for folder in folders]
    opened = [sessions.open(bundle, SCORE) for bundle in bundles]
    assert len({id(bundle) for bundle in bundles}) == 3
    assert opened[0] is opened[1]
    assert opened[0] is not opened[2]
