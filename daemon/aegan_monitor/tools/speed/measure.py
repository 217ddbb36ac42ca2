"""Measures a bundle with one provider and precision, from the start of a process of its own to decisions."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aegan_monitor.alarm.judge import Judge, Outcome
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.model import OperatingStateConfig
from aegan_monitor.decision.sound.integrity import Integrity
from aegan_monitor.detection.arrays import load_arrays
from aegan_monitor.detection.bundle import Bundle, load_bundle, require_streamable
from aegan_monitor.detection.fusion import needed_graphs
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.detection.network import MAX_BATCH, Session
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.inference.gate import find_rounding
from aegan_monitor.inference.open import open_session
from aegan_monitor.inference.providers import Choice, Precision, ProviderName
from aegan_monitor.inference.session import NO_GRAPH
from aegan_monitor.inference.trial import answer, make_segments, resident_bytes
from aegan_monitor.service.runtime import make_tracker
from aegan_monitor.tools.speed.power import find_watts, read_counters
from aegan_monitor.types import FloatArray, Run

BLOCK_S = 0.05  # of sound that a microphone gives at a time
NOISE = 0.1  # of the recording's level, so that no two clips are alike
LEAST_DECISIONS = 3


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Attributes:
        segments_per_s: Of the network alone, in the largest batches; None where the score needs no network.
        machines: Machines in real time: seconds of sound that a second is enough for, from samples to decisions, a decision at a time.
        delay_ms, delay_p99_ms: From the last sample of a clip to its decision, of sound in blocks of BLOCK_S.
        n_decisions: From which the delays are.
        rss_mb: Memory of the process at the end.
        start_s: From the start of the process until it could hear.
        processor_share: Processor time over time by the clock; under 1 with one thread where other programs run.
        watts: Mean power of the processor meanwhile, everything else on this computer included; None where it is not counted.
    """

    provider: str
    precision: str
    segments_per_s: float | None
    machines: float
    delay_ms: float
    delay_p99_ms: float
    n_decisions: int
    rss_mb: float
    start_s: float
    processor_share: float
    watts: float | None


class Machine:
    """From samples to decisions, as the daemon does it for one machine: features, network, scores, state, decision."""

    def __init__(self, bundle: Bundle, session: Session) -> None:
        """Begin before the first sample."""
        record = bundle.record
        self.rate_hz = record.features.sample_rate_hz
        self._pipeline = Pipeline(record, bundle.reference, session, [record.score])
        self._judge = Judge(record, record.score, AlarmConfig(), reference=bundle.reference)
        self._integrity = Integrity(self.rate_hz, record.first_decision_samples, record.normal_sound)
        self._states = make_tracker(record, OperatingStateConfig())
        golden = load_arrays(bundle.golden_path, ("samples",))["samples"]
        noise = np.random.default_rng(0).normal(0, NOISE * golden.std(), len(golden))
        self._sound: FloatArray = (golden + noise).astype(np.float32)
        self._n_heard = 0

    def hear(self, n_samples: int) -> list[Outcome]:
        """The decisions that the next samples complete. The sound is the bundle's golden recording over and over, and noise."""
        places = np.arange(self._n_heard, self._n_heard + n_samples) % len(self._sound)
        run = self._integrity.hear(Run(self._sound[places], self._n_heard))
        self._n_heard += n_samples
        if self._states:
            self._states.hear_run(run)
        clips = self._pipeline.push(run.samples)
        return [self._judge.judge(clip, state=self._states.at(clip.end_sample) if self._states else None) for clip in clips]


def measure(bundle: str, provider: ProviderName, precision: Precision, n_threads: int, seconds: float, began_s: float) -> Figures:
    """Open the bundle in this folder as `run` does, and measure for about `seconds`.

    `began_s` is when the process was started (`time.monotonic`, which all processes share).

    Raises:
        BundleError, InferenceError: As the parts raise; the golden check fails with this provider and precision.
    """
    loaded = load_bundle(Path(bundle))
    require_streamable(loaded)
    record = loaded.record
    session = open_session(loaded, needed_graphs(record, record.score), Choice(provider, precision), n_threads=n_threads)
    require_golden(loaded, session, record.score, rounding=find_rounding(loaded, precision))
    machine = Machine(loaded, session)
    start_s = time.monotonic() - began_s
    counters, measured_s, used_s = read_counters(), time.monotonic(), time.process_time()
    segments = make_segments(loaded, MAX_BATCH)
    batches = time_calls(lambda: session.infer(segments), seconds / 3) if session.provider != NO_GRAPH else []
    hop_samples = record.clip.decision_hop_frames * record.features.hop_samples
    machine.hear(record.first_decision_samples)
    hops = time_calls(lambda: machine.hear(hop_samples), seconds / 3)
    delays = measure_delays(machine, seconds / 3)
    took_s = time.monotonic() - measured_s
    return Figures(
        provider=session.provider,
        precision=session.precision,
        segments_per_s=MAX_BATCH * len(batches) / sum(batches) if batches else None,
        machines=hop_samples / machine.rate_hz * len(hops) / sum(hops),
        delay_ms=1e3 * float(np.median(delays)),
        delay_p99_ms=1e3 * float(np.quantile(delays, 0.99)),
        n_decisions=len(delays),
        rss_mb=resident_bytes() / 1e6,
        start_s=start_s,
        processor_share=(time.process_time() - used_s) / took_s,
        watts=find_watts(counters, read_counters(), took_s),
    )


def time_calls(work: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each call of `work`, after one that warms up, until `seconds` have passed; LEAST_DECISIONS calls at least."""
    work()
    took: list[float] = []
    while len(took) < LEAST_DECISIONS or sum(took) < seconds:
        began_s = time.perf_counter()
        work()
        took.append(time.perf_counter() - began_s)
    return took


def measure_delays(machine: Machine, seconds: float) -> list[float]:
    """Seconds from a block that completes a clip to its decision, of all such blocks in about `seconds`."""
    took: list[float] = []
    end_s = time.perf_counter() + seconds
    while len(took) < LEAST_DECISIONS or time.perf_counter() < end_s:
        began_s = time.perf_counter()
        if machine.hear(round(BLOCK_S * machine.rate_hz)):
            took.append(time.perf_counter() - began_s)
    return took


if __name__ == "__main__":
    sys.exit(answer(measure))
