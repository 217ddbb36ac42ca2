"""OpenVINO runs the graphs of a bundle, through its own interface."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.network import Graph
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

    def __init__(self, bundle: Bundle, graphs: Iterable[Graph], choice: Choice, *, n_threads: int = 1, cache: Path | None = None) -> None:  # noqa: ARG002 - as OrtSession
        """Load the graphs; there are no engines to keep in `cache`: loading takes a third of a second.

        Raises:
            InferenceError: No runtime, or a graph that it cannot run.
            InferenceRunError: Too little memory.
        """
        super().__init__(bundle, graphs, choice)
        core, provider = import_runtime().Core(), PROVIDERS[choice.provider]
        options = {**provider.ways[choice.precision].options[0], "INFERENCE_NUM_THREADS": str(n_threads)}
        self._requests: dict[Graph, Any] = {}
        for graph in self.graphs:
            path = graph_path(bundle, graph, choice)
            try:
                self._requests[graph] = core.compile_model(str(path), provider.names[0], options).create_infer_request()
            except Exception as error:  # it raises RuntimeError for everything
                kind = InferenceRunError if NO_MEMORY in str(error) else InferenceError
                raise kind(f"{path}: OpenVINO cannot load this graph: {' '.join(str(error).split())}") from error

    def _run(self, graph: Graph, names: Sequence[str], batch: FloatArray) -> Sequence[FloatArray]:
        try:
            found = self._requests[graph].infer([batch], share_inputs=True)
        except Exception as error:
            raise InferenceRunError(f"{graph}.onnx: OpenVINO failed: {' '.join(str(error).split())}") from error
        try:
            return [found[name] for name in names]
        except KeyError as error:
            raise InferenceError(f"{self._folder / graph}.onnx: is another graph (no output {error}); export the bundle again") from error
