"""Days of sound through the daemon as fast as it goes; a line a day, so that a run that is cut short still shows what it found.

.venv/bin/python tests/benchmarks/soak.py [DAYS]     (needs mosquitto and mosquitto_sub)
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "doubles"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracles"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))

from broker import Mosquitto
from soak import Reading, soak

DAY_S = 86_400.0
LONGEST_DAYS = 7.0


def main() -> None:
    """Soak, and print."""
    days = float(sys.argv[1]) if len(sys.argv) > 1 else LONGEST_DAYS
    reported: list[Reading] = []

    def tell(reading: Reading) -> None:
        if not reported or reading.stream_s >= (reported[-1].stream_s // DAY_S + 1) * DAY_S:
            reported.append(reading)
            print(
                f"day {reading.stream_s / DAY_S:5.2f} after {reading.wall_s / 60:5.1f} min: {reading.rss_bytes / 1e6:.1f} MB, "
                f"{reading.n_files} files, {reading.n_threads} threads",
                flush=True,
            )

    with tempfile.TemporaryDirectory() as name:
        broker = Mosquitto(Path(name) / "mosquitto", quiet=True)
        broker.start()
        try:
            soaked = soak(Path(name), broker, 24 * days, tell)
        finally:
            broker.stop()
    last = soaked.readings[-1]
    warm = [reading for reading in soaked.readings if reading.stream_s > 3600]
    rss = [reading.rss_bytes / 1e6 for reading in warm]
    print(f"{last.stream_s / DAY_S:.2f} days in {last.wall_s / 60:.1f} min, {soaked.processor_s / 60:.1f} min of one processor")
    print(f"memory from the second hour on {min(rss):.1f} to {max(rss):.1f} MB")
    print(f"files {sorted({r.n_files for r in warm})}, threads {sorted({r.n_threads for r in warm})}")
    print(f"{soaked.count_rounds()} rounds alike, {len(soaked.events)} events; exit code {soaked.exit_code}")
    print(soaked.health)


if __name__ == "__main__":
    main()
