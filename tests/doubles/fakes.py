"""Small real implementations that tests pass to constructors."""

import io
import math
import threading
from collections.abc import Sequence

import numpy as np

from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import CaptureSupervisor, SensorState
from aegan_monitor.detection.features import FeatureParameters, make_filterbank
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import SPACE_SCORES
from aegan_monitor.detection.segments import ClipParameters, Scaling
from aegan_monitor.detection.views import BandSummary, summarise
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block, DoubleArray, FloatArray, SegmentOutputs
from aegan_train.calibration.statistics import ClipStatistics, fit_reference

N_EMBEDDING = 6


class Terminal(io.StringIO):
    """A terminal that keeps its output."""

    def isatty(self) -> bool:
        return True


class ArithmeticSession:
    """A network of plain sums with predictable outputs, which counts its segments."""

    def __init__(self) -> None:
        self.n_segments = 0
        self._weights = np.random.default_rng(0).normal(size=(N_EMBEDDING, 128)).astype(np.float32)

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        self.n_segments += len(segments)
        embedding = segments.mean(axis=(1, 3)) @ self._weights.T
        spread = segments.std(axis=(1, 2, 3))
        z_errors = np.stack([spread, spread**2, spread / 10], axis=1)
        return SegmentOutputs(embedding, embedding, z_errors, z_errors[:, :2] * 2)


def make_fields(clip: ClipParameters | None = None) -> BundleFields:
    """The fields of a bundle's record that a pipeline reads."""
    return BundleFields.model_construct(
        fusion={},
        spaces=list(SPACE_SCORES),
        features=FeatureParameters(),
        scaling=Scaling((-30.0,), (50.0,)),
        clip=clip or ClipParameters(segment_hop_frames=16),
    )


def make_db(n_clips: int, seed: int, n_frames: int = 128) -> list[FloatArray]:
    """The linear and mel bands of clips of noise in dB, `[256, n_frames]`, each clip with levels of its own."""
    rng = np.random.default_rng(seed)
    return [rng.normal(rng.normal(-40, 10, (256, 1)), 5, (256, n_frames)).astype(np.float32) for _ in range(n_clips)]


def make_bands(n_clips: int, seed: int, n_frames: int = 128) -> list[BandSummary]:
    """The summaries of `make_db`."""
    return [summarise(db) for db in make_db(n_clips, seed, n_frames)]


def stack_means(bands: Sequence[BandSummary]) -> DoubleArray:
    """The mean bands of clips, `[n_clips, 2, 128]`."""
    return np.stack([each.mean for each in bands])


def make_reference() -> ReferenceSet:
    """A reference set of random normal embeddings."""
    embeddings = np.random.default_rng(1).normal(size=(20, N_EMBEDDING))
    bands = make_bands(20, 2)
    clips = ClipStatistics(embeddings, bands, embeddings[:5] / 3, stack_means(bands)[:5] / 9)
    return fit_reference(clips, make_filterbank(FeatureParameters()), np.zeros((128, 304), np.float32))[0]


class ScriptedCapture:
    """A capture that follows a script: blocks and errors for each opening."""

    def __init__(self, script: list[list[Block | CaptureError]], sample_rate_hz: int = 16_000) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.n_closed = 0
        self._script = script
        self._now: list[Block | CaptureError] = []

    def describe(self) -> str:
        return "a scripted capture"

    def open(self) -> None:
        self._now = self._script.pop(0)
        if self._now and isinstance(self._now[0], CaptureError):
            raise self._now[0]

    def read(self) -> Block | None:
        if not self._now:
            return None
        item = self._now.pop(0)
        if isinstance(item, CaptureError):
            raise item
        return item

    def close(self) -> None:
        self.n_closed += 1


class SilentListener(CaptureSupervisor):
    """A supervisor that starts no thread and hears nothing: the test fills the ring, and sets the state."""

    def __init__(self, name: str, ring: Ring, sample_rate_hz: int = 16_000) -> None:
        super().__init__(name, ScriptedCapture([], sample_rate_hz), ring, live=False, waits=False, no_data_s=math.inf, retry_s=1.0)
        self.present = SensorState("starting")

    def start(self) -> None:
        """Start no thread."""

    def sensor(self) -> SensorState:
        """The state that the test has set."""
        return self.present


def block(start: int, n: int = 512) -> Block:
    """A block of ones."""
    return Block(np.ones(n, np.float32), start)


class EndingCapture:
    """A capture of whole hops whose end the test allows."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.waits, self.may_end, self.closed = threading.Event(), threading.Event(), threading.Event()

    def describe(self) -> str:
        return "a recording"

    def open(self) -> None:
        pass

    def read(self) -> Block | None:
        if not self.waits.is_set():
            self.waits.set()
            return Block(np.zeros(31 * 512, np.float32), 0)
        self.may_end.wait(10.0)
        return None

    def close(self) -> None:
        self.closed.set()
