"""OpenVINO computes what ONNX Runtime computes, and is chosen where it was found right."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.config.model import InferenceConfig
from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.detection.network import GRAPHS, MAX_BATCH
from aegan_monitor.errors import InferenceError
from aegan_monitor.inference.choice import open_wanted
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.inference.open import offered, open_session
from aegan_monitor.inference.prepared import Finding, Prepared
from aegan_monitor.inference.providers import Choice

pytestmark = pytest.mark.openvino
SEGMENTS = np.random.default_rng(0).uniform(-1, 1, (19, 1, 128, 128)).astype(np.float32)
FP32 = Choice("openvino")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The demo bundle."""
    return load_bundle(demo_bundle())


def test_fp32_is_that_of_onnx_runtime(bundle: Bundle) -> None:
    """Every output of every graph, for batches of any size, and the reconstruction."""
    session, other = open_session(bundle, GRAPHS, FP32), OrtSession(bundle)
    for n in (1, 4, MAX_BATCH, len(SEGMENTS)):
        found, expected = session.infer(SEGMENTS[:n]), other.infer(SEGMENTS[:n])
        for name in found.FIELDS:
            scale = np.abs(getattr(expected, name)).max()
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_allclose(session.reconstruct(SEGMENTS), other.reconstruct(SEGMENTS), atol=1e-4)


def test_the_outputs_stay_what_they_are(bundle: Bundle) -> None:
    """A later call does not write into what an earlier one has returned."""
    session = open_session(bundle, ["embedding"], FP32)
    first = session.infer(SEGMENTS[:4]).embedding
    kept = first.copy()
    session.infer(SEGMENTS[4:8])
    np.testing.assert_array_equal(first, kept)


def test_what_is_offered_passes_the_golden_check(bundle: Bundle) -> None:
    """Every precision of OpenVINO that this processor has is right on the demo bundle, for its score."""
    choices = [choice for choice in offered(bundle, ["embedding"]) if choice.provider == "openvino"]
    assert FP32 in choices
    for choice in choices:
        require_golden(bundle, open_session(bundle, ["embedding"], choice), bundle.record.score)


def test_a_file_that_is_no_graph_is_an_error(bundle: Bundle, tmp_path: Path) -> None:
    """The file is named; the configuration has to change, so nothing starts again."""
    folder = shutil.copytree(bundle.folder, tmp_path / "bundle")
    (folder / "embedding.onnx").write_bytes(b"no graph")
    with pytest.raises(InferenceError, match=r"embedding\.onnx: OpenVINO cannot load this graph") as caught:
        open_session(dataclasses.replace(bundle, folder=folder), ["embedding"], FP32)
    assert caught.value.exit_code == 78


def test_another_graph_is_an_error(bundle: Bundle, tmp_path: Path) -> None:
    """A graph without the outputs of its name is refused when it runs."""
    folder = shutil.copytree(bundle.folder, tmp_path / "bundle")
    shutil.copy(folder / "encoder.onnx", folder / "embedding.onnx")
    session = open_session(dataclasses.replace(bundle, folder=folder), ["embedding"], FP32)
    with pytest.raises(InferenceError, match=r"embedding\.onnx: is another graph .*; export the bundle again$"):
        session.infer(SEGMENTS)


def test_auto_takes_it_where_it_was_found_right(bundle: Bundle, tmp_path: Path) -> None:
    """The remembered choice is opened, and says what it is."""
    prepared = Prepared(tmp_path)
    prepared.remember(
        bundle, bundle.record.score, 1, [Finding("cpu", "fp32", segments_per_s=1), Finding("openvino", "fp32", segments_per_s=2)]
    )
    session = open_wanted(bundle, InferenceConfig(), prepared, bundle.record.score)
    assert (session.provider, session.precision, session.requested) == ("openvino", "fp32", ("auto",))
