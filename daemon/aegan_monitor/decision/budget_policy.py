"""Policy of a budget: evidence over blocks of sound raises the alarm, as often as the budget of false alarms allows."""

import math
from collections import deque

import numpy as np

from aegan_monitor.decision.blocks import MOST_CLIPS, design_effect
from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.evidence import BETS, HOLDING, Evidence, hold
from aegan_monitor.decision.p_value import NormalScores
from aegan_monitor.decision.policy import DESCRIPTIONS, Decision
from aegan_monitor.detection.record import BundleFields, NormalBlocks, Place
from aegan_monitor.detection.spaces import LASTING_PART
from aegan_monitor.types import ClipScore

IN_A_ROW = 3  # clips without common sound: a word or a passer-by is over before
RECENT_PIECES = 16  # the last second of a clip
STILL = 0.5  # of the lasting share of the clip, that of its end must be
CONFIRM_S = 4.0  # until a change of the operating state is recognised: the clip that ends before that may have sound of both
LEAST_BLOCKS = 20  # of an operating state that is judged by its own
LEAST_HOLDING = 1e-9  # of an active alarm: at this it ends
MOST_BLOCKS = 10_000  # a day
N_HALVINGS = 40


class BudgetPolicy:
    """Raises an alarm once the evidence of blocks is larger than the budget allows, or sooner where a change is gross.

    Evidence counts how many normal blocks were as unusual; how far a block is beyond all of them does not matter. So a bang is one unusual
    block. It stands still while nothing is heard, and in the grace time after a start. A gross change is IN_A_ROW clips without common
    sound that are far beyond normal sound, by the tail that is assumed there, and that goes on at the end of the last one. An active alarm
    stays until the blocks since then have used up the evidence that holds it.

    A clip in a calibrated operating state is compared with normal blocks of this state, where there are LEAST_BLOCKS of them, and any
    other clip with all blocks. Where a machine has several states, a clip counts CONFIRM_S after its end, if no change has begun.
    """

    def __init__(self, fields: BundleFields, score: str, blocks: NormalBlocks, place: Place, budget: Budget) -> None:
        self._score, self._fields, self._place, self.blocks = score, fields, place, blocks
        self.n_effective = sum(map(len, blocks.stretches)) / design_effect(blocks.alike, blocks.per_recording)
        self.worth = 1 / design_effect(blocks.alike, max(1.0, min(blocks.per_recording, MOST_CLIPS / blocks.n_clips)))
        self.clip_samples = fields.clip.covered_frames * fields.features.hop_samples
        self.block_s = blocks.n_clips * self.clip_samples / fields.features.sample_rate_hz
        self.budget = budget
        self._evidence = Evidence(self.worth)
        self._since_clip = 0  # samples from the end of the block's last clip
        self._n_clips = 0  # of the block so far
        self._least_p: dict[int | None, float] = {}  # smallest p-value of its clips in each operating state
        self._waiting: tuple[int | None, float] | None = None  # operating state and p-value of a clip that does not count yet
        self._confirm_samples = round(CONFIRM_S * fields.features.sample_rate_hz) if blocks.states else 0
        self._holding = 0.0
        self._row: deque[tuple[int, bool]] = deque()  # (end, is far) of the latest clips, by heard samples
        self._heard = 0
        self._is_gross = False

    @property
    def budget(self) -> Budget:
        """False alarms that are accepted; evidence outlasts another budget."""
        return self._budget

    @budget.setter
    def budget(self, budget: Budget) -> None:
        self._budget = budget
        self.normal_of = compare_with(self.blocks, self.n_effective, budget)
        self.normal = self.normal_of[None]
        self.needed = budget.blocks(self.block_s)
        hop_s = self._fields.clip.decision_hop_frames * self._fields.features.hop_s
        n_independent = IN_A_ROW / design_effect(self.blocks.alike, IN_A_ROW) if self.blocks.n_clips == 1 else 1.0
        self._gross_p = budget.gross_p_value(hop_s, n_independent)
        self._gross_score_of = {state: normal.score_at(self._gross_p) for state, normal in self.normal_of.items()}
        self.gross_score = self._gross_score_of[None]

    @property
    def memory(self) -> tuple[float, ...]:
        """See `Policy`."""
        return (self._since_clip, self._n_clips, self._find_block_p(), self._holding, *self._evidence.sums.tolist())

    @memory.setter
    def memory(self, stored: tuple[float, ...]) -> None:
        if len(stored) == 4 + len(BETS):
            self._since_clip, self._n_clips = int(stored[0]), int(stored[1])
            self._least_p, self._holding = {None: stored[2]} if self._n_clips else {}, stored[3]
            self._evidence.sums[:] = stored[4:]

    def decide(self, clip: ClipScore, is_active: bool, new_samples: int, *, in_grace: bool = False, state: int | None = None) -> Decision:
        """See `Policy`."""
        score = clip.scores[self._score]
        state = state if state in self.normal_of else None
        normal = self.normal_of[state]
        self._is_gross = self._see_gross(clip, new_samples, normal)
        if is_active != (self._holding > 0):  # the alarm was raised or has ended since the last decision
            self._evidence.reset()
            self._holding = HOLDING if is_active else 0.0
        self._since_clip += new_samples
        if in_grace:
            self._waiting = None
        elif self._since_clip >= self.clip_samples:  # this clip has no sound in common with the block's last one
            self._take_waiting(is_active)
            self._since_clip, self._waiting = 0, (state, normal.p_value(score))
        if self._since_clip >= self._confirm_samples:
            self._take_waiting(is_active)
        if is_active and self._is_gross:
            self._holding = HOLDING
        usual = self._fields.normalisation[self._score]
        return Decision(
            score=score,
            normalised=(score - usual.mean) / usual.std,
            threshold=self._gross_score_of[state],
            exceeded=self._holding > HOLDING / 2 if is_active else self._is_gross or self._evidence.value**2 >= self.needed,
            evidence=self._holding / HOLDING if is_active else self._measure(),
            is_gross=self._is_gross,
        )

    def has_elapsed(self, is_active: bool, delay_samples: int) -> bool:  # noqa: ARG002 # of the protocol
        """See `Policy`: evidence takes the place of a delay."""
        return self._holding <= LEAST_HOLDING if is_active else self._is_gross or self._evidence.value >= self.needed

    def describe(self) -> str:
        """One line: the budget, and what it takes to raise an alarm."""
        return (
            f"{self._score}, {DESCRIPTIONS[self._place]}: false alarms by design: at most {self._budget.per_week:.3g} a week, from "
            f"{len(self.normal)} blocks of {self.block_s:.0f} s of normal sound that scored up to {self.normal.largest:.4g}; "
            f"a score that stays over {self.gross_score:.4g} alarms within 30 s"
        )

    def count_blocks(self, p_value: float, most: int = MOST_BLOCKS) -> int | None:
        """Blocks with this p-value until the evidence raises the alarm; None if it takes more than `most`."""
        evidence = Evidence(self.worth)
        for n in range(1, most + 1):
            evidence.add(p_value)
            if evidence.value >= self.needed:
                return n
        return None

    def count_state_blocks(self) -> dict[str, int]:
        """The number of blocks in each calibrated operating state; empty where states are unknown, or one for all."""
        known = self.blocks.by_state()
        states = enumerate(self._fields.normal_sound if self.blocks.states else [])
        return {state.name: len(known.get(place, [])) for place, state in states}

    def score_within(self, delay_s: float) -> float:
        """The score that a lasting change must have to alarm within `delay_s`, 30 or more: that of a gross change, or a lower one.

        Evidence counts normal blocks: beyond all of them no score brings more.
        """
        low, high, most = math.log(self.normal.least), 0.0, int(delay_s / self.block_s)
        if not self.count_blocks(self.normal.least, most):
            return self.gross_score
        for _ in range(N_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.count_blocks(math.exp(middle), most) else (low, middle)
        return min(self.gross_score, self.normal.score_at(math.exp(low)))

    def _measure(self) -> float:
        return 1.0 if self._is_gross else min(1.0, math.log1p(self._evidence.value) / math.log1p(self.needed))

    def _find_block_p(self) -> float:
        """The p-value of the block so far; that of a block with clips of several operating states by Bonferroni's bound."""
        return min(1.0, len(self._least_p) * min(self._least_p.values(), default=1.0))

    def _take_waiting(self, is_active: bool) -> None:
        """Count the clip that waited, if any."""
        if self._waiting is None:
            return
        (state, p_value), self._waiting = self._waiting, None
        self._n_clips += 1
        self._least_p[state] = min(self._least_p.get(state, 1.0), p_value)
        if self._n_clips == self.blocks.n_clips:
            self._end_block(is_active)

    def _end_block(self, is_active: bool) -> None:
        block_p = self._find_block_p()
        if is_active:
            self._holding = max(LEAST_HOLDING, hold(self._holding, block_p))
        else:
            self._evidence.add(block_p)
        self._n_clips, self._least_p = 0, {}

    def _see_gross(self, clip: ClipScore, new_samples: int, normal: NormalScores) -> bool:
        self._heard += new_samples
        is_far = normal.tail_p_value(clip.scores[self._score]) <= self._gross_p
        self._row.append((self._heard, is_far))
        while self._row[0][0] < self._heard - IN_A_ROW * self.clip_samples:
            self._row.popleft()
        if not is_far or not goes_on(clip):
            return False
        end, n = self._heard, 1
        for before, was_far in reversed(self._row):
            if before <= end - self.clip_samples:
                if not was_far:
                    return False
                end, n = before, n + 1
        return n >= IN_A_ROW


def compare_with(blocks: NormalBlocks, n_effective: float, budget: Budget) -> dict[int | None, NormalScores]:
    """Normal scores of each operating state with LEAST_BLOCKS blocks or more, and all of them at None.

    They are worth `n_effective` independent ones in all.
    """
    everything = [score for stretch in blocks.stretches for score in stretch]
    share = n_effective / len(everything)
    groups: dict[int | None, list[float]] = {None: everything}
    groups |= {state: scores for state, scores in blocks.by_state().items() if len(scores) >= LEAST_BLOCKS}
    return {state: NormalScores(scores, budget.confidence, share * len(scores)) for state, scores in groups.items()}


def goes_on(clip: ClipScore) -> bool:
    """Whether what is unlike normal sound in the clip is still there at its end; true where the bundle does not know."""
    if clip.excess is None or clip.lasting_share is None:
        return True
    share = float(np.mean(clip.excess[-RECENT_PIECES:] > LASTING_PART * clip.excess.max()))
    return share >= STILL * clip.lasting_share
