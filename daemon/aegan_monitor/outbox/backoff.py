"""Back-off after refusals of the broker, by key: a topic, or a filter of several topics."""

from dataclasses import dataclass

FIRST_RETRIAL_S, LONGEST_RETRIAL_S = 60.0, 600.0  # enough for a quota to pass, or for an ACL to be corrected


@dataclass(slots=True)
class _Refusal:
    """A key that was refused: the next attempt, and the wait after that one."""

    retry_at_s: float
    next_wait_s: float
    is_trying: bool = False


class Backoff:
    """The refused keys of one connection; messages of other keys may be sent.

    After the wait one message is sent as an attempt. When the broker has accepted it, the other messages of the key follow. Each
    refused attempt doubles the wait.
    """

    def __init__(self) -> None:
        self._refusals: dict[str, _Refusal] = {}

    def is_refused(self, key: str) -> bool:
        """The last attempt was refused, and none was accepted since."""
        return key in self._refusals

    def is_free(self, key: str, now_s: float) -> bool:
        """A message may be sent: nothing was refused, or the wait is over and no attempt is under way."""
        refusal = self._refusals.get(key)
        return refusal is None or (now_s >= refusal.retry_at_s and not refusal.is_trying)

    def is_waiting(self, key: str, now_s: float) -> bool:
        """The wait is not over."""
        refusal = self._refusals.get(key)
        return refusal is not None and now_s < refusal.retry_at_s

    def sent(self, key: str) -> None:
        """Note that a message was sent; for a refused key it is the attempt."""
        if refusal := self._refusals.get(key):
            refusal.is_trying = True

    def accepted(self, key: str) -> None:
        """Note that a message was accepted. One that was sent before the refusal changes nothing."""
        refusal = self._refusals.get(key)
        if refusal and refusal.is_trying:
            del self._refusals[key]

    def refused(self, key: str, now_s: float, *, for_good: bool = False) -> None:
        """Note that a message was refused; `for_good` means a fault of that message alone, so its key is free again."""
        refusal = self._refusals.get(key)
        if for_good:
            self._refusals.pop(key, None)
        elif refusal is None or refusal.is_trying:
            wait_s = refusal.next_wait_s if refusal else FIRST_RETRIAL_S
            self._refusals[key] = _Refusal(now_s + wait_s, min(2 * wait_s, LONGEST_RETRIAL_S))
