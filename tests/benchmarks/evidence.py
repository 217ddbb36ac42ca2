"""What evidence costs: memory before, during and after an alarm, and the time of the worker and of the writing thread.

    MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072 python tests/benchmarks/evidence.py [MACHINES]

All machines alarm at the same time, which is the worst.
"""

import logging
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path += ["tests/programs", "tests/parts"]

from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.evidence.folder import CASE, WritableFolder
from aegan_monitor.evidence.writer import EvidenceWriter
from aegan_monitor.service.health import resident_bytes
from aegan_monitor.types import Run
from evidence_writing import RATE_HZ, TIME, bundle, make_event, make_noise, make_score

BLOCK_S = 0.25


class Peak(threading.Thread):
    """Watches the memory of the process; `read` gives the largest since the last call."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._largest = 0

    def run(self) -> None:
        """Look every few milliseconds."""
        while True:
            self._largest = max(self._largest, resident_bytes())
            time.sleep(0.005)

    def read(self) -> float:
        """In MB."""
        largest, self._largest = max(self._largest, resident_bytes()), 0
        return largest / 1e6


def main(n_machines: int) -> None:
    """Print a line for each step."""
    machines, sound = [f"pump-{number}" for number in range(n_machines)], make_noise(10.0).astype(np.float32) / np.float32(32768)
    bundle()
    peak = Peak()
    peak.start()
    with tempfile.TemporaryDirectory() as name:
        folder = WritableFolder(Path(name))
        writer = EvidenceWriter(folder, EvidenceConfig(min_free_mb=0), lambda _: bundle())
        writer.start()
        worker_s = 0.0

        def hear(start_s: float, stop_s: float) -> None:
            nonlocal worker_s
            for start in np.arange(start_s, stop_s, BLOCK_S):
                place = round(start % 10 * RATE_HZ)
                for machine in machines:
                    run = Run(sound[place : place + round(BLOCK_S * RATE_HZ)], round(start * RATE_HZ))
                    score = make_score(round(start * RATE_HZ), 1.0, state="pending")
                    began_s = time.perf_counter()
                    writer.take_sound(machine, run, TIME)
                    if start % 1 == 0:
                        writer.take_message(machine, score)
                    worker_s += time.perf_counter() - began_s

        print(f"{n_machines} machine(s); before: {peak.read():.1f} MB")
        hear(0, 700)
        print(
            f"after 700 s of sound: {peak.read():.1f} MB; worker {worker_s / 700 / n_machines * 1e6:.0f} us a second of sound and machine"
        )
        event = make_event("raised", "case", sample=700 * RATE_HZ)
        worker_s, began_s = 0.0, time.perf_counter()
        for machine in machines:
            writer.take_message(machine, event)
        print(f"alarm: worker {(time.perf_counter() - began_s) / n_machines * 1e3:.2f} ms a machine")
        while len(folder.cases()) < n_machines:
            time.sleep(0.01)
        print(f"evidence complete after {time.perf_counter() - began_s:.2f} s, peak {peak.read():.1f} MB")
        hear(700, 760)
        while not all((found := folder.read(machine, "case")) and found.sounds[0].is_whole for machine in machines):
            time.sleep(0.01)
        print(f"60 s later: peak {peak.read():.1f} MB; {folder.measure_bytes() / n_machines / 1e6:.2f} MB a case")
        writer.stop()
        print(f"at the end: {resident_bytes() / 1e6:.1f} MB; processor {time.process_time():.1f} s in all; {CASE} last")


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
