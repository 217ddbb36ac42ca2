"""ONNX Runtime: its outputs, buffers, threads and failures."""

import dataclasses
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.detection.network import GRAPHS, MAX_BATCH
from aegan_monitor.errors import InferenceError, InferenceRunError
from aegan_monitor.inference.device_buffers import DeviceBuffers
from aegan_monitor.inference.onnx_runtime import OrtSession, import_runtime
from aegan_monitor.inference.open import open_session
from aegan_monitor.inference.providers import Choice

SEGMENTS = np.random.default_rng(0).uniform(-1, 1, (19, 1, 128, 128)).astype(np.float32)


@pytest.mark.gpu
def test_a_gpu_computes_the_same(bundle_folder: Path) -> None:
    """On a CUDA device the session uses it and passes the golden check."""
    bundle = load_bundle(bundle_folder)
    session = open_session(bundle, GRAPHS, Choice("cuda"))
    assert (session.provider, session.precision) == ("cuda", "fp32")
    require_golden(bundle, session)


@pytest.mark.parametrize("n", [1, 5, MAX_BATCH])
def test_buffers_of_a_fixed_batch_give_the_same(n: int) -> None:
    """Bound buffers, here in the memory of the CPU, give for batches of any size what a plain call gives."""
    session = OrtSession(load_bundle(demo_bundle()), ["embedding"])._sessions["embedding"]
    buffers = DeviceBuffers(import_runtime(), session, ("embedding",), (MAX_BATCH, 1, 128, 128), "cpu")
    buffers.run(SEGMENTS[:MAX_BATCH])
    (found,) = buffers.run(SEGMENTS[:n])
    np.testing.assert_allclose(found, session.run(["embedding"], {"segments": SEGMENTS[:n]})[0], rtol=1e-4, atol=1e-5)


def test_idle_threads_wait_without_a_loop(bundle_folder: Path) -> None:
    """With two threads a session takes no processor time while nothing is inferred."""
    session = OrtSession(load_bundle(bundle_folder), n_threads=2)
    session.infer(SEGMENTS)
    began_s = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - began_s < 0.02


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
