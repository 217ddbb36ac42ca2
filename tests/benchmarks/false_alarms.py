"""False alarms of machines that stay normal: whether the budget is kept, by the vectorised twin of the policy.

    PYTHONPATH=tests/oracles python tests/benchmarks/false_alarms.py [day|week|month] [MACHINES] [BUDGETS]

Each line: sound, clips of calibration, mean time between false alarms in units of the promise with its 95 % Poisson bounds, and the part
of the machines whose own rate is over the budget by more than chance allows.
"""

import itertools
import sys
import time

import numpy as np
from scipy.stats import chi2, poisson

from aegan_monitor.decision.budget import Budget
from normal_scores import autoregress, count_false_alarms

PER_WEEK = {"day": 7.0, "week": 1.0, "month": 7 / 30}


def main(promise: str = "day", n_machines: int = 1000, n_budgets: float = 10) -> None:
    """Print the table of one promise."""
    print(f"one false alarm a {promise} promised; {n_machines} machines, {n_budgets:g} budgets each")
    for rho, n in itertools.product((0.0, 0.5, 0.8, 0.95), (100, 300, 1000)):
        began_s = time.monotonic()
        rng = np.random.default_rng([n, round(100 * rho)])
        found, lengths = count_false_alarms(autoregress(rng, rho, n_machines), n, n_machines, Budget(PER_WEEK[promise]), n_budgets)
        total, exposure = found.sum(), n_machines * n_budgets
        most, least = chi2.ppf(0.975, 2 * total + 2) / 2, chi2.ppf(0.025, 2 * total) / 2
        over = np.mean(found > poisson.ppf(0.95, n_budgets))
        print(
            f"rho {rho:4.2f}  {n:5d} clips  {exposure / max(total, 1):7.2f} ({exposure / most:.2f} to {exposure / max(least, 1e-9):.2f})  "
            f"machines over the budget {over:5.1%} (more false alarms than it allows {np.mean(found > n_budgets):5.1%})  "
            f"blocks {lengths}  {time.monotonic() - began_s:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    given = dict(zip(("promise", "n_machines", "n_budgets"), (str, int, float), strict=True))
    main(**{name: kind(text) for (name, kind), text in zip(given.items(), sys.argv[1:], strict=False)})
