"""One machine's line, built from its configuration: bundle, session, capture, ring, pipeline, judge."""

import logging
import math
import sys
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from aegan_monitor.alarm.machine import Judge, Machine
from aegan_monitor.audio.file import FileCapture
from aegan_monitor.audio.gap_rate import GapRate
from aegan_monitor.audio.microphone import MicrophoneCapture
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.source import Capture
from aegan_monitor.audio.stdin import Pipe, StdinCapture
from aegan_monitor.audio.supervisor import Listener
from aegan_monitor.config.capture import FileCaptureConfig, MicCaptureConfig, StdinCaptureConfig
from aegan_monitor.config.model import InferenceConfig, MachineConfig
from aegan_monitor.detection.bundle import Bundle, load_bundle
from aegan_monitor.detection.fusion import needed_graphs, score_names
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.detection.network import GRAPHS, Graph, OrtSession
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.errors import BundleError, ConfigError

log = logging.getLogger(__name__)

RING_S = 30.0
LONGEST_RUN_S = 4.0  # about MAX_BATCH segments: memory is the same whether one turn is late or not
SLACK_S = 20.0  # of a machine's deadline: the ring may hold what a busy processor has not come to yet


@dataclass(slots=True, eq=False)
class Line:
    """One machine with the thread that listens for it, and what it was made from."""

    machine: Machine
    listener: Listener
    ring: Ring
    session: OrtSession
    sample_rate_hz: int
    config: MachineConfig
    bundle: Bundle
    made_s: float = field(default_factory=time.monotonic)

    @property
    def deadline_s(self) -> float:
        """Seconds within which it has decided, or its sensor is `stalled`: a whole clip, after as long as a sensor may be silent."""
        clip_s = self.bundle.record.first_decision_samples / self.sample_rate_hz
        silence_s = 2 * self.config.no_data_s if math.isfinite(self.config.no_data_s) else 0.0  # as in make_listener
        return silence_s + clip_s + SLACK_S


def choose_score(machine: MachineConfig, bundle: Bundle) -> str:
    """The configured score, or the bundle's.

    Raises:
        ConfigError: There is no such score.
    """
    score = machine.score or bundle.record.score
    names = score_names(bundle.record)
    if score not in names:
        raise ConfigError(f"machine {machine.name}: score: {score!r} is none of {', '.join(names)}")
    return score


def require_streamable(bundle: Bundle) -> None:
    """Refuse features that depend on a whole clip.

    Raises:
        BundleError: The bundle was trained with `top_db`.
    """
    if bundle.record.features.top_db is not None:
        raise BundleError(
            f"{bundle.folder}: trained with top_db {bundle.record.features.top_db:g}, which needs whole clips and cannot be streamed; "
            "train with top_db: null, or use replay --clips"
        )


def open_session(bundle: Bundle, inference: InferenceConfig, score: str) -> OrtSession:
    """A session with the graphs that `score` needs, once the golden recording has passed on all of them.

    Raises:
        InferenceError: No runtime, or a required provider is not in use.
        BundleError: The golden check failed, or the bundle cannot be streamed.
    """
    require_streamable(bundle)

    def load(graphs: Iterable[Graph]) -> OrtSession:
        return OrtSession(bundle, graphs, providers=inference.providers, policy=inference.policy, n_threads=inference.n_threads)

    require_golden(bundle, load(GRAPHS))
    return load(needed_graphs(bundle.record, score))


def make_capture(machine: MachineConfig, sample_rate_hz: int) -> Capture:
    """The machine's capture, not yet open."""
    capture = machine.capture
    if isinstance(capture, MicCaptureConfig):
        return MicrophoneCapture(capture.device, capture.channel, sample_rate_hz, stall_s=machine.no_data_s)
    if isinstance(capture, FileCaptureConfig):
        return FileCapture(capture.paths, sample_rate_hz, capture.pace, loop=capture.loop, channel=capture.channel)
    return StdinCapture(find_standard_input(), sample_rate_hz, capture.sample_format)


@cache
def find_standard_input() -> Pipe:
    """The one of this process."""
    return Pipe(sys.stdin.fileno())


class Sessions:
    """Machines that share a bundle (and what they need of it) share one session, which goes with the last of them."""

    def __init__(self, inference: InferenceConfig) -> None:
        self._inference = inference
        self._open: weakref.WeakValueDictionary[tuple[str, tuple[Graph, ...]], OrtSession] = weakref.WeakValueDictionary()

    def open(self, bundle: Bundle, score: str) -> OrtSession:
        """The session for `score`; raises as `open_session`."""
        key = (bundle.record.record_sha256, needed_graphs(bundle.record, score))
        session = self._open.get(key)
        if session is None:
            session = self._open[key] = open_session(bundle, self._inference, score)
            requested = ", ".join(self._inference.providers)
            log.info("%s: golden check passed; inference on %s (asked for: %s)", bundle.folder, session.provider, requested)
        return session


def make_line(config: MachineConfig, sessions: Sessions, capture: Callable[[MachineConfig, int], Capture] = make_capture) -> Line:
    """Everything that one machine needs, with nothing running yet.

    Raises:
        ConfigError, BundleError, InferenceError: As the parts tell.
    """
    bundle = load_bundle(config.bundle)
    features = bundle.record.features
    score = choose_score(config, bundle)
    session = sessions.open(bundle, score)
    pipeline = Pipeline(bundle.record, bundle.reference, session, [score])
    basis = f"{bundle.record.record_sha256} {score} {config.alarm.quantile} {config.alarm.margin}"
    machine = Machine(config.name, pipeline, Judge(bundle.record, score, config.alarm), basis)
    rate_hz, hop_samples = features.sample_rate_hz, features.hop_samples
    decision_hop_samples = bundle.record.clip.decision_hop_frames * hop_samples
    gap_rate = GapRate(bundle.record.first_decision_samples, decision_hop_samples, round(config.alarm.on_delay_s * rate_hz))
    ring = Ring(round(RING_S * rate_hz), hop_samples, round(LONGEST_RUN_S * rate_hz), gap_rate=gap_rate)
    listener = make_listener(config, ring, capture(config, rate_hz))
    return Line(machine, listener, ring, session, features.sample_rate_hz, config, bundle)


def make_listener(config: MachineConfig, ring: Ring, capture: Capture) -> Listener:
    """The thread that reads a machine's capture into `ring`, not yet started."""
    live = isinstance(config.capture, MicCaptureConfig)
    pace = config.capture.pace if isinstance(config.capture, FileCaptureConfig) else None
    waits = pace == "fast" or isinstance(config.capture, StdinCaptureConfig)
    no_data_s = math.inf if pace == "fast" else 2 * config.no_data_s if live else config.no_data_s  # a microphone tells by itself
    return Listener(config.name, capture, ring, live=live, waits=waits, no_data_s=no_data_s, retry_s=config.retry_s)
