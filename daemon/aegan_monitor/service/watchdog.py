"""Whether the line still works: every machine is judged, or the fault of its sensor is told, within its time."""

from dataclasses import dataclass

LISTENS = frozenset({"ok", "starting"})  # any other state of a sensor is a fault that was told: a restart would not mend it


@dataclass(slots=True)
class _Machine:
    deadline_s: float
    seen_s: float


class Watchdog:
    """Decides whether systemd's watchdog may be fed; pure: whoever asks tells the time, in seconds of a clock that only goes forward."""

    def __init__(self) -> None:
        self._machines: dict[str, _Machine] = {}

    def watch(self, name: str, deadline_s: float, now_s: float) -> None:
        """From now on, the machine has `deadline_s` to each sign of life."""
        self._machines[name] = _Machine(deadline_s, now_s)

    def forget(self, name: str) -> None:
        """Nothing is expected of the machine any more."""
        del self._machines[name]

    def see(self, name: str, now_s: float, *, decided: bool, sensor: str) -> None:
        """What the worker knows of the machine: it has `decided` just now, and its sensor's state."""
        if decided or sensor not in LISTENS:
            self._machines[name].seen_s = now_s

    def find_late(self, now_s: float) -> dict[str, float]:
        """The machines over their time, with the seconds since their last sign of life."""
        silences_s = {name: (now_s - machine.seen_s, machine.deadline_s) for name, machine in self._machines.items()}
        return {name: silence_s for name, (silence_s, deadline_s) in silences_s.items() if silence_s > deadline_s}
