"""OpenVINO runs the graphs of a bundle, through its own interface."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.network import GRAPH_OUTPUTS, Graph
from aegan_monitor.errors import InferenceError, InferenceRunError
from aegan_monitor.inference.providers import PROVIDERS, Choice
from aegan_monitor.inference.session import NO_MEMORY, GraphSession, graph_path
from aegan_monitor.types import FloatArray


def import_runtime() -> Any:
    """The module openvino, without the package that reports usage to Intel.

    Raises:
        InferenceError: It is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # an import of it fails, and openvino goes on
    try:
        import openvino  # noqa: PLC0415 - the runtime is an extra
    except ImportError as error:
        raise InferenceError(f"OpenVINO is not installed: {PROVIDERS['openvino'].remedy} ({error})") from error
    return openvino


class OpenVinoSession(GraphSession):
    """OpenVINO on some graphs of a bundle."""

    def __init__(self, bundle: Bundle, graphs: Iterable[Graph], choice: Choice, *, n_threads: int = 1, cache: Path | None = None) -> None:
        """Load the graphs.

        Raises:
            InferenceError: No runtime, or a graph that it cannot run.
            InferenceRunError: Too little memory.
        """
        super().__init__(bundle, graphs, choice)
        self._runtime = import_runtime()
        self._core = self._runtime.Core()
        self._options = {**PROVIDERS[choice.provider].ways[choice.precision].options[0], "INFERENCE_NUM_THREADS": str(n_threads)}
        self._device, self._cache = PROVIDERS[choice.provider].names[0], cache
        self._paths = {graph: graph_path(bundle, graph, choice) for graph in self.graphs}
        self._requests = {(graph, tuple(GRAPH_OUTPUTS[graph])): self._load(graph, GRAPH_OUTPUTS[graph]) for graph in self.graphs}

    def _load(self, graph: Graph, names: Sequence[str]) -> Any:
        """A request for the outputs `names` alone: OpenVINO computes every output that a model has."""
        path = self._paths[graph]
        try:
            whole = self._core.read_model(str(path))
            model = self._runtime.Model([whole.output(name) for name in names], whole.get_parameters(), graph)
            return self._core.compile_model(model, self._device, self._options).create_infer_request()
        except Exception as error:  # it raises RuntimeError for everything
            kind = InferenceRunError if NO_MEMORY in str(error) else InferenceError
            raise kind(f"{path}: OpenVINO cannot load this graph: {' '.join(str(error).split())}") from error

    def _run(self, graph: Graph, names: Sequence[str], batch: FloatArray) -> Sequence[FloatArray]:
        key = (graph, tuple(names))
        if key not in self._requests:
            self._requests[key] = self._load(graph, names)
        try:
            found = self._requests[key].infer([batch], share_inputs=True)
        except Exception as error:
            raise InferenceRunError(f"{graph}.onnx: OpenVINO failed: {' '.join(str(error).split())}") from error
        return [np.array(found[name]) for name in names]
