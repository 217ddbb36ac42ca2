"""Decides whether the daemon works: every machine makes decisions or reports a sensor fault within its deadline."""

from dataclasses import dataclass

LISTENS = frozenset({"ok", "starting"})  # any other state is a reported fault, which a restart would not mend


@dataclass(slots=True)
class _Machine:
    deadline_s: float
    seen_s: float


class Watchdog:
    """Decides whether systemd's watchdog may be fed. Pure: the caller passes the time, in monotonic seconds."""

    def __init__(self) -> None:
        self._machines: dict[str, _Machine] = {}

    def watch(self, name: str, deadline_s: float, now_s: float) -> None:
        """Expect a sign of life of the machine every `deadline_s`."""
        self._machines[name] = _Machine(deadline_s, now_s)

    def forget(self, name: str) -> None:
        """Expect nothing more of the machine."""
        del self._machines[name]

    def see(self, name: str, now_s: float, *, decided: bool, sensor: str) -> None:
        """Note whether the machine has `decided` just now, and the state of its sensor."""
        if decided or sensor not in LISTENS:
            self._machines[name].seen_s = now_s

    def find_late(self, now_s: float) -> dict[str, float]:
        """The machines over their time, with the seconds since their last sign of life."""
        silences_s = {name: (now_s - machine.seen_s, machine.deadline_s) for name, machine in self._machines.items()}
        return {name: silence_s for name, (silence_s, deadline_s) in silences_s.items() if silence_s > deadline_s}
