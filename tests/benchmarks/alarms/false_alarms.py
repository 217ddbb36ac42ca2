"""False alarms of machines that stay normal: whether the budget is kept, by the vectorised twin of the policy.

    PYTHONPATH=tests/oracles python tests/benchmarks/alarms/false_alarms.py day|week|month [MACHINES] [BUDGETS]
    PYTHONPATH=tests/oracles python tests/benchmarks/alarms/false_alarms.py recordings [MACHINES] [BUDGETS]
    PYTHONPATH=tests/oracles python tests/benchmarks/alarms/false_alarms.py bench build/quality [MACHINES] [BUDGETS]

`day`, `week`, `month`: simulated scores, each correlated with the next. `recordings`: simulated recordings that differ, one a day promised.
`bench`: the further normal clips of the quality bench (`aegan-train bench`), one a day promised. Each machine is calibrated with one half
of the recordings of a row, and hears the other half again and again.

Each line: sound, mean time between false alarms in units of the promise with its 95 % Poisson bounds, and the part of the machines whose
own rate is over the budget by more than chance allows.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, poisson

from aegan_monitor.decision.budget import Budget
from budget_twin import DECISIONS_PER_CLIP
from normal_scores import autoregress, count_false_alarms, count_of_recordings, play_recordings, vary_recordings

PER_WEEK = {"day": 7.0, "week": 1.0, "month": 7 / 30}
ONE_A_DAY = Budget(PER_WEEK["day"])
CLIPS_PER_RECORDING = 6  # of the bench's further clips
RECORDINGS = ((0.0, 6, 50), (0.1, 6, 50), (0.3, 6, 50), (0.6, 6, 50), (0.1, 60, 24), (0.3, 60, 24), (0.1, 360, 24))


def show(sound: str, found: NDArray[np.float64], n_budgets: float, more: str = "") -> None:
    """Print a line."""
    total, exposure = found.sum(), len(found) * n_budgets
    most, least = chi2.ppf(0.975, 2 * total + 2) / 2, chi2.ppf(0.025, 2 * total) / 2
    over = np.mean(found > poisson.ppf(0.95, n_budgets))
    print(
        f"{sound}  {exposure / max(total, 1):7.2f} ({exposure / most:.2f} to {exposure / max(least, 1e-9):.2f})  "
        f"machines over the budget {over:5.1%} (more false alarms than it allows {np.mean(found > n_budgets):5.1%})  {more}",
        flush=True,
    )


def simulate(promise: str, n_machines: int = 1000, n_budgets: float = 10) -> None:
    """Correlated scores."""
    print(f"one false alarm a {promise} promised; {n_machines} machines, {n_budgets:g} budgets each")
    for rho, n in itertools.product((0.0, 0.5, 0.8, 0.95), (100, 300, 1000)):
        rng = np.random.default_rng([n, round(100 * rho)])
        found, lengths = count_false_alarms(autoregress(rng, rho, n_machines), n, Budget(PER_WEEK[promise]), n_budgets)
        show(f"rho {rho:4.2f}  {n:5d} clips", found, n_budgets, f"blocks {lengths}")


def simulate_recordings(n_machines: int = 300, n_budgets: float = 5) -> None:
    """Recordings that differ."""
    for alike, n_clips, n_recordings in RECORDINGS:
        sound = vary_recordings(np.random.default_rng(0), alike, n_clips, n_machines)
        scores = np.array([next(sound) for _ in range(n_recordings * n_clips * DECISIONS_PER_CLIP)])[::DECISIONS_PER_CLIP]
        found, likeness = count_of_recordings(scores.T.reshape(n_machines, n_recordings, n_clips), sound, ONE_A_DAY, n_budgets)
        show(f"alike {alike:.1f}  {n_recordings} recordings of {n_clips} clips", found, n_budgets, f"measured {np.median(likeness):.2f}")


def replay_bench(folder: Path, n_machines: int = 150, n_budgets: float = 5) -> None:
    """The bench's further normal clips."""
    for path in sorted(folder.glob("runs/*.robust.*.json")):
        scores = np.array(json.loads(path.read_text(encoding="utf-8"))["further"])
        if not len(scores):
            continue
        rng = np.random.default_rng(0)
        recordings = scores[: len(scores) // CLIPS_PER_RECORDING * CLIPS_PER_RECORDING].reshape(-1, CLIPS_PER_RECORDING)
        half = len(recordings) // 2
        drawn = np.array([recordings[rng.permutation(len(recordings))] for _ in range(n_machines)])
        found, likeness = count_of_recordings(drawn[:, :half], play_recordings(rng, drawn[:, half:]), ONE_A_DAY, n_budgets)
        show(f"{path.stem:28s} {half} recordings", found, n_budgets, f"alike {np.median(likeness):.2f}")


if __name__ == "__main__":
    what, *given = sys.argv[1:] or ["day"]
    if what == "bench":
        replay_bench(Path(given[0]), *map(int, given[1:]))
    elif what == "recordings":
        simulate_recordings(*map(int, given))
    else:
        simulate(what, *map(int, given))
