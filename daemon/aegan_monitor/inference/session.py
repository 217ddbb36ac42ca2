"""What the sessions of all runtimes have in common: batches, and which graph gives which output."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from aegan_monitor.detection.bundle import WEIGHTS, Bundle
from aegan_monitor.detection.network import GRAPH_OUTPUTS, MAX_BATCH, Graph, empty_outputs
from aegan_monitor.inference.providers import PROVIDERS, Choice
from aegan_monitor.types import FloatArray, SegmentOutputs

NO_MEMORY = "bad_alloc"  # the runtimes raise it as errors of any type
NO_GRAPH = "none"  # provider and precision of a session without a graph


class GraphSession(ABC):
    """A session on some graphs of a bundle; see `detection.network.Session`.

    Attributes:
        provider, precision: In use; `none` without a graph.
        requested: The providers that the configuration names, the favourite first.
    """

    def __init__(self, bundle: Bundle, graphs: Iterable[Graph], choice: Choice) -> None:
        self.graphs = tuple(graphs)
        self.provider: str = choice.provider if self.graphs else NO_GRAPH
        self.precision: str = choice.precision if self.graphs else NO_GRAPH
        self.requested: tuple[str, ...] = (choice.provider,)
        self._folder = bundle.folder

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        """See Session; runs batches of at most MAX_BATCH segments."""
        return SegmentOutputs.join([self._infer(segments[i : i + MAX_BATCH]) for i in range(0, len(segments), MAX_BATCH)])

    def _infer(self, batch: FloatArray) -> SegmentOutputs:
        found = empty_outputs(len(batch))
        for graph in self.graphs:
            names = GRAPH_OUTPUTS[graph]
            found.update(zip(names, self._run(graph, names, batch), strict=True))
        return SegmentOutputs(**found)

    def reconstruct(self, segments: FloatArray) -> FloatArray:
        """G(x), the shape of `segments`; needs the generator graph."""
        batches = [segments[i : i + MAX_BATCH] for i in range(0, len(segments), MAX_BATCH)]
        return np.concatenate([self._run("generator", ["recon"], batch)[0] for batch in batches])

    @abstractmethod
    def _run(self, graph: Graph, names: Sequence[str], batch: FloatArray) -> Sequence[FloatArray]:
        """The outputs `names` of a graph for at most MAX_BATCH segments.

        Raises:
            InferenceError: It is another graph.
            InferenceRunError: The runtime failed.
        """


def network_digest(bundle: Bundle, graphs: Iterable[Graph], choice: Choice) -> str:
    """Digest of the files that a session on `graphs` reads; equal for bundles whose machines share a network."""
    names = [WEIGHTS, *(graph_path(bundle, graph, choice).name for graph in graphs)]
    return hashlib.sha256("".join(f"{name} {bundle.record.files[name].sha256}\n" for name in names).encode()).hexdigest()


def graph_file(graph: Graph, ending: str = "") -> str:
    """Name of a graph's file."""
    return f"{graph}.{ending}.onnx" if ending else f"{graph}.onnx"


def graph_path(bundle: Bundle, graph: Graph, choice: Choice) -> Path:
    """The file that `choice` runs: the one of its precision if the bundle has it."""
    special = graph_file(graph, PROVIDERS[choice.provider].ways[choice.precision].graphs)
    return bundle.folder / (special if special in bundle.record.files else graph_file(graph))
