"""Detects gaps that are so frequent that an alarm is late or impossible: each costs the time up to the next decision."""

from collections import deque

PATIENCE = 3  # largest factor by which gaps may delay an alarm without an overrun
PATIENCE_CLIPS = 2  # without one decision
MOST_CLIPS = 6  # bounds the on-delay that counts, and with it the window


class GapRate:
    """Counts the time that decisions cover in a sliding window. One thread calls `add`; any thread may read.

    All times are in received samples; lost samples do not count.

    Attributes:
        is_overrun: In the last `window_samples` decisions covered less than the on-delay, or there was none for two clips.
            It ends with one stretch long enough for an alarm, or when a whole window was sufficient.
        window_samples: PATIENCE times first decision plus on-delay.
    """

    def __init__(self, first_decision_samples: int, decision_hop_samples: int, on_delay_samples: int) -> None:
        self.is_overrun = False
        self._first, self._hop = first_decision_samples, decision_hop_samples
        self._needed = min(on_delay_samples, MOST_CLIPS * first_decision_samples)
        self.window_samples = PATIENCE * (first_decision_samples + self._needed)
        self._heard = self._stretch_start = self._decided_until = 0
        self._good_from = 0  # before this sample, a sufficient window does not end an overrun
        self._decided: deque[tuple[int, int]] = deque()  # first decision and end of each stretch in the window

    def add(self, n_samples: int, *, after_gap: bool) -> None:
        """Count received samples; `after_gap`: samples were lost before them."""
        if after_gap:
            self._stretch_start = self._heard
        self._heard += n_samples
        first = self._stretch_start + self._first
        if self._heard >= first:
            self._decided_until = self._heard
            if self._decided and self._decided[-1][0] == first:
                self._decided.pop()
            self._decided.append((first, self._heard))
        if self._heard - self._stretch_start >= self._first + self._needed:
            self.is_overrun, self._good_from = False, self._heard
        elif self._is_insufficient():
            self.is_overrun, self._good_from = True, self._heard + self.window_samples
        elif self._heard >= self._good_from:
            self.is_overrun = False

    def _is_insufficient(self) -> bool:
        edge = self._heard - self.window_samples
        while self._decided and self._decided[0][1] < edge:
            self._decided.popleft()
        covered = sum((end - max(first, edge)) // self._hop * self._hop for first, end in self._decided)
        return self._heard - self._decided_until > PATIENCE_CLIPS * self._first or (edge >= 0 and covered < self._needed)
