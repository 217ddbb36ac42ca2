"""Delay from a change to the alarm: the budget policy against a fixed threshold that k of n decisions must exceed.

    PYTHONPATH=tests/oracles python tests/benchmarks/alarms/delays.py simulated [MACHINES] [DAYS]
    PYTHONPATH=tests/oracles python tests/benchmarks/alarms/delays.py bench build/quality [MACHINES] [DAYS]

`simulated`: scores are normal; a decision shares nine tenths of its clip with the one before, as in the daemon. Each machine has 300 clips
of calibration. A change shifts the mean of the scores by a number of their standard deviations.
`bench`: the rows of the quality bench in place. Each machine is calibrated with one half of the further normal clips, and hears the other
half; then the faulty test clips of one kind, in random order.
The fixed thresholds know all this sound, and are set to the false-alarm rate that the policy has in it. Of several the best is shown,
chosen for each change.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.decision.budget import WEEK_S, Budget
from budget_twin import DECISIONS_PER_CLIP, HOP_S, Twin
from normal_scores import find_all_alike, play_recordings

Array = NDArray[np.float64]
PER_WEEK = 70.0  # ten a day, so that there are false alarms to compare
N_CALIBRATED = 300
RULES = ((1, 1), (5, 5), (10, 10), (12, 12), (12, 20), (20, 20), (30, 40), (60, 60))  # k of n decisions
SHIFTS = (0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
BEFORE, LONGEST = 300, 3000  # decisions before and after a change
CLIPS_PER_RECORDING = 6  # of the bench's further clips


def smooth(rng: np.random.Generator, n_steps: int, n_machines: int) -> Array:
    """Scores of clips that overlap, `[n_steps, n_machines]`."""
    sums = np.cumsum(rng.normal(size=(n_steps + DECISIONS_PER_CLIP, n_machines)), axis=0)
    found: Array = (sums[DECISIONS_PER_CLIP:] - sums[:-DECISIONS_PER_CLIP]) / np.sqrt(DECISIONS_PER_CLIP)
    return found


def rule_scores(scores: Array, k: int, n: int) -> Array:
    """The highest threshold that k of the last n scores exceed, decision by decision."""
    windows = np.lib.stride_tricks.sliding_window_view(scores, n, axis=0)
    found: Array = np.partition(windows, n - k, axis=-1)[..., n - k]
    return np.concatenate([np.full((n - 1, scores.shape[1]), -np.inf), found])


def find_threshold(values: Array, n_alarms: float) -> float:
    """The threshold at which there are `n_alarms`; decisions of a clip count as one alarm."""
    low, high = 0.0, float(values.max())
    for _ in range(30):
        middle = (low + high) / 2
        over = values > middle
        starts = over & ~np.concatenate([np.zeros((1, over.shape[1]), bool), over[:-1]])
        low, high = (middle, high) if starts.sum() > n_alarms else (low, middle)
    return high


def compare(make_twin: Callable[[], Twin], normal: Array, changes: Mapping[str, Array]) -> None:
    """Print false alarms in the `normal` scores `[n_steps, n_machines]`, and the median delay after each change, which begins at BEFORE."""
    twin, n_alarms, n_machines = make_twin(), 0, normal.shape[1]
    for row in normal:
        twin.decide(row)
        n_alarms += int(twin.raised.sum())
    allowed = normal.size * HOP_S / WEEK_S * PER_WEEK
    print(f"{n_alarms} false alarms of {allowed:.0f} that are allowed")
    thresholds = {rule: find_threshold(rule_scores(normal, *rule), n_alarms) for rule in RULES}
    for name, steps in changes.items():
        twin, delay = make_twin(), np.full(n_machines, LONGEST)
        for t, row in enumerate(steps):
            twin.decide(row)
            if t >= BEFORE:
                delay = np.where(twin.active & (delay == LONGEST), t - BEFORE + 1, delay)
        others = {}
        for rule, threshold in thresholds.items():
            over = rule_scores(steps, *rule)[BEFORE:] > threshold
            others[rule] = float(np.median(np.where(over.any(axis=0), over.argmax(axis=0) + 1, LONGEST))) * HOP_S
        best = min(others, key=lambda rule: others[rule])
        rest = ", ".join(f"{k}/{n} {value:.0f}" for (k, n), value in others.items())
        print(
            f"  {name:12s} policy {np.median(delay) * HOP_S:5.0f} s  best {best[0]} of {best[1]}: {others[best]:5.0f} s  ({rest})",
            flush=True,
        )


def simulate(n_machines: int = 100, n_days: float = 5) -> None:
    """Simulated scores."""
    rng = np.random.default_rng(0)
    calibration = smooth(rng, N_CALIBRATED * DECISIONS_PER_CLIP, n_machines)[::DECISIONS_PER_CLIP].T
    normal = smooth(rng, round(n_days * 86_400 / HOP_S), n_machines)
    ramp = np.clip((np.arange(BEFORE + LONGEST) - BEFORE + 1) / DECISIONS_PER_CLIP, 0, 1)[:, None]
    changes = {f"{shift:.2f} sd": smooth(rng, BEFORE + LONGEST, n_machines) + shift * ramp for shift in SHIFTS}
    compare(lambda: Twin(calibration, 1, Budget(PER_WEEK)), normal, changes)


def replay_bench(folder: Path, n_machines: int = 60, n_days: float = 2) -> None:
    """Measured scores."""
    for path in sorted(folder.glob("runs/*.robust.0.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        if not found["further"]:
            continue
        print(path.stem)
        rng, clips = np.random.default_rng(0), np.array(found["further"])
        recordings = clips[: len(clips) // CLIPS_PER_RECORDING * CLIPS_PER_RECORDING].reshape(-1, CLIPS_PER_RECORDING)
        half = len(recordings) // 2
        drawn = np.array([recordings[rng.permutation(len(recordings))] for _ in range(n_machines)])
        calibration, sound = drawn[:, :half], play_recordings(rng, drawn[:, half:])
        normal = np.array([next(sound) for _ in range(round(n_days * 86_400 / HOP_S))])
        changes = {}
        for fault in dict.fromkeys(clip["fault"] for clip in found["clips"] if clip["fault"]):
            scores = np.array([clip["scores"][found["score"]] for clip in found["clips"] if clip["fault"] == fault])
            faulty = rng.choice(scores, size=(LONGEST // DECISIONS_PER_CLIP, n_machines)).repeat(DECISIONS_PER_CLIP, axis=0)
            changes[fault] = np.concatenate([normal[:BEFORE], faulty])
        alike = find_all_alike(calibration)
        blocks = calibration.reshape(n_machines, -1)
        compare(lambda: Twin(blocks, 1, Budget(PER_WEEK), alike, CLIPS_PER_RECORDING), normal, changes)  # noqa: B023 # called at once


if __name__ == "__main__":
    what, *given = sys.argv[1:] or ["simulated"]
    if what == "bench":
        replay_bench(Path(given[0]), *map(int, given[1:]))
    else:
        simulate(*map(int, given))
