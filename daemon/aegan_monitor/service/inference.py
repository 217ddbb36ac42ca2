"""Inference of the machines: what they share, and how one machine's failure is contained."""

import logging
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aegan_monitor.config.model import InferenceConfig
from aegan_monitor.detection.bundle import Bundle, load_bundle, require_streamable
from aegan_monitor.detection.fusion import needed_graphs
from aegan_monitor.detection.network import Graph
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.errors import InferenceRunError
from aegan_monitor.inference.choice import open_wanted
from aegan_monitor.inference.open import open_session
from aegan_monitor.inference.prepared import Prepared
from aegan_monitor.inference.providers import Choice
from aegan_monitor.inference.session import NO_GRAPH, GraphSession, network_digest
from aegan_monitor.types import Run

log = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 300.0
GIVE_UP_S = 300.0  # after which a machine's inference counts as lost; when it is lost for all machines, the daemon ends


class Sessions:
    """Machines whose bundles have the same content share its arrays; those with the same network, also one session.

    Everything is held by the machines that use it, and freed with the last of them.
    """

    def __init__(self, inference: InferenceConfig, folder: Path | None = None) -> None:
        """`folder` is the state directory, with what `aegan-monitor prepare` has found."""
        self._inference, self._prepared = inference, Prepared(folder)
        self._bundles: weakref.WeakValueDictionary[str, Bundle] = weakref.WeakValueDictionary()
        self._sessions: weakref.WeakValueDictionary[tuple[str, tuple[Graph, ...]], GraphSession] = weakref.WeakValueDictionary()
        self._networks: weakref.WeakValueDictionary[tuple[str, Choice], GraphSession] = weakref.WeakValueDictionary()
        self._pipelines: weakref.WeakValueDictionary[tuple[str, str], Pipeline] = weakref.WeakValueDictionary()

    def are_current(self) -> bool:
        """Whether `aegan-monitor prepare` has found nothing new since."""
        return self._prepared.is_current()

    def load_bundle(self, folder: Path) -> Bundle:
        """The bundle in `folder`, or the one in use with the same content.

        Raises:
            BundleError: As `detection.bundle.load_bundle`.
        """
        bundle = load_bundle(folder)
        return self._bundles.setdefault(bundle.record.record_sha256, bundle)

    def open(self, bundle: Bundle, score: str) -> GraphSession:
        """A session with the graphs that `score` needs, which has passed the golden check.

        Raises:
            InferenceError: No runtime, or a required provider is not in use.
            BundleError: The golden check failed, or the bundle cannot be streamed.
        """
        key = (bundle.record.record_sha256, needed_graphs(bundle.record, score))
        session = self._sessions.get(key)
        if session is None:
            require_streamable(bundle)
            session = self._sessions[key] = open_wanted(bundle, self._inference, self._prepared, score, opening=self._open_network)
            where = f"inference on {session.provider} in {session.precision} (requested: {', '.join(session.requested)})"
            log.info("%s: golden check passed; %s", bundle.folder, "its score needs no network" if session.provider == NO_GRAPH else where)
        return session

    def _open_network(
        self, bundle: Bundle, graphs: tuple[Graph, ...], choice: Choice, *, n_threads: int, cache: Path | None
    ) -> GraphSession:
        """As `open_session`; bundles with equal graphs and weights get the same session."""
        key = (network_digest(bundle, graphs, choice), choice)
        session = self._networks.get(key)
        if session is None:
            session = self._networks[key] = open_session(bundle, graphs, choice, n_threads=n_threads, cache=cache)
        return session

    def make_pipeline(self, bundle: Bundle, score: str) -> Pipeline:
        """A pipeline for one machine; raises as `open`. All pipelines from here belong to one thread: they share scratch memory."""
        key = (bundle.record.record_sha256, score)
        known = self._pipelines.get(key)
        made = known.fork() if known else Pipeline(bundle.record, bundle.reference, self.open(bundle, score), [score])
        self._pipelines[key] = made
        return made


class InferenceRetry:
    """Back-off of one machine after its inference failed.

    Samples are discarded until the next attempt, which begins as after a gap. The wait doubles from FIRST_RETRY_S to LONGEST_RETRY_S
    until a decision succeeds.

    Attributes:
        error: The failure that began the present fault; None while inference works.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.error: InferenceRunError | None = None
        self._clock = clock
        self._failed_s = self._wait_s = 0.0  # when the fault began
        self._retry_s: float | None = None  # when the next attempt is due; None if it has begun

    @property
    def is_lost(self) -> bool:
        """Whether inference has failed for GIVE_UP_S."""
        return self.error is not None and self._clock() - self._failed_s >= GIVE_UP_S

    def admit(self, run: Run) -> Run | None:
        """The run to score; None while the next attempt is not yet due."""
        if self._retry_s is None:
            return run
        if self._clock() < self._retry_s:
            return None
        self._retry_s = None
        return replace(run, after_gap=True)

    def fail(self, error: Exception) -> None:
        """Inference has failed."""
        now_s = self._clock()
        if self.error is None:
            self.error, self._failed_s = InferenceRunError(" ".join(str(error).split()) or type(error).__name__), now_s
        self._wait_s = min(max(FIRST_RETRY_S, 2 * self._wait_s), LONGEST_RETRY_S)
        self._retry_s = now_s + self._wait_s

    def succeed(self) -> None:
        """A decision was computed."""
        self.error, self._wait_s = None, 0.0
