"""How fast the daemon's line is, stage by stage: medians of several rounds in one run, in times real time.

.venv/bin/python tests/benchmarks/line.py
"""

import statistics
import time
from collections.abc import Callable

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.features import LogMel
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.types import FloatArray

RATE_HZ = 16_000
SOUND_S = 60
BLOCK_SAMPLES = 1600
N_ROUNDS = 5


def time_rounds(work: Callable[[FloatArray], object], sound: FloatArray) -> float:
    """Median seconds for one pass over `sound` in blocks."""
    took = []
    for _ in range(N_ROUNDS):
        began_s = time.perf_counter()
        for start in range(0, len(sound), BLOCK_SAMPLES):
            work(sound[start : start + BLOCK_SAMPLES])
        took.append(time.perf_counter() - began_s)
    return statistics.median(took)


def main() -> None:
    """Print the table."""
    bundle = load_bundle(demo_bundle())
    record, reference = bundle.record, bundle.reference
    sound = Pump(0).read(SOUND_S * RATE_HZ)
    one, session = OrtSession(bundle, ["embedding"]), OrtSession(bundle)
    stages = {
        "log-mel": LogMel(record.features, reference.filterbank).push,
        "pipeline, D_maha": Pipeline(record, reference, one, ["D_maha"]).push,
        "pipeline, all scores": Pipeline(record, reference, session).push,
    }
    for name, work in stages.items():
        print(f"{name:<26}{SOUND_S / time_rounds(work, sound):8.0f} times real time")


if __name__ == "__main__":
    main()
