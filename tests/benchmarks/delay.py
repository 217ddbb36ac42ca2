"""From the last sample of a score to its arrival at a subscriber, through mosquitto, with 1 and 16 machines; median and 99th percentile.

.venv/bin/python tests/benchmarks/delay.py [MINUTES [BUNDLE]]     (2 minutes each, the built-in bundle)
"""

import sys
from pathlib import Path

from machines import hold

from aegan_monitor.detection.bundle import demo_bundle

if __name__ == "__main__":
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    for n_machines in (1, 16):
        hold(n_machines, minutes, Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else demo_bundle())
