"""ONNX Runtime runs the graphs of a bundle."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.network import GRAPH_OUTPUTS, GRAPHS, MAX_BATCH, Graph
from aegan_monitor.errors import InferenceError, InferenceRunError
from aegan_monitor.inference.device_buffers import DeviceBuffers
from aegan_monitor.inference.providers import PROVIDERS, STRICT, Choice
from aegan_monitor.inference.session import NO_MEMORY, GraphSession, graph_path
from aegan_monitor.types import FloatArray

log = logging.getLogger(__name__)

ORT_ERROR_LEVEL, ORT_FATAL_LEVEL = 3, 4  # with the CPU alone, ONNX Runtime raises each error that it logs
MISFIT = "InvalidArgument"  # type of ONNX Runtime's error for inputs and outputs that a graph does not have
# Types of its errors for a wrong graph. After others (memory, threads, a device) another start may succeed.
REFUSALS = ("InvalidProtobuf", "InvalidGraph", MISFIT, "NotImplemented", "Fail")
# Threads that wait in a loop take a core each, while there is nothing to do.
# The sessions of a process share one arena, which grows by what is needed, not to the next power of two.
SESSION = {"session.intra_op.allow_spinning": "0", "session.inter_op.allow_spinning": "0", "session.use_env_allocators": "1"}
SAME_AS_REQUESTED, LIMITLESS, DEFAULT = 1, 0, -1  # of the arena: how it grows, its size, and other values as the runtime has them


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


@cache
def make_arena(runtime: Any) -> None:
    """Make the arena of this process, once."""
    memory = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
    runtime.create_and_register_allocator(memory, runtime.OrtArenaCfg(LIMITLESS, SAME_AS_REQUESTED, DEFAULT, DEFAULT))


class OrtSession(GraphSession):
    """ONNX Runtime on some graphs of a bundle."""

    def __init__(
        self, bundle: Bundle, graphs: Iterable[Graph] = GRAPHS, choice: Choice = STRICT, *, n_threads: int = 1, cache: Path | None = None
    ) -> None:
        """Load the graphs; `cache` is the folder of engines.

        Raises:
            InferenceError: No runtime, a wrong graph, or the session does not use the provider of `choice`.
            InferenceRunError: A graph does not load for another reason, such as too little memory.
        """
        super().__init__(bundle, graphs, choice)
        self._runtime = runtime = import_runtime()
        make_arena(runtime)
        self._choice, provider = choice, PROVIDERS[choice.provider]
        options = runtime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.enable_mem_pattern = False  # it keeps memory for the largest batch so far
        options.log_severity_level = ORT_FATAL_LEVEL if choice.provider == "cpu" else ORT_ERROR_LEVEL
        for key, value in SESSION.items():
            options.add_session_config_entry(key, value)
        clip, n_bands = bundle.record.clip, bundle.record.features.n_bands
        shape = (1, n_bands, clip.segment_frames)
        least, most = ("x".join(map(str, (n, *shape))) for n in (1, MAX_BATCH))
        places = {"cache": str(cache or ""), "least": least, "most": most}
        self._sessions = {graph: self._load(graph_path(bundle, graph, choice), options, places) for graph in self.graphs}
        self._buffers: dict[Graph, DeviceBuffers] = {}
        if provider.device:
            for graph, session in self._sessions.items():
                try:
                    self._buffers[graph] = DeviceBuffers(runtime, session, GRAPH_OUTPUTS[graph], (MAX_BATCH, *shape), provider.device)
                except Exception as error:  # onnxruntime raises a dozen unrelated types
                    raise InferenceRunError(f"{graph}.onnx: ONNX Runtime has no buffers on {choice.provider}: {error}") from error

    def _load(self, path: Path, options: Any, places: Mapping[str, str]) -> Any:
        """A session on the file, by the first set of the provider's options that loads."""
        provider = PROVIDERS[self._choice.provider]
        sets = provider.ways[self._choice.precision].options
        for number, values in enumerate(sets, 1):
            own = {key: value.format(**places) for key, value in values.items()}
            try:
                session = self._runtime.InferenceSession(str(path), options, providers=[(provider.names[0], own), *provider.names[1:]])
            except Exception as error:  # onnxruntime raises a dozen unrelated types
                if number < len(sets):
                    log.warning("%s: does not load on %s with %s: %s", path, self._choice, own, error)
                    continue
                refused = type(error).__name__ in REFUSALS and NO_MEMORY not in str(error)
                raise (InferenceError if refused else InferenceRunError)(
                    f"{path}: ONNX Runtime cannot load this graph on {self._choice.provider}: {error}"
                ) from error
            in_use = session.get_providers()[0]
            if in_use == provider.names[0]:
                return session
            raise InferenceError(
                f"ONNX Runtime {self._runtime.__version__} runs {path} on {in_use} in place of {provider.names[0]}; {provider.remedy}"
            )
        raise AssertionError("a provider has one set of options at least")

    def _run(self, graph: Graph, names: Sequence[str], batch: FloatArray) -> Sequence[FloatArray]:
        try:
            if graph in self._buffers and names == GRAPH_OUTPUTS[graph]:
                return self._buffers[graph].run(batch)
            outputs: Sequence[FloatArray] = self._sessions[graph].run(list(names), {"segments": batch})
        except Exception as error:
            if type(error).__name__ == MISFIT and NO_MEMORY not in str(error):
                raise InferenceError(f"{self._folder / graph}.onnx: is another graph ({error}); export the bundle again") from error
            raise InferenceRunError(f"{graph}.onnx: ONNX Runtime failed on {self.provider}: {error}") from error
        return outputs


def list_missing(names: Sequence[str]) -> list[str]:
    """Those of ONNX Runtime's providers `names` that the installed package does not have.

    Raises:
        InferenceError: ONNX Runtime is not installed.
    """
    has = import_runtime().get_available_providers()
    return [name for name in names if name not in has]
