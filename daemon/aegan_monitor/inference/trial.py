"""Tries one choice of provider and precision in a process of its own: another runtime's idle threads would slow it.

`run_trial` starts `python -m aegan_monitor.inference.trial`, which does it and prints the result as JSON.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from aegan_monitor.detection.bundle import Bundle, load_bundle
from aegan_monitor.detection.fusion import needed_graphs
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.detection.network import MAX_BATCH, Session
from aegan_monitor.errors import AeganError, InferenceError
from aegan_monitor.inference.gate import find_rounding, load_gate, score_gate
from aegan_monitor.inference.open import open_session
from aegan_monitor.inference.providers import Choice
from aegan_monitor.types import FloatArray

N_WINDOWS = 5
LONGEST_S = 1800.0  # an engine may be built in it
DEFAULT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Request:
    """What a trial does.

    Attributes:
        score: The deciding score: its graphs are loaded.
        n_batch: Segments in each call while the speed is measured; at most MAX_BATCH.
        seconds: How long the speed is measured.
        cache: Folder of engines.
        has_gate: Whether the clips of the bundle's gate are scored.
    """

    bundle: str
    score: str
    provider: str
    precision: str
    n_threads: int = 1
    n_batch: int = MAX_BATCH
    seconds: float = DEFAULT_SECONDS
    cache: str = ""
    has_gate: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial has found.

    Attributes:
        segments_per_s: Median of N_WINDOWS windows, by the clock.
        cpu_s_per_segment: Processor time of all threads.
        start_s: From the runtime's import to the first outputs.
        rss_bytes: Memory of the process after that, and before the runtime was imported.
        golden: The largest deviation of a stage from the golden recording, as a part of its tolerance.
        scores: The deciding score of each clip of the gate.
    """

    segments_per_s: float
    cpu_s_per_segment: float
    start_s: float
    rss_bytes: int
    rss_before_bytes: int
    golden: float
    scores: list[float] = field(default_factory=list)


def run_trial(
    bundle: Path, score: str, choice: Choice, n_threads: int = 1, *, n_batch: int = MAX_BATCH, seconds: float = DEFAULT_SECONDS,
    cache: Path | None = None, has_gate: bool = False,
) -> Trial:  # fmt: skip
    """Golden check and speed of `choice` on this computer, in a new process.

    Raises:
        InferenceError: It cannot be used, fails the golden check, or its process ends or hangs.
    """
    request = Request(str(bundle), score, choice.provider, choice.precision, n_threads, n_batch, seconds, str(cache or ""), has_gate)
    return Trial(**run_alone(__name__, asdict(request), str(choice)))


def run_alone(module: str, request: Mapping[str, object], what: str) -> dict[str, Any]:
    """The JSON object that `python -m module` prints for `request`, in a new process.

    Raises:
        InferenceError: The process ends with an error, by a signal, or not within LONGEST_S; the message begins with `what`.
    """
    command = [sys.executable, "-m", module, json.dumps(request)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired as error:
        raise InferenceError(f"{what}: did not end within {LONGEST_S:.0f} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = f"its process was ended by signal {-done.returncode}" if done.returncode < 0 else lines[-1] if lines else "no reason given"
        raise InferenceError(f"{what}: {reason}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def do_trial(request: Request) -> Trial:
    """The trial, in this process.

    Raises:
        InferenceError, BundleError: As the parts raise.
    """
    bundle, before = load_bundle(Path(request.bundle)), resident_bytes()
    choice = Choice(request.provider, request.precision)  # type: ignore[arg-type] # an unknown one is a KeyError
    began_s = time.perf_counter()
    cache = Path(request.cache) if request.cache else None
    session = open_session(bundle, needed_graphs(bundle.record, request.score), choice, n_threads=request.n_threads, cache=cache)
    session.infer(make_segments(bundle, 1))
    start_s = time.perf_counter() - began_s
    checks = require_golden(bundle, session, request.score, rounding=find_rounding(bundle, request.precision))
    golden, after = max(check.deviation / check.tolerance for check in checks), resident_bytes()
    gate = load_gate(bundle) if request.has_gate else None
    scores = [] if gate is None else score_gate(bundle, gate, session, request.score).tolist()
    speed, cpu_s = measure_speed(bundle, session, request.n_batch, request.seconds)
    return Trial(speed, cpu_s, start_s, after, before, golden, scores)


def measure_speed(
    bundle: Bundle, session: Session, n_batch: int, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, float]:
    """(segments a second, seconds of processor time a segment) of calls with `n_batch` segments; medians of N_WINDOWS windows."""
    segments = make_segments(bundle, n_batch)
    session.infer(segments)
    rates, costs = [], []
    for _ in range(N_WINDOWS):
        began_s, cpu_s, n = clock(), time.process_time(), 0
        while (past_s := clock() - began_s) < seconds / N_WINDOWS or not n:
            session.infer(segments)
            n += n_batch
        rates.append(n / past_s)
        costs.append((time.process_time() - cpu_s) / n)
    return median(rates), median(costs)


def make_segments(bundle: Bundle, n: int) -> FloatArray:
    """Noise as segments, float32 `[n, 1, n_bands, segment_frames]`; a network takes as long for any values."""
    shape = (n, 1, bundle.record.features.n_bands, bundle.record.clip.segment_frames)
    return (0.5 * np.random.default_rng(0).normal(size=shape)).astype(np.float32)


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def answer(work: Callable[..., Any]) -> int:
    """The other end of `run_alone`: print the dataclass that `work` makes of the request; the exit code."""
    try:
        print(json.dumps(asdict(work(**json.loads(sys.argv[1])))))
    except AeganError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(answer(lambda **request: do_trial(Request(**request))))
