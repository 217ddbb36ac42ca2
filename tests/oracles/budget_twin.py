"""The budget policy for many machines at once: a vectorised twin of `BudgetPolicy`.

It takes the constants of the policy and the fit of the tail, and uses SciPy for the rest.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from aegan_monitor.decision.blocks import MOST_CLIPS
from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import IN_A_ROW
from aegan_monitor.decision.evidence import BETS, HOLDING, HOLDING_BET
from aegan_monitor.decision.p_value import fit_tail

Array = NDArray[np.float64]
Places = NDArray[np.intp]
DECISIONS_PER_CLIP = 10  # clips of 9.728 s, a decision every 1.024 s
CLIP_S, HOP_S = 9.728, 1.024


class PValues:
    """P-values of scores under the normal blocks of each machine."""

    def __init__(self, blocks: Array, n_effective: Array, confidence: float) -> None:
        """`blocks` are `[n_machines, n_blocks]`, worth `n_effective` independent ones, `[n_machines]`; p-values have this confidence."""
        self.blocks = np.sort(blocks, axis=1)
        n = blocks.shape[1]
        self.bounds = np.empty((len(blocks), n + 1))
        for row, worth in zip(self.bounds, np.maximum(1, n_effective.round()).astype(int).tolist(), strict=True):
            counts = np.arange(worth)
            bounds = np.append(beta.ppf(confidence, counts + 1, worth - counts), 1.0)
            row[:] = np.interp(np.arange(n + 1) * worth / n, np.arange(worth + 1), bounds)
        self._tails = np.array([fit_tail(row) for row in self.blocks])

    def find(self, scores: Array, machines: Places) -> Array:
        """The p-value of one score of each of some machines."""
        n_above = (self.blocks[machines] >= scores[:, None]).sum(axis=1)
        found: Array = self.bounds[machines, n_above]
        return found

    def find_tail(self, scores: Array, machines: Places) -> Array:
        """By how much the assumed tail makes the p-value of such a score smaller; 1 up to the largest of normal sound."""
        shape, scale, start = self._tails[machines].T
        largest = self.blocks[machines, -1]
        logs = [np.log1p(shape * np.maximum(0, each - start) / scale) / shape for each in (largest, np.maximum(scores, largest))]
        found: Array = np.exp(logs[0] - logs[1])
        return found

    def find_least(self, p_values: Array) -> Array:
        """A score of each machine that no score with at most its p-value is under."""
        n_above = np.maximum(1, (self.bounds <= p_values[:, None]).sum(axis=1))
        found: Array = self.blocks[np.arange(len(self.blocks)), self.blocks.shape[1] - np.minimum(n_above, self.blocks.shape[1])]
        return found


class Twin:
    """The policies of many machines, which hear without a gap.

    Attributes:
        raised: Whether the last decision raised the alarm, of each machine.
        active: Whether it is active.
    """

    def __init__(self, blocks: Array, n_clips: int, budget: Budget, alike: Array | float = 0.0, per_recording: float = 1.0) -> None:
        """`blocks` are `[n_machines, n_blocks]`, each of `n_clips` clips; those of one recording are `alike`, `[n_machines]`."""
        n = len(blocks)
        alike = np.broadcast_to(alike, n)
        self.p_values = PValues(blocks, blocks.shape[1] / (1 + (per_recording - 1) * alike), budget.confidence)
        self._worth = 1 / (1 + (max(1.0, min(per_recording, MOST_CLIPS / n_clips)) - 1) * alike[:, None])
        self._n_clips, self.needed = n_clips, budget.blocks(n_clips * CLIP_S)
        independent = IN_A_ROW / (1 + (IN_A_ROW - 1) * alike) if n_clips == 1 else np.ones(n)
        self._gross_p = np.array([budget.gross_p_value(HOP_S, each) for each in independent])
        self._watched = self.p_values.find_least(self._gross_p)
        self.sums, self.holding = np.zeros((n, len(BETS))), np.zeros(n)
        self.active, self.raised = np.zeros(n, bool), np.zeros(n, bool)
        self._block_p, self._n_known = np.ones(n), 0
        self._row = np.zeros(((IN_A_ROW - 1) * DECISIONS_PER_CLIP, n), bool)
        self._t = 0

    def decide(self, scores: Array) -> None:
        """The next decision of every machine, by scores `[n_machines]` of clips that are no transients."""
        watched = np.flatnonzero(scores >= self._watched)
        is_far = np.zeros(len(scores), bool)
        p_values = self.p_values.find(scores[watched], watched)
        is_far[watched] = p_values * self.p_values.find_tail(scores[watched], watched) <= self._gross_p[watched]
        place = self._t % len(self._row)
        gross = is_far & self._row[place] & self._row[place - DECISIONS_PER_CLIP]
        self._row[place] = is_far
        ends_clip = self._t % DECISIONS_PER_CLIP == 0
        if ends_clip:
            self._end_clip(self.p_values.find(scores, np.arange(len(scores))))
        self.raised = np.zeros(len(scores), bool)
        if ends_clip or gross.any():
            self._follow(gross)
        self._t += 1

    def _follow(self, gross: NDArray[np.bool_]) -> None:
        self.holding[self.active & gross] = HOLDING
        self.raised = ~self.active & (gross | (self.sums.mean(axis=1) >= self.needed))
        ended = self.active & (self.holding <= 0)
        self.sums[self.raised | ended] = 0
        self.holding[self.raised] = HOLDING
        self.active = (self.active | self.raised) & ~ended

    def _end_clip(self, p_values: Array) -> None:
        self._block_p, self._n_known = np.minimum(self._block_p, p_values), self._n_known + 1
        if self._n_known < self._n_clips:
            return
        held = np.minimum(HOLDING, self.holding + np.log(HOLDING_BET) + (HOLDING_BET - 1) * np.log(self._block_p))
        self.holding = np.where(self.active, held, 0)
        gained = (1 + self.sums) * (BETS * self._block_p[:, None] ** (BETS - 1)) ** self._worth
        self.sums = np.where(self.active[:, None], self.sums, gained)
        self._block_p, self._n_known = np.ones(len(p_values)), 0
