"""One contender of `infer.py`, in a process of its own: NAME FOLDER N_THREADS; a line `workload batch seconds` on its input is one turn.

It prints one JSON object a line: first what it is, then the result of each turn.
"""

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from aegan_monitor.detection.network import GRAPH_OUTPUTS, Graph
from aegan_monitor.types import FloatArray

SEGMENT = (1, 128, 128)
WORKLOADS: dict[str, tuple[Graph, ...]] = {"all 19 scores": ("embedding", "generator"), "embedding only": ("embedding",)}
WEIGHTS, EXPECTED = "networks.pt", "expected.npz"  # in FOLDER, beside the graphs; written by `infer.py`
PEAK_SIZE = 2048  # of square matrices
Infer = Callable[[FloatArray], dict[str, FloatArray]]


def open_reference(folder: Path, graphs: tuple[Graph, ...], n_threads: int) -> Infer:
    """The reference procedure in eager PyTorch: the encoder, the decoder, the encoder again, and the critic's embedding."""
    import torch  # only this contender may have it in its process

    from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters
    from aegan_train.torch_session import latent_errors, picture_errors

    torch.set_num_threads(n_threads)
    states = torch.load(folder / WEIGHTS, weights_only=True)
    g, d = Generator(NetworkParameters()).eval(), Discriminator(NetworkParameters()).eval()
    g.load_state_dict(states["netG"])
    d.load_state_dict(states["netD"])

    @torch.inference_mode()
    def infer(segments: FloatArray) -> dict[str, FloatArray]:
        x = torch.from_numpy(segments)
        found = {"embedding": d(x)[1]}
        if "generator" in graphs:
            z = g.Encoder(x)
            recon = g.Decoder(z)
            found |= {"z_errors": latent_errors(z.flatten(1), g.Encoder(recon).flatten(1)), "x_errors": picture_errors(x, recon)}
        return {name: tensor.numpy() for name, tensor in found.items()}

    return infer


def open_onnx_runtime(folder: Path, graphs: tuple[Graph, ...], n_threads: int) -> Infer:
    """The graphs in ONNX Runtime, as the daemon runs them."""
    from aegan_monitor.inference.onnx_runtime import OrtSession

    bundle: Any = SimpleNamespace(folder=folder)  # nothing else is read
    session = OrtSession(bundle, graphs, n_threads=n_threads)
    names = [name for graph in graphs for name in GRAPH_OUTPUTS[graph]]

    def infer(segments: FloatArray) -> dict[str, FloatArray]:
        outputs = session.infer(segments)
        return {name: getattr(outputs, name) for name in names}

    return infer


def open_openvino(precision: str) -> Callable[[Path, tuple[Graph, ...], int], Infer]:
    """The graphs in OpenVINO's own interface, with arithmetic of `precision`."""

    def open_graphs(folder: Path, graphs: tuple[Graph, ...], n_threads: int) -> Infer:
        import openvino

        options = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": n_threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        core = openvino.Core()
        compiled = {graph: core.compile_model(str(folder / f"{graph}.onnx"), "CPU", options).create_infer_request() for graph in graphs}

        def infer(segments: FloatArray) -> dict[str, FloatArray]:
            found: dict[str, FloatArray] = {}
            for graph, request in compiled.items():
                request.infer({"segments": segments}, share_inputs=True)
                found |= {name: request.get_tensor(name).data.copy() for name in GRAPH_OUTPUTS[graph]}
            return found

        return infer

    return open_graphs


def open_peak(kind: str) -> Callable[[Path, tuple[Graph, ...], int], Infer]:
    """A product of two large matrices in the type `kind`: what this computer can do at most."""

    def open_product(_: Path, __: tuple[Graph, ...], n_threads: int) -> Infer:
        import torch

        torch.set_num_threads(n_threads)
        one, other = (torch.rand(PEAK_SIZE, PEAK_SIZE).to(getattr(torch, kind)) for _ in range(2))

        def infer(_: FloatArray) -> dict[str, FloatArray]:
            torch.mm(one, other)
            return {}

        return infer

    return open_product


OPEN: dict[str, Callable[[Path, tuple[Graph, ...], int], Infer]] = {
    "reference, eager PyTorch": open_reference,
    "ONNX Runtime fp32": open_onnx_runtime,
    "OpenVINO fp32": open_openvino("f32"),
    "OpenVINO bf16": open_openvino("bf16"),
    "matrix product fp32": open_peak("float32"),
    "matrix product bf16": open_peak("bfloat16"),
}
REFERENCE = next(iter(OPEN))
PEAKS = [name for name in OPEN if name.startswith("matrix")]
NEEDS = {"OpenVINO": "openvino"}


def is_here(name: str) -> bool:
    """Whether the runtime of this contender is installed."""
    return all(importlib.util.find_spec(module) for prefix, module in NEEDS.items() if name.startswith(prefix))


def find_deviation(folder: Path, infer: Infer) -> float:
    """Largest deviation of any output from that of the independent plain networks, relative to the output's largest value."""
    with np.load(folder / EXPECTED) as expected:
        found = infer(expected["segments"])
        return max((float(np.abs(found[name] - expected[name]).max() / np.abs(expected[name]).max()) for name in found), default=0.0)


def take_turn(infer: Infer, segments: FloatArray, seconds: float) -> dict[str, float]:
    """Infer the same batch over and over; calls, and seconds of the clock and of the processor."""
    infer(segments)  # the caches belong to another contender
    n_calls, began_s, began_cpu_s = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began_s < seconds:
        infer(segments)
        n_calls += 1
    return {"n_calls": n_calls, "clock_s": time.perf_counter() - began_s, "processor_s": time.process_time() - began_cpu_s}


def main() -> None:
    """Serve turns until the input ends."""
    name, folder, n_threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    opened = {workload: OPEN[name](folder, graphs, n_threads) for workload, graphs in WORKLOADS.items()}
    deviation = max(find_deviation(folder, infer) for infer in opened.values())
    print(json.dumps({"deviation": deviation}), flush=True)
    rng = np.random.default_rng(0)
    for line in sys.stdin:
        workload, batch, seconds = json.loads(line)
        segments = rng.uniform(-1, 1, (batch, *SEGMENT)).astype(np.float32)
        print(json.dumps(take_turn(opened[workload], segments, seconds)), flush=True)


if __name__ == "__main__":
    main()
