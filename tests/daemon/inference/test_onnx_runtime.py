"""ONNX Runtime: the provider in use is checked, and a missing GPU is reported."""

import dataclasses
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.errors import InferenceError, InferenceRunError
from aegan_monitor.inference.onnx_runtime import OrtSession

SEGMENTS = np.random.default_rng(0).uniform(-1, 1, (19, 1, 128, 128)).astype(np.float32)


def test_a_preferred_gpu_that_is_missing_is_logged(bundle_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without the preferred GPU the session runs on the CPU and logs it."""
    with caplog.at_level(logging.WARNING):
        session = OrtSession(load_bundle(bundle_folder), providers=["tensorrt", "cuda", "cpu"], policy="prefer")
    assert session.provider == "cpu"
    assert session.requested == ("tensorrt", "cuda", "cpu")
    assert "inference.providers: tensorrt is requested, but ONNX Runtime" in caplog.text
    assert "on cpu (it offers only cpu)" in caplog.text


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_required_gpu_that_is_missing_is_an_error(bundle_folder: Path, provider: str) -> None:
    """Without the required GPU the error says what to do."""
    expected = rf"^inference.providers: {provider} is requested, but ONNX Runtime .* offers only cpu\); install aegan-monitor\[gpu\]"
    with pytest.raises(InferenceError, match=expected):
        OrtSession(load_bundle(bundle_folder), providers=[provider, "cpu"], policy="require")


@pytest.mark.gpu
def test_a_gpu_computes_the_same(bundle_folder: Path) -> None:
    """On a CUDA device the session uses it and passes the golden check."""
    bundle = load_bundle(bundle_folder)
    session = OrtSession(bundle, providers=["cuda", "cpu"], policy="require")
    assert session.provider == "cuda"
    require_golden(bundle, session)


def test_batches_of_any_size_give_the_same(bundle_folder: Path) -> None:
    """19 segments give the same outputs in one batch or one at a time."""
    session = OrtSession(load_bundle(bundle_folder))
    whole = session.infer(SEGMENTS)
    for name in whole.FIELDS:
        single = np.concatenate([getattr(session.infer(SEGMENTS[i : i + 1]), name) for i in range(len(SEGMENTS))])
        np.testing.assert_allclose(getattr(whole, name), single, rtol=1e-4, atol=1e-5)


def test_a_failure_while_running_is_one_that_a_restart_may_mend(bundle_folder: Path, tmp_path: Path) -> None:
    """A failure during inference names the graph and ends with 1, not 78."""
    import onnx

    steps = "{ shape = Shape(segments) four = Shape(shape) embedding = Reshape(segments, four) }"
    text = f"agraph (float[n, 1, bands, frames] segments) => (float[m] embedding) {steps}"
    graph = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    onnx.save(graph, tmp_path / "embedding.onnx")
    session = OrtSession(dataclasses.replace(load_bundle(bundle_folder), folder=tmp_path), ["embedding"])
    with pytest.raises(InferenceRunError, match="^embedding.onnx: ONNX Runtime failed on cpu: ") as caught:
        session.infer(SEGMENTS)
    assert caught.value.exit_code == 1


@pytest.mark.process
def test_a_graph_that_finds_no_memory_may_load_later(bundle_folder: Path) -> None:
    """A graph that finds no memory ends with 1."""
    code = (
        "import resource, sys; from pathlib import Path; from aegan_monitor.detection.bundle import load_bundle; "
        "from aegan_monitor.program import run_command; from aegan_monitor.inference.onnx_runtime import OrtSession, import_runtime; "
        f"bundle = load_bundle(Path({str(bundle_folder)!r})); import_runtime(); "
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize() + 500_000; "
        "resource.setrlimit(resource.RLIMIT_AS, (used, used)); sys.exit(run_command('aegan-monitor', lambda: bool(OrtSession(bundle))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"aegan-monitor: {bundle_folder}/encoder.onnx: ONNX Runtime cannot load this graph on cpu: ")
    assert "bad_alloc" in done.stderr
    assert done.returncode == 1


def test_a_graph_that_is_none_is_the_fault_of_the_bundle(bundle_folder: Path, tmp_path: Path) -> None:
    """A file that is no graph ends with 78."""
    (tmp_path / "embedding.onnx").write_bytes(b"no graph")
    with pytest.raises(InferenceError, match=r"embedding\.onnx: ONNX Runtime cannot load this graph on cpu: ") as caught:
        OrtSession(dataclasses.replace(load_bundle(bundle_folder), folder=tmp_path), ["embedding"])
    assert caught.value.exit_code == 78


def test_a_graph_that_takes_something_else_is_the_fault_of_the_bundle(bundle_folder: Path) -> None:
    """A graph with other inputs ends with 78 and names its path."""
    session = OrtSession(load_bundle(bundle_folder), ["embedding"])
    expected = rf"^{re.escape(str(bundle_folder))}/embedding\.onnx: is another graph \(.*\); export the bundle again$"
    with pytest.raises(InferenceError, match=f"(?s){expected}") as caught:
        session.infer(np.zeros((1, 1, 64, 64), np.float32))
    assert caught.value.exit_code == 78


def test_only_the_graphs_that_are_needed_are_loaded(bundle_folder: Path) -> None:
    """With a discriminator score the generator's outputs are empty."""
    outputs = OrtSession(load_bundle(bundle_folder), ["embedding"]).infer(SEGMENTS)
    assert outputs.embedding.shape == (19, 64)
    assert outputs.z.size == outputs.z_errors.size == outputs.x_errors.size == 0


def test_reconstructions_are_to_be_had(bundle_folder: Path) -> None:
    """The generator graph gives G(x) on request."""
    assert OrtSession(load_bundle(bundle_folder), ["generator"]).reconstruct(SEGMENTS).shape == SEGMENTS.shape


@pytest.mark.process
def test_no_runtime_is_one_line(bundle_folder: Path) -> None:
    """`check` without ONNX Runtime says what to install."""
    command = f"sys.exit(main(['check', {str(bundle_folder)!r}]))"
    code = f"import sys; sys.modules['onnxruntime'] = None; from aegan_monitor.cli import main; {command}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert done.stderr.startswith("aegan-monitor: ONNX Runtime is not installed: pip install 'aegan-monitor[cpu]'")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.process
def test_the_runtime_tells_nobody_what_runs_here(tmp_path: Path) -> None:
    """ONNX Runtime's telemetry is switched off, so it writes no device id into the user's cache."""
    code = (
        "from aegan_monitor.detection.bundle import load_bundle; from aegan_monitor.detection.bundle import demo_bundle; "
        "from aegan_monitor.inference.onnx_runtime import OrtSession; OrtSession(load_bundle(demo_bundle()))"
    )
    # In what it takes for CI, it keeps still by itself.
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {**inherited, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
