"""How far a budget of false alarms is proved: designed, resampled and proved are three different numbers."""

import math
from dataclasses import dataclass

import numpy as np

from aegan_monitor.decision.budget import WEEK_S
from aegan_monitor.decision.budget_policy import LEAST_BLOCKS, BudgetPolicy, compare_with
from aegan_monitor.decision.evidence import BETS, grow
from aegan_monitor.detection.record import NormalBlocks
from aegan_monitor.types import DoubleArray

CONFIDENCE = 0.95
N_FOLDS = 4
LEAST_RESAMPLED = 40  # blocks, for a figure from resampling
N_RESAMPLED, N_STEPS = 1000, 2000  # sequences, and blocks of each: more than 200 days
STRETCH = 10  # blocks that stay together on average
WEAK_P_VALUE = 0.05
WEEK_H = WEEK_S / 3600
TOO_FEW = " (too few to judge by them alone: record more)"


@dataclass(frozen=True, slots=True)
class Commissioning:
    """What the normal sound of a bundle proves about a budget.

    Attributes:
        hours: Normal sound that was scored without being fitted to.
        n_stretches, n_blocks, block_s: That sound: uninterrupted stretches, and the blocks that they were divided into.
        autocorrelation: Of successive blocks; None if there were too few to measure it.
        is_measured: Whether the length of a block was measured; otherwise it was assumed.
        n_effective: Independent blocks that are worth as much, since those of one recording may be alike.
        worth: What a block counts as evidence, from 0 to 1, for the same reason.
        designed_per_week: False alarms in a week that the policy is made for.
        resampled_per_week: Those in weeks that are put together from this sound; None if there is too little of it.
        proved_per_week: No larger rate agrees with this sound, with a confidence of 95 %.
        hours_needed: Normal sound without an alarm that proves the designed rate, `hours` included.
        weak_delay_s: Until a lasting change alarms whose scores are those of the highest 5 % of normal sound; None if it never does.
        strong_delay_s: The same of one whose scores are just over all normal ones; of operating states, in that with the fewest blocks.
        state_blocks: The number of blocks in each operating state; empty for a machine that has one.
    """

    hours: float
    n_stretches: int
    n_blocks: int
    block_s: float
    autocorrelation: float | None
    is_measured: bool
    n_effective: float
    worth: float
    designed_per_week: float
    resampled_per_week: float | None
    proved_per_week: float
    hours_needed: float
    weak_delay_s: float | None
    strong_delay_s: float | None
    state_blocks: dict[str, int]

    def describe(self) -> list[str]:
        """The lines of the report."""
        how = "measured" if self.is_measured else "assumed: too few blocks follow each other"
        correlation = "not measured" if self.autocorrelation is None else f"{self.autocorrelation:.2f}"
        worth = f" worth {self.n_effective:.0f} independent ones" if self.n_effective < self.n_blocks - 0.5 else ""
        sound = f"{show_hours(self.hours)} in {self.n_stretches} stretches, {self.n_blocks} blocks of {self.block_s:.0f} s{worth}"
        designed, resampled, proved = map(show_rate, (self.designed_per_week, self.resampled_per_week, self.proved_per_week))
        lines = [
            f"normal sound to judge by: {sound} ({how}; correlation of neighbours {correlation})",
            f"false alarms a week: designed {designed}, resampled {resampled}, proved at most {proved}",
        ]
        if self.proved_per_week > self.designed_per_week:
            missing = max(0.0, self.hours_needed - self.hours)
            lines.append(
                f"  {designed} a week is proved after {self.hours_needed:.0f} h of normal sound without an alarm: "
                f"{missing:.0f} h more; the daemon counts them while it runs"
            )
        lines.append(
            f"delay of an alarm: {show_delay(self.weak_delay_s)} for a weak lasting change (scores as the highest 5 % of normal sound), "
            f"{show_delay(self.strong_delay_s)} for one just over all normal sound, less for a gross one"
        )
        if self.state_blocks:
            counts = (f"{name} {n}{'' if n >= LEAST_BLOCKS else TOO_FEW}" for name, n in self.state_blocks.items())
            lines.append(f"blocks of each operating state: {', '.join(counts)}")
        return lines


