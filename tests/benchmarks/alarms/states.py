"""False alarms and delays of a machine with two loads: judged by the normal blocks of each load, and by those of both together.

    PYTHONPATH=tests/doubles:tests/oracles python tests/benchmarks/alarms/states.py [MACHINES] [DAYS]

Scores of the loud load are higher and vary more: normal with mean 10 and standard deviation 2, against 0 and 1. Each machine stays in one
load for 10 minutes to an hour. A fault shifts the scores of the quiet load.
"""

import sys
from collections.abc import Iterator

import numpy as np

from aegan_monitor.decision.budget import WEEK_S, Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.detection.record import NormalBlocks
from aegan_monitor.types import ClipScore
from story import open_demo

PER_WEEK = 70.0  # ten a day, so that there are false alarms to count
QUIET, LOUD = 0, 1
MEANS, SPREADS = (0.0, 10.0), (1.0, 2.0)
N_QUIET, N_LOUD = 300, (20, 60, 300)  # blocks of calibration
STAYS = (60, 360)  # clips
SHIFTS = (2.0, 3.0, 4.0, 6.0, 8.0)
LONGEST = 1000  # clips after the shift
CLIP_S, CLIP_SAMPLES = 9.728, 304 * 512


def draw(rng: np.random.Generator, load: int, n: int) -> list[float]:
    """Normal scores of a load."""
    return [rng.normal(MEANS[load], SPREADS[load]) for _ in range(n)]


def make_policy(rng: np.random.Generator, n_loud: int, *, has_states: bool) -> BudgetPolicy:
    """The policy of a machine with new calibration."""
    record, stretches = open_demo().record, [draw(rng, QUIET, N_QUIET), draw(rng, LOUD, n_loud)]
    blocks = NormalBlocks(n_clips=1, stretches=stretches, states=[QUIET, LOUD] if has_states else [])
    return BudgetPolicy(record, record.score, blocks, "recorded", Budget(PER_WEEK))


def hear(policy: BudgetPolicy, score: float, load: int, *, is_active: bool = False) -> bool:
    """Whether the alarm is active after a clip without common sound with the one before."""
    policy.decide(ClipScore(0, {open_demo().record.score: score}, 0.0), is_active, CLIP_SAMPLES, state=load)
    return is_active != policy.has_elapsed(is_active, 0)


def run_loads(rng: np.random.Generator, n_clips: int) -> Iterator[int]:
    """The load of each clip."""
    load = QUIET
    while n_clips > 0:
        stay = min(n_clips, int(rng.integers(*STAYS)))
        yield from [load] * stay
        load, n_clips = 1 - load, n_clips - stay


def count_false_alarms(n_loud: int, n_machines: int, n_clips: int, *, has_states: bool) -> int:
    """False alarms of normal machines."""
    rng, n_alarms = np.random.default_rng(n_loud), 0
    for _ in range(n_machines):
        policy, is_active = make_policy(rng, n_loud, has_states=has_states), False
        for load in run_loads(rng, n_clips):
            was_active, is_active = is_active, hear(policy, rng.normal(MEANS[load], SPREADS[load]), load, is_active=is_active)
            n_alarms += is_active and not was_active
    return n_alarms


def find_delay_s(shift: float, n_machines: int, *, has_states: bool) -> float:
    """Median delay of a shift of the quiet load."""
    rng, found = np.random.default_rng(0), []
    for _ in range(n_machines):
        policy = make_policy(rng, N_LOUD[-1], has_states=has_states)
        for score in draw(rng, QUIET, 50):
            hear(policy, score, QUIET)
        scores = rng.normal(shift, SPREADS[QUIET], LONGEST).tolist()
        found.append(next((n for n, score in enumerate(scores, 1) if hear(policy, score, QUIET)), np.inf))
    return float(np.median(found)) * CLIP_S


def main(n_machines: int = 100, n_days: float = 1) -> None:
    """Print both tables."""
    n_clips = round(n_days * 86_400 / CLIP_S)
    allowed = n_machines * n_clips * CLIP_S / WEEK_S * PER_WEEK
    print(f"false alarms of {allowed:.0f} that are promised: by blocks of the load, by all blocks")
    for n_loud in N_LOUD:
        found = [count_false_alarms(n_loud, n_machines, n_clips, has_states=has_states) for has_states in (True, False)]
        print(f"{n_loud:4} blocks of the loud load  {found[0]:6} {found[1]:6}", flush=True)
    print("median delay of a shift of the quiet load: by its blocks, by all blocks")
    for shift in SHIFTS:
        delays = [find_delay_s(shift, n_machines, has_states=has_states) for has_states in (True, False)]
        print(f"{shift:4} standard deviations  {delays[0]:6.0f} s {delays[1]:6.0f} s", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:3]))
