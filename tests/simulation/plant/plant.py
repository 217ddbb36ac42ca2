"""Replays the simulated plant of a seed, and prints its story up to the first thing that must not be.

python tests/simulation/plant/plant.py SEED [scores|sound] [HOURS]
"""

import sys
import time
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def main(seed: str, depth: str = "scores", hours: str | None = None) -> None:
    """Print the story of a seed."""
    folders = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["pythonpath"]
    sys.path[:0] = [str(REPOSITORY / folder) for folder in folders]
    from simulated_plant import run_plant

    began_s = time.process_time()
    plant = run_plant(int(seed), depth, None if hours is None else float(hours), print)
    print(f"{plant.now_s / 3600:.1f} h of {', '.join(plant.names)} in {time.process_time() - began_s:.1f} s of the processor")


if __name__ == "__main__":
    main(*sys.argv[1:])
