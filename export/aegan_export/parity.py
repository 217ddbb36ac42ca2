"""The parity check: refuses graphs that deviate from PyTorch on real segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from aegan_export.graph import graph_outputs
from aegan_monitor.detection.network import INT8, Graph
from aegan_monitor.errors import AeganError
from aegan_monitor.inference.onnx_runtime import import_runtime
from aegan_monitor.types import FloatArray

# Relative to the largest value of an output; two fp32 implementations of these networks differ by 1e-6 to 1e-5.
TOLERANCE = 1e-4
INT8_TOLERANCE = 0.5  # finds a broken graph; whether the scores suffice is decided where they are computed
TOLERANCES = {"": TOLERANCE, f".{INT8}": INT8_TOLERANCE}


class ParityError(AeganError):
    """A graph and its PyTorch module disagree."""


@dataclass(frozen=True, slots=True)
class OutputParity:
    """The deviation of one output of one graph file from PyTorch."""

    file: str
    output: str
    deviation: float


def check_parity(modules: dict[Graph, nn.Module], folder: Path, segments: FloatArray) -> list[OutputParity]:
    """Run every graph file in `folder` on `segments` (float32 `[n, 1, n_bands, segment_frames]`) and compare it with its module.

    Raises:
        ParityError: An output deviates by more than TOLERANCE, or is not finite.
        InferenceError: No runtime is installed.
    """
    found = []
    for graph, module in modules.items():
        expected = run_torch(module, segments)
        for ending, tolerance in TOLERANCES.items():
            path = folder / f"{graph}{ending}.onnx"
            if path.exists():
                found += compare(path.name, graph_outputs(graph), expected, run_onnx(path, graph, segments), tolerance)
    return found


def compare(file: str, names: Sequence[str], expected: list[FloatArray], found: list[FloatArray], tolerance: float) -> list[OutputParity]:
    """The deviation of each output of a graph file.

    Raises:
        ParityError: An output deviates by more than `tolerance`, or is not finite.
    """
    parity = []
    for output, wanted, values in zip(names, expected, found, strict=True):
        scale = max(float(np.abs(wanted).max()), 1e-12)
        deviation = float(np.abs(values.astype(np.float64) - wanted).max()) / scale
        if not deviation <= tolerance:
            raise ParityError(
                f"{file}: {output}: expected to differ from PyTorch by at most {tolerance:g}, found {deviation:.3g} on "
                f"{len(wanted)} segments; nothing was written; try other versions of torch and onnxscript"
            )
        parity.append(OutputParity(file, output, deviation))
    return parity


@torch.inference_mode()
def run_torch(module: nn.Module, segments: FloatArray) -> list[FloatArray]:
    """The module's outputs, in order."""
    outputs = module(torch.from_numpy(segments))
    return [each.numpy() for each in (outputs if isinstance(outputs, tuple) else (outputs,))]


def run_onnx(path: Path, graph: Graph, segments: FloatArray) -> list[FloatArray]:
    """The graph's outputs, in order, on the CPU, in two batch sizes to test the free batch dimension."""
    session: Any = import_runtime().InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = list(graph_outputs(graph))
    first, rest = segments[:1], segments[1:]
    parts = [session.run(names, {"segments": batch}) for batch in (first, rest) if len(batch)]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]
