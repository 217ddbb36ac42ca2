"""Memory of machines that share a bundle: the process with 1 and with 64 of them, each with a full ring and after its first decisions.

.venv/bin/python tests/benchmarks/sharing.py [BUNDLE]     (default: the built-in one)
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from aegan_monitor.audio.stdin import Pipe, StdinCapture
from aegan_monitor.config.model import InferenceConfig, MachineConfig
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.service.health import resident_bytes
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.runtime import Line, make_line
from aegan_monitor.types import Block

N_MACHINES, SOUND_S, RATE_HZ = 64, 30, 16_000


def add(lines: list[Line], sessions: Sessions, bundle: Path, sound: np.ndarray) -> None:
    """One more machine, which has heard `sound`."""
    with tempfile.TemporaryFile() as empty:
        config = MachineConfig(name=f"machine_{len(lines)}", bundle=bundle)
        line = make_line(config, sessions, lambda _, rate: StdinCapture(Pipe(empty.fileno()), rate, "s16le"))
    line.ring.write(Block(sound, 0))
    n_decisions = 0
    while (run := line.ring.read(0.0)) is not None:
        n_decisions += len(line.hear(run, datetime.now(UTC), 0.0))
    assert n_decisions > 0
    lines.append(line)


def main() -> None:
    """Print the table."""
    bundle = Path(sys.argv[1]) if len(sys.argv) > 1 else demo_bundle()
    sessions, sound = Sessions(InferenceConfig()), Pump(0).read(SOUND_S * RATE_HZ)
    lines: list[Line] = []
    found: dict[int, float] = {}
    for n_machines in range(1, N_MACHINES + 1):
        add(lines, sessions, bundle, sound)
        found[n_machines] = resident_bytes() / 1e6
    for n_machines in (1, 2, 16, N_MACHINES):
        print(f"{n_machines:3} machines on one bundle: {found[n_machines]:7.1f} MB")
    added_mb = (found[N_MACHINES] - found[1]) / (N_MACHINES - 1)
    print(f"each further machine adds {added_mb:.2f} MB; {SOUND_S * RATE_HZ * 4 / 1e6:.2f} MB of it is the ring")


if __name__ == "__main__":
    main()
