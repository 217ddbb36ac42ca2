"""Whether a device that was wrong is believed again: not before it was right for a while, longer each time that it soon fails again."""

FORGET_S = 60.0  # who was believed for so long may begin anew


class Trust:
    """Belongs to one thread; times are monotonic seconds."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        """Believe at first; later for `first_s` that were right, and for `longest_s` at most."""
        self._first_s, self._longest_s = first_s, longest_s
        self._needed_s = 0.0
        self._since_s: float | None = None  # it is believed

    def believe(self, right_s: float, now_s: float) -> bool:
        """Whether it is believed, having been right for `right_s` without a break."""
        if self._since_s is None and right_s >= self._needed_s:
            self._since_s = now_s
        return self._since_s is not None

    def lose(self, now_s: float) -> None:
        """It is wrong."""
        if self._needed_s == 0 or (self._since_s is not None and now_s - self._since_s > FORGET_S):
            self._needed_s = self._first_s
        elif self._since_s is not None:
            self._needed_s = min(2 * self._needed_s, self._longest_s)
        self._since_s = None
