"""ONNX Runtime runs the graphs of a bundle."""

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.network import GRAPH_OUTPUTS, GRAPHS, MAX_BATCH, PROCESSOR, Graph, empty_outputs
from aegan_monitor.errors import InferenceError, InferenceRunError
from aegan_monitor.types import FloatArray, SegmentOutputs

log = logging.getLogger(__name__)

Policy = Literal["prefer", "require"]
ORT_ERROR_LEVEL, ORT_FATAL_LEVEL = 3, 4  # with the CPU alone, ONNX Runtime raises each error that it logs
MISFIT = "InvalidArgument"  # type of ONNX Runtime's error for inputs and outputs that a graph does not have
# Types of its errors for a wrong graph. After others (memory, threads, a device) another start may succeed.
REFUSALS = ("InvalidProtobuf", "InvalidGraph", MISFIT, "NotImplemented", "Fail")
NO_MEMORY = "bad_alloc"  # it raises this as any of these types
RUNTIME_PROVIDERS = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


def import_runtime() -> Any:
    """The module onnxruntime, without telemetry: version 1.29 and newer report usage to Microsoft unless this is set before.

    Raises:
        InferenceError: It is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # noqa: PLC0415 - the runtime is an extra
    except ImportError as error:
        raise InferenceError(
            "ONNX Runtime is not installed: pip install 'aegan-monitor[cpu]', or 'aegan-monitor[gpu]' on a machine with an NVIDIA GPU "
            f"(never both) ({error})"
        ) from error
    return onnxruntime


class OrtSession:
    """ONNX Runtime on the requested graphs of a bundle.

    Attributes:
        provider: The slowest provider in use, as the sessions report it; `none` without a graph.
    """

    def __init__(
        self,
        bundle: Bundle,
        graphs: Iterable[Graph] = GRAPHS,
        *,
        providers: Sequence[str] = ("cpu",),
        policy: Policy = "prefer",
        n_threads: int = 1,
    ) -> None:
        """Load the graphs.

        Raises:
            InferenceError: No runtime; a wrong graph; or `policy` is `require` and a session does not use the first of `providers`.
            InferenceRunError: A graph does not load for another reason, such as too little memory.
        """
        runtime = import_runtime()
        self.requested = tuple(providers)
        self._folder = bundle.folder
        options = runtime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.log_severity_level = ORT_FATAL_LEVEL if self.requested == ("cpu",) else ORT_ERROR_LEVEL
        offered = [name for name, runtime_name in RUNTIME_PROVIDERS.items() if runtime_name in runtime.get_available_providers()]
        names = [RUNTIME_PROVIDERS[name] for name in self.requested if name in offered] or [RUNTIME_PROVIDERS["cpu"]]
        self._sessions = {graph: self._load(runtime, graph_path(bundle, graph, self.requested), options, names) for graph in graphs}
        in_use = {session.get_providers()[0] for session in self._sessions.values()}
        self.provider = next((name for name in reversed(RUNTIME_PROVIDERS) if RUNTIME_PROVIDERS[name] in in_use), "none")
        if self._sessions and self.provider != providers[0]:
            wanted = (
                f"inference.providers: {providers[0]} is requested, but ONNX Runtime {runtime.__version__} runs {bundle.folder} on "
                f"{self.provider} (it offers only {', '.join(offered)})"
            )
            if policy == "require":
                raise InferenceError(f"{wanted}; install aegan-monitor[gpu] with its libraries, or set inference.policy: prefer")
            log.warning("%s; inference is slower", wanted)

    def _load(self, runtime: Any, path: Path, options: Any, names: list[str]) -> Any:
        try:
            return runtime.InferenceSession(str(path), options, providers=names)
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            refused = type(error).__name__ in REFUSALS and NO_MEMORY not in str(error)
            raise (InferenceError if refused else InferenceRunError)(
                f"{path}: ONNX Runtime cannot load this graph on {', '.join(self.requested)}: {error}"
            ) from error

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        """See Session; runs batches of at most MAX_BATCH segments."""
        return SegmentOutputs.join([self._infer(segments[i : i + MAX_BATCH]) for i in range(0, len(segments), MAX_BATCH)])

    def _infer(self, batch: FloatArray) -> SegmentOutputs:
        found = empty_outputs(len(batch))
        for graph in self._sessions:
            names = GRAPH_OUTPUTS[graph]
            found.update(zip(names, self._run(graph, names, batch), strict=True))
        return SegmentOutputs(**found)

    def _run(self, graph: Graph, names: Sequence[str], batch: FloatArray) -> Sequence[FloatArray]:
        try:
            outputs: Sequence[FloatArray] = self._sessions[graph].run(list(names), {"segments": batch})
        except Exception as error:
            if type(error).__name__ == MISFIT and NO_MEMORY not in str(error):
                raise InferenceError(f"{self._folder / graph}.onnx: is another graph ({error}); export the bundle again") from error
            raise InferenceRunError(f"{graph}.onnx: ONNX Runtime failed on {self.provider}: {error}") from error
        return outputs

    def reconstruct(self, segments: FloatArray) -> FloatArray:
        """G(x), the shape of `segments`; needs the generator graph."""
        batches = [segments[i : i + MAX_BATCH] for i in range(0, len(segments), MAX_BATCH)]
        return np.concatenate([self._run("generator", ["recon"], batch)[0] for batch in batches])


def graph_path(bundle: Bundle, graph: Graph, providers: Sequence[str]) -> Path:
    """The file that ONNX Runtime runs: the one for a processor, if the bundle has it and nothing else may be used."""
    fast = f"{graph}.{PROCESSOR}.onnx"
    return bundle.folder / (fast if tuple(providers) == ("cpu",) and fast in bundle.record.files else f"{graph}.onnx")
