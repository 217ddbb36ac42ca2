"""Whether nothing has come for so long that the network must be cut; pure: whoever looks tells the time."""

SILENCE_KEEPALIVES = 1.2  # paho asks after one keep-alive
SURE_KEEPALIVES = 0.1  # between two looks: at the first one we may only not have had a turn to ask, or to hear


class Silence:
    """Of the other side of one connection; times are in seconds of a clock that nobody sets."""

    def __init__(self, now_s: float) -> None:
        """It begins now."""
        self._heard_s = now_s
        self._missed_s: float | None = None  # when somebody who looked first missed an answer

    def heard(self, now_s: float) -> None:
        """Something has come."""
        self._heard_s, self._missed_s = now_s, None

    def is_too_long(self, keepalive_s: float, now_s: float) -> bool:
        """Whether to give up, seen from now; never with a `keepalive_s` of 0, which a broker asks for that wants none."""
        if not 0 < SILENCE_KEEPALIVES * keepalive_s < now_s - self._heard_s:
            return False
        if self._missed_s is None:
            self._missed_s = now_s
        return now_s - self._missed_s > SURE_KEEPALIVES * keepalive_s
