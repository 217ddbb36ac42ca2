"""The energy counters of the processor (RAPL), where this computer has them and this user may read them."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")


class Counter(NamedTuple):
    """One counter: microjoules since some time, and how many it counts before it begins again at 0."""

    energy_uj: int
    range_uj: int


def read_counters(root: Path = POWERCAP) -> dict[str, Counter]:
    """The counter of each processor package, by its folder; empty where there is none, or none that may be read.

    Source: Linux, Documentation/power/powercap/powercap.rst. Parts of a package (`intel-rapl:0:1`) count in it already.
    """
    found = {}
    for folder in sorted(root.glob("intel-rapl:*")):
        try:
            if (folder / "name").read_text().startswith("package"):
                found[folder.name] = Counter(*(int((folder / name).read_text()) for name in ("energy_uj", "max_energy_range_uj")))
        except OSError:  # since Linux 5.10 root alone may read them
            continue
    return found


def find_watts(before: Mapping[str, Counter], after: Mapping[str, Counter], seconds: float) -> float | None:
    """Mean power of all packages between two readings; None without counters."""
    used_uj = [(after[name].energy_uj - was.energy_uj) % was.range_uj for name, was in before.items() if name in after and was.range_uj]
    return sum(used_uj) / 1e6 / seconds if used_uj else None
