"""The parity check: refuses graphs that deviate from PyTorch on real segments."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from aegan_export.graph import graph_outputs
from aegan_monitor.detection.network import GRAPHS, Graph
from aegan_monitor.errors import AeganError
from aegan_monitor.inference.onnx_runtime import import_runtime
from aegan_monitor.types import FloatArray

# Relative to the largest value of an output; two fp32 implementations of these networks differ by 1e-6 to 1e-5.
TOLERANCE = 1e-4


class ParityError(AeganError):
    """A graph and its PyTorch module disagree."""


@dataclass(frozen=True, slots=True)
class OutputParity:
    """The deviation of one output of one graph from PyTorch."""

    graph: Graph
    output: str
    deviation: float


def check_parity(modules: dict[Graph, nn.Module], folder: Path, segments: FloatArray) -> list[OutputParity]:
    """Run every graph in `folder` on `segments` (float32 `[n, 1, n_bands, segment_frames]`) and compare it with its module.

    Raises:
        ParityError: An output deviates by more than TOLERANCE, or is not finite.
        InferenceError: No runtime is installed.
    """
    found = []
    for graph in GRAPHS:
        for output, expected, value in zip(
            graph_outputs(graph), run_torch(modules[graph], segments), run_onnx(folder, graph, segments), strict=True
        ):
            scale = max(float(np.abs(expected).max()), 1e-12)
            deviation = float(np.abs(value.astype(np.float64) - expected).max()) / scale
            if not deviation <= TOLERANCE:
                raise ParityError(
                    f"{graph}.onnx: {output}: expected to differ from PyTorch by at most {TOLERANCE:g}, found {deviation:.3g} on "
                    f"{len(segments)} segments; nothing was written; try other versions of torch and onnxscript"
                )
            found.append(OutputParity(graph, output, deviation))
    return found


@torch.inference_mode()
def run_torch(module: nn.Module, segments: FloatArray) -> list[FloatArray]:
    """The module's outputs, in order."""
    outputs = module(torch.from_numpy(segments))
    return [each.numpy() for each in (outputs if isinstance(outputs, tuple) else (outputs,))]


def run_onnx(folder: Path, graph: Graph, segments: FloatArray) -> list[FloatArray]:
    """The graph's outputs, in order, on the CPU, in two batch sizes to test the free batch dimension."""
    session: Any = import_runtime().InferenceSession(str(folder / f"{graph}.onnx"), providers=["CPUExecutionProvider"])
    names = list(graph_outputs(graph))
    first, rest = segments[:1], segments[1:]
    parts = [session.run(names, {"segments": batch}) for batch in (first, rest) if len(batch)]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]
