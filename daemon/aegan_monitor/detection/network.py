"""The network's protocol, and its implementation by ONNX Runtime."""

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from aegan_monitor.errors import InferenceError, InferenceRunError
from aegan_monitor.types import FloatArray, SegmentOutputs

if TYPE_CHECKING:
    from aegan_monitor.detection.bundle import Bundle

log = logging.getLogger(__name__)

Graph = Literal["encoder", "embedding", "generator"]
Policy = Literal["prefer", "require"]
GRAPHS: tuple[Graph, ...] = ("encoder", "embedding", "generator")
GRAPH_OUTPUTS: dict[Graph, tuple[str, ...]] = {
    "encoder": ("z",),
    "embedding": ("embedding",),
    "generator": ("z_errors", "x_errors"),  # and "recon" on request
}
MAX_BATCH = 16  # larger ones are no faster on a CPU
ORT_ERROR_LEVEL, ORT_FATAL_LEVEL = 3, 4  # on the CPU alone all that the runtime logs as an error is raised as well, and told by us
MISFIT = "InvalidArgument"  # ONNX Runtime's word for inputs and outputs that a graph does not have: starting again does not help
# ONNX Runtime's words for a graph that is wrong; what else fails (memory, threads, a device) may go well at another start.
REFUSALS = ("InvalidProtobuf", "InvalidGraph", MISFIT, "NotImplemented", "Fail")
NO_MEMORY = "bad_alloc"  # which it may call by any of these words
RUNTIME_PROVIDERS = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


class Session(Protocol):
    """A network as the pipeline uses it."""

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        """The outputs for float32 segments `[n, 1, n_bands, segment_frames]`; fields that no score needs are empty."""


def import_runtime() -> Any:
    """The module onnxruntime, without telemetry: 1.29 and newer report usage to Microsoft, unless this is set before they load.

    Raises:
        InferenceError: It is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # noqa: PLC0415 - the runtime is an extra, and its absence has an error of its own
    except ImportError as error:
        message = (
            "ONNX Runtime is not installed: pip install 'aegan-monitor[cpu]', or 'aegan-monitor[gpu]' on a machine with an NVIDIA GPU "
            f"(never both) ({error})"
        )
        raise InferenceError(message) from error
    return onnxruntime


def empty_outputs(n: int) -> dict[str, FloatArray]:
    """Every field of SegmentOutputs, `[n, 0]`."""
    return {name: np.zeros((n, 0), np.float32) for name in SegmentOutputs.FIELDS}


class OrtSession:
    """ONNX Runtime on a bundle's graphs; only the requested graphs are loaded.

    Attributes:
        provider: The provider in use (`tensorrt`, `cuda` or `cpu`), as the created sessions report it; `none` without a graph.
        requested: The requested providers, in order.
    """

    def __init__(
        self,
        bundle: "Bundle",
        graphs: Iterable[Graph] = GRAPHS,
        *,
        providers: Sequence[str] = ("cpu",),
        policy: Policy = "prefer",
        n_threads: int = 1,
    ) -> None:
        """Load the graphs.

        Raises:
            InferenceError: No runtime; a graph is wrong; or `policy` is `require` and the first of `providers`
                is not what a session uses.
            InferenceRunError: A graph does not load for another reason, such as too little memory.
        """
        runtime = import_runtime()
        self.requested = tuple(providers)
        self._folder = bundle.folder
        options = runtime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.log_severity_level = ORT_FATAL_LEVEL if self.requested == ("cpu",) else ORT_ERROR_LEVEL
        self._sessions = {graph: self._load(runtime, bundle.graph_path(graph), options, policy) for graph in graphs}
        in_use = {self._provider_of(session) for session in self._sessions.values()}
        self.provider = next((name for name in reversed(RUNTIME_PROVIDERS) if name in in_use), "none")  # the slowest one in use
        if self._sessions and self.provider != providers[0]:
            wanted = (
                f"provider {providers[0]} was asked for, but ONNX Runtime {runtime.__version__} runs {bundle.folder} on {self.provider} "
                f"(this runtime offers {', '.join(self._offered(runtime))})"
            )
            if policy == "require":
                raise InferenceError(f"inference.providers: {wanted}; install its libraries, or set inference.policy: prefer")
            log.warning("%s; inference is slower than you meant", wanted)

    @staticmethod
    def _offered(runtime: Any) -> list[str]:
        available = runtime.get_available_providers()
        return [name for name, runtime_name in RUNTIME_PROVIDERS.items() if runtime_name in available]

    def _load(self, runtime: Any, path: Path, options: Any, policy: Policy) -> Any:
        offered = self._offered(runtime)
        if policy == "require" and self.requested[0] not in offered:
            message = (
                f"inference.providers: {self.requested[0]} is required, but this ONNX Runtime {runtime.__version__} offers only "
                f"{', '.join(offered)}; install aegan-monitor[gpu] with its libraries, or set inference.policy: prefer"
            )
            raise InferenceError(message)
        names = [RUNTIME_PROVIDERS[name] for name in self.requested if name in offered] or [RUNTIME_PROVIDERS["cpu"]]
        try:
            return runtime.InferenceSession(str(path), options, providers=names)
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            refused = type(error).__name__ in REFUSALS and NO_MEMORY not in str(error)
            raise (InferenceError if refused else InferenceRunError)(
                f"{path}: ONNX Runtime cannot load this graph on {', '.join(self.requested)}: {error}"
            ) from error

    @staticmethod
    def _provider_of(session: Any) -> str:
        first = session.get_providers()[0]
        return next((name for name, runtime_name in RUNTIME_PROVIDERS.items() if runtime_name == first), first)

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        """See Session; at most MAX_BATCH segments go through the network at once."""
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
                raise InferenceError(
                    f"{self._folder / graph}.onnx: is not the graph that its name says ({error}); export the bundle again"
                ) from error
            raise InferenceRunError(f"{graph}.onnx: ONNX Runtime failed on {self.provider}: {error}") from error
        return outputs

    def reconstruct(self, segments: FloatArray) -> FloatArray:
        """G(x), the shape of `segments`; needs the generator graph."""
        batches = [segments[i : i + MAX_BATCH] for i in range(0, len(segments), MAX_BATCH)]
        return np.concatenate([self._run("generator", ["recon"], batch)[0] for batch in batches])
