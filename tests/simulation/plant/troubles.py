"""What befalls a plant, drawn from a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

# Conditions that last: mean hours between two, shortest and longest duration in seconds; whether each is of one machine.
LASTING: dict[str, tuple[float, float, float, bool]] = {
    "fault": (1.0, 120.0, 7200.0, True),
    "missing microphone": (4.0, 20.0, 1800.0, True),
    "gap after gap": (2.0, 600.0, 7200.0, True),
    "left the configuration": (12.0, 60.0, 3600.0, True),
    "broker down": (4.0, 10.0, 5400.0, False),
    "broker hangs": (6.0, 10.0, 300.0, False),
    "broker refuses": (12.0, 30.0, 900.0, False),
    "disk full": (6.0, 10.0, 3600.0, False),
    "busy processor": (6.0, 10.0, 120.0, False),
}
# What happens at once: mean hours between two, whether each is of one machine.
SUDDEN: dict[str, tuple[float, bool]] = {
    "gap": (1.0, True),
    "command": (0.4, True),
    "kill": (2.5, False),
    "stop": (8.0, False),
    "new settings": (5.0, True),
    "new bundle": (24.0, True),
    "connection cut": (3.0, False),
    "broker killed": (6.0, False),
    "clock set": (12.0, False),
}
OF_BROKER = ("broker down", "broker hangs", "broker refuses")
SLOWING = (*OF_BROKER, "disk full", "busy processor")  # answers are late


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that befalls the plant.

    Attributes:
        at_s: When, in seconds since the start of the plant.
        what: A key of LASTING or SUDDEN.
        machine: Which machine; empty if it is of none alone.
        until_s: Its end, for what lasts.
    """

    at_s: float
    what: str
    machine: str
    until_s: float

    def describe(self) -> str:
        """One line."""
        lasts = f" for {self.until_s - self.at_s:.0f} s" if self.until_s > self.at_s else ""
        return f"{self.what}{lasts}" + (f" ({self.machine})" if self.machine else "")


def draw_troubles(rng: random.Random, machines: Sequence[str], duration_s: float) -> list[Trouble]:
    """All troubles of a plant in order; some plants have many times as many as others."""
    density, found = rng.choice((1.0, 3.0, 8.0)), list[Trouble]()

    def times_s(mean_h: float) -> list[float]:
        at_s, times = 0.0, []
        while (at_s := at_s + rng.expovariate(density / (3600 * mean_h))) < duration_s:
            times.append(at_s)
        return times

    for what, (mean_h, least_s, most_s, has_machine) in LASTING.items():
        for at_s in times_s(mean_h):
            lasts_s = least_s * (most_s / least_s) ** rng.random()
            found.append(Trouble(at_s, what, rng.choice(machines) if has_machine else "", min(duration_s, at_s + lasts_s)))
    for what, (mean_h, has_machine) in SUDDEN.items():
        found += [Trouble(at_s, what, rng.choice(machines) if has_machine else "", at_s) for at_s in times_s(mean_h)]
    return sorted(found, key=lambda trouble: trouble.at_s)
