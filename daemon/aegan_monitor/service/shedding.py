"""Overload: how many segments the network evaluates, so that the daemon keeps up with its machines. Pure: time is passed in."""

STRIDES = (1, 2, 4)  # every, every second, every fourth segment
LATE_S = 2.0  # of late sound, which could have been judged: from there on the daemon is late
GRAVE_S = 12.0  # of late sound: the ring holds 30 s
SURE_S = 2.0  # for which it is late before anything is left out: after a short hindrance it catches up by itself
SETTLE_S = 4.0  # until a change shows
CALM_S = 0.6  # of late sound: the daemon keeps up
FIRST_CALM_S, LONGEST_CALM_S = 30.0, 300.0  # for which it keeps up before more segments are tried
RELAPSE_S = 60.0  # after such a trial; if it is late again within that time, the next one waits twice as long


class Shedding:
    """From the late sound to the stride of the segments: 1 while the daemon keeps up, larger while it is late.

    Attributes:
        stride: The network evaluates one segment in so many.
    """

    def __init__(self) -> None:
        self.stride = 1
        self._late_since_s: float | None = None
        self._calm_since_s: float | None = None
        self._raised_s = self._lowered_s = -LONGEST_CALM_S
        self._behind_then_s = 0.0  # when the stride was raised
        self._calm_for_s = FIRST_CALM_S

    @property
    def problem(self) -> str:
        """What is left out, in one line; empty if nothing is."""
        if self.stride == 1:
            return ""
        return (
            f"this computer is too slow for its machines: the network evaluates one segment in {self.stride}, at least one a decision; "
            "monitor fewer machines, or train with a smaller preset"
        )

    def look(self, behind_s: float, now_s: float) -> bool:
        """Whether the stride changes, because the latest machine has `behind_s` seconds of late sound; call it every second at least."""
        before = self.stride
        if behind_s > LATE_S:
            self._calm_since_s = None
            self._late_since_s = now_s if self._late_since_s is None else self._late_since_s
            if self._must_raise(behind_s, now_s):
                self._raise(behind_s, now_s)
        else:
            self._late_since_s = None
            if behind_s > CALM_S:
                self._calm_since_s = None
            elif self._calm_since_s is None:
                self._calm_since_s = now_s
            elif now_s - self._calm_since_s >= self._calm_for_s:
                self._lower(now_s)
        return self.stride != before

    def _must_raise(self, behind_s: float, now_s: float) -> bool:
        if behind_s >= GRAVE_S:
            return True
        is_sure = self._late_since_s is not None and now_s - self._late_since_s >= SURE_S
        return is_sure and now_s - self._raised_s >= SETTLE_S and (self.stride == 1 or behind_s >= self._behind_then_s)

    def _raise(self, behind_s: float, now_s: float) -> None:
        if self.stride == STRIDES[-1]:
            return
        if now_s - self._lowered_s < RELAPSE_S:
            self._calm_for_s = min(2 * self._calm_for_s, LONGEST_CALM_S)
        self.stride = STRIDES[-1] if behind_s >= GRAVE_S else STRIDES[STRIDES.index(self.stride) + 1]
        self._raised_s, self._behind_then_s = now_s, behind_s

    def _lower(self, now_s: float) -> None:
        self._calm_since_s = now_s
        if self.stride > 1:
            self.stride, self._lowered_s = STRIDES[STRIDES.index(self.stride) - 1], now_s
        else:
            self._calm_for_s = FIRST_CALM_S
