"""Opens a session for a choice of provider and precision, and lists the choices that this computer can try."""

import importlib.util
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.network import GRAPHS, Graph
from aegan_monitor.errors import InferenceError
from aegan_monitor.inference.box import may_compile, read_processor
from aegan_monitor.inference.onnx_runtime import OrtSession, list_missing
from aegan_monitor.inference.openvino import OpenVinoSession
from aegan_monitor.inference.providers import PROVIDERS, Choice
from aegan_monitor.inference.session import GraphSession, graph_file

log = logging.getLogger(__name__)

SESSIONS: dict[str, type[OrtSession] | type[OpenVinoSession]] = {"onnxruntime": OrtSession, "openvino": OpenVinoSession}
LONGEST_BUILD = "10 minutes"


def offered(bundle: Bundle, graphs: Iterable[Graph] = GRAPHS) -> list[Choice]:
    """The choices that this computer can try for `graphs` of the bundle; raises as `find_obstacle`."""
    choices = [Choice(name, precision) for name, provider in PROVIDERS.items() for precision in provider.ways]
    return [choice for choice in choices if not find_obstacle(choice, bundle, graphs)]


def find_obstacle(choice: Choice, bundle: Bundle, graphs: Iterable[Graph] = GRAPHS) -> str:
    """Why `choice` cannot run `graphs` of the bundle here, with the remedy; empty if nothing is known against it.

    Raises:
        InferenceError: ONNX Runtime is not installed: nothing can run without it.
    """
    return next(_find_obstacles(choice, bundle, graphs), "")


def _find_obstacles(choice: Choice, bundle: Bundle, graphs: Iterable[Graph]) -> Iterator[str]:
    provider = PROVIDERS[choice.provider]
    way = provider.ways.get(choice.precision)
    if way is None:
        yield f"{choice.provider} has no {choice.precision}; it has {', '.join(provider.ways)}"
        return
    if provider.runtime == "openvino" and importlib.util.find_spec(provider.runtime) is None:
        yield f"OpenVINO is not installed; {provider.remedy}"
    if provider.runtime == "onnxruntime" and (missing := list_missing(provider.names[:1])):
        yield f"the installed ONNX Runtime has no {missing[0]}; {provider.remedy}"
    if way.flags and not way.flags & read_processor()[1]:
        yield f"this processor has no {choice.precision} ({' or '.join(sorted(way.flags))}); choose another precision"
    if way.needs_graphs and not any(graph_file(graph, way.graphs) in bundle.record.files for graph in graphs):
        yield f"{bundle.folder} has no graphs in {choice.precision}; export it again with this version"
    if provider.compiles and not may_compile():
        yield "this service may not write machine code (MemoryDenyWriteExecute); docs/how-to/gpu.md has a drop-in"


def open_session(bundle: Bundle, graphs: Iterable[Graph], choice: Choice, *, n_threads: int = 1, cache: Path | None = None) -> GraphSession:
    """A session on `graphs` of the bundle; `cache` is the folder of engines that `aegan-monitor prepare` has built.

    Raises:
        InferenceError: `choice` cannot be used here, or does not load.
        InferenceRunError: It does not load now, for instance for lack of memory.
    """
    graphs, provider = tuple(graphs), PROVIDERS[choice.provider]
    if obstacle := find_obstacle(choice, bundle, graphs):
        raise InferenceError(f"{choice} cannot be used: {obstacle}")
    if provider.builds and cache:
        cache.mkdir(parents=True, exist_ok=True)
    if provider.builds and not (cache and any(cache.glob("*.engine"))):
        log.warning("%s: %s builds its engine now, which may take %s", bundle.folder, choice, LONGEST_BUILD)
    return SESSIONS[provider.runtime](bundle, graphs, choice, n_threads=n_threads, cache=cache)
