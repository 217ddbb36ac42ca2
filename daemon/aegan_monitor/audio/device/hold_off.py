"""Hold-off after a device fault: samples are discarded until the device was healthy for a while, doubled on each relapse."""

FORGET_S = 60.0  # after this healthy time, the next hold-off is the shortest


class HoldOff:
    """Belongs to one thread; times are monotonic seconds."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        """Accept at first; after a fault, hold off for `first_s` of healthy samples, on relapses for up to `longest_s`."""
        self._first_s, self._longest_s = first_s, longest_s
        self._needed_s = 0.0
        self._accepted_since_s: float | None = None

    def has_passed(self, healthy_s: float, now_s: float) -> bool:
        """Whether samples are accepted, after the device has been healthy for `healthy_s` without interruption."""
        if self._accepted_since_s is None and healthy_s >= self._needed_s:
            self._accepted_since_s = now_s
        return self._accepted_since_s is not None

    def begin(self, now_s: float) -> None:
        """Hold off: the device has a fault."""
        if self._needed_s == 0 or (self._accepted_since_s is not None and now_s - self._accepted_since_s > FORGET_S):
            self._needed_s = self._first_s
        elif self._accepted_since_s is not None:
            self._needed_s = min(2 * self._needed_s, self._longest_s)
        self._accepted_since_s = None