def commission(policy: BudgetPolicy) -> Commissioning:
    """What is known about the budget of `policy`."""
    blocks = policy.blocks
    n_blocks = sum(map(len, blocks.stretches))
    proof, resampled = find_proof(policy), resample(policy)
    per_week = policy.budget.per_week
    least = max(normal.least for normal in policy.normal_of.values())  # that of the operating state with the fewest blocks
    delays = [policy.count_blocks(p) for p in (max(WEAK_P_VALUE, least), least)]
    return Commissioning(
        hours=proof.hours,
        n_stretches=len(blocks.stretches),
        n_blocks=n_blocks,
        block_s=policy.block_s,
        autocorrelation=blocks.autocorrelation,
        is_measured=blocks.is_measured,
        n_effective=policy.n_effective,
        worth=policy.worth,
        designed_per_week=per_week,
        resampled_per_week=resampled,
        proved_per_week=proof.most_per_week(),
        hours_needed=most_events(0) * WEEK_H / per_week,
        weak_delay_s=delays[0] * policy.block_s if delays[0] else None,
        strong_delay_s=delays[1] * policy.block_s if delays[1] else None,
        state_blocks=policy.count_state_blocks(),
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """What the normal sound of the calibration proves: its hours, and the alarms in it."""

    hours: float
    n_alarms: int

    def most_per_week(self, more_hours: float = 0.0, more_alarms: int = 0) -> float:
        """No larger rate of false alarms agrees with this sound and with `more_hours` in which there were `more_alarms`.

        Source: upper limit of a Poisson rate, F. Garwood, 1936; without an alarm it is 3 / hours (rule of three).
        """
        return most_events(self.n_alarms + more_alarms) / (self.hours + more_hours) * WEEK_H


def find_proof(policy: BudgetPolicy) -> Proof:
    """The proof by the sound that `policy` was calibrated with."""
    return Proof(sum(map(len, policy.blocks.stretches)) * policy.block_s / 3600, count_alarms(policy))


def cross_judge(policy: BudgetPolicy) -> list[DoubleArray]:
    """P-values of the blocks of each stretch, by those of other stretches; a single long stretch is divided."""
    found: list[DoubleArray] = []
    parts, share = divide(policy.blocks), policy.n_effective / len(policy.normal)
    for fold in range(N_FOLDS):
        others = [(state, part.tolist()) for place, state, part in parts if place != fold]
        if others:
            states, stretches = zip(*others, strict=True)
            rest = NormalBlocks(n_clips=policy.blocks.n_clips, stretches=list(stretches), states=list(states))
            normal_of = compare_with(rest, share * sum(map(len, rest.stretches)), policy.budget)
            for place, state, part in parts:
                if place == fold:
                    normal = normal_of.get(state, normal_of[None])
                    found.append(np.array([normal.p_value(score) for score in part.tolist()]))
    return found


def divide(blocks: NormalBlocks) -> list[tuple[int, int | None, DoubleArray]]:
    """(fold, operating state, scores) of the stretches; those of each state are spread over the folds."""
    found: list[tuple[int, int | None, DoubleArray]] = []
    states = blocks.states or [None] * len(blocks.stretches)
    for state in dict.fromkeys(states):
        own = [np.asarray(each) for each, its_state in zip(blocks.stretches, states, strict=True) if its_state == state]
        if len(own) < N_FOLDS:
            own = [part for each in own for part in np.array_split(each, N_FOLDS) if len(part)]
        found += [(place % N_FOLDS, state, part) for place, part in enumerate(own)]
    return found


def count_alarms(policy: BudgetPolicy) -> int:
    """Alarms in the normal sound itself, each stretch judged by the others."""
    return int(run_evidence(np.concatenate(cross_judge(policy) or [np.ones(1)])[:, None], policy).sum())


def resample(policy: BudgetPolicy) -> float | None:
    """False alarms in a week of sound that is put together from stretches of this sound; None if there is too little of it.

    Source: D. Politis and J. Romano, The stationary bootstrap, 1994.
    """
    parts = cross_judge(policy)
    p_values = np.concatenate(parts) if parts else np.ones(0)
    if len(p_values) < LEAST_RESAMPLED:
        return None
    rng = np.random.default_rng(0)
    ends = np.zeros(len(p_values), bool)
    ends[np.cumsum([len(part) for part in parts]) - 1] = True
    place = rng.integers(len(p_values), size=N_RESAMPLED)
    steps = np.empty((N_STEPS, N_RESAMPLED), np.intp)
    for n in range(N_STEPS):
        steps[n] = place
        jumps = ends[place] | (rng.random(N_RESAMPLED) < 1 / STRETCH)
        place = np.where(jumps, rng.integers(len(p_values), size=N_RESAMPLED), np.minimum(place + 1, len(p_values) - 1))
    n_alarms = run_evidence(p_values[steps], policy).sum()
    return float(n_alarms) / (N_RESAMPLED * N_STEPS * policy.block_s / WEEK_S)


def run_evidence(p_values: DoubleArray, policy: BudgetPolicy) -> DoubleArray:
    """Alarms of several sequences of blocks with these p-values, `[n_blocks, n]`; evidence begins again after each."""
    sums, n_alarms = np.zeros((p_values.shape[1], len(BETS))), np.zeros(p_values.shape[1])
    for row in p_values:
        sums = grow(sums, row[:, None], policy.worth)
        raised = sums.mean(axis=1) >= policy.needed
        n_alarms += raised
        sums[raised] = 0
    return n_alarms


def most_events(n: int) -> float:
    """The largest mean of a Poisson variable that is `n` or less with a probability of 1 - CONFIDENCE; 3.0 for none."""
    return _find_mean(n, 1 - CONFIDENCE)


def least_events(n: int) -> float:
    """The smallest mean of a Poisson variable that is `n` or more with a probability of 1 - CONFIDENCE; 0 for none."""
    return _find_mean(n - 1, CONFIDENCE) if n else 0.0


def _find_mean(n: int, probability: float) -> float:
    """The mean of a Poisson variable that is `n` or less with this probability."""
    low, high = 0.0, 20.0 + 3.0 * n
    for _ in range(60):
        middle = (low + high) / 2
        at_most = sum(math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(n + 1))
        low, high = (middle, high) if at_most > probability else (low, middle)
    return high


def show_rate(per_week: float | None) -> str:
    """A rate with three digits."""
    if per_week is None:
        return "unknown (too little sound)"
    return "none" if not per_week else f"{per_week:.0f}" if per_week >= 100 else f"{per_week:.3g}"


def show_hours(hours: float) -> str:
    """A time in hours, or in minutes where it is less than one."""
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"


def show_delay(delay_s: float | None) -> str:
    """A delay in words."""
    if delay_s is None:
        return "never"
    return f"{delay_s:.0f} s" if delay_s < 120 else f"{delay_s / 60:.0f} min"
