"""Memory of machines in one process, each with a full ring and after its first decisions.

.venv/bin/python tests/benchmarks/sharing.py [BUNDLE]               64 machines on one bundle (default: the built-in one)
.venv/bin/python tests/benchmarks/sharing.py BUNDLE BUNDLE ...      a machine on each bundle
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
    bundles = [Path(name) for name in sys.argv[1:]] or [demo_bundle()]
    n_most = len(bundles) if len(bundles) > 1 else N_MACHINES
    sessions, sound = Sessions(InferenceConfig()), Pump(0).read(SOUND_S * RATE_HZ)
    lines: list[Line] = []
    found: dict[int, float] = {}
    for n_machines in range(1, n_most + 1):
        add(lines, sessions, bundles[n_machines % len(bundles)], sound)
        found[n_machines] = resident_bytes() / 1e6
    networks = {id(line.session) for line in lines}
    for n_machines in sorted({1, 2, min(16, n_most), n_most}):
        print(f"{n_machines:3} machines: {found[n_machines]:7.1f} MB")
    print(f"{len(bundles)} bundles, {len(networks)} networks")
    added_mb = (found[n_most] - found[1]) / (n_most - 1)
    print(f"each further machine adds {added_mb:.2f} MB; {SOUND_S * RATE_HZ * 4 / 1e6:.2f} MB of it is the ring")


if __name__ == "__main__":
    main()
