"""Measures every provider and precision that this computer can try, each in a process of its own, and prints a table."""

import contextlib
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aegan_monitor import __version__
from aegan_monitor.detection.bundle import Bundle, load_bundle, require_streamable
from aegan_monitor.detection.fusion import needed_graphs
from aegan_monitor.detection.network import Graph
from aegan_monitor.errors import EXIT_FAILED, AeganError, InferenceError
from aegan_monitor.files import show_path
from aegan_monitor.inference.box import RUNTIMES, read_processor
from aegan_monitor.inference.open import offered
from aegan_monitor.inference.providers import STRICT, Choice
from aegan_monitor.inference.trial import run_alone
from aegan_monitor.tools.progress import Progress
from aegan_monitor.tools.speed import measure
from aegan_monitor.tools.speed.measure import Figures
from aegan_monitor.tools.speed.power import find_watts, read_counters

Report = Callable[[str], object]
IDLE_S = 1.0
COLUMNS: dict[str, Callable[[Figures], str]] = {
    "provider": lambda each: each.provider,
    "precision": lambda each: each.precision,
    "segments/s": lambda each: "-" if each.segments_per_s is None else f"{each.segments_per_s:.1f}",
    "machines": lambda each: f"{each.machines:.1f}",
    "delay": lambda each: f"{each.delay_ms:.1f} ms",
    "99 % under": lambda each: f"{each.delay_p99_ms:.1f} ms",
    "memory": lambda each: f"{each.rss_mb:.0f} MB",
    "start": lambda each: f"{each.start_s:.2f} s",
    "power": lambda each: "-" if each.watts is None else f"{each.watts:.1f} W",
}
LEGEND = (
    "segments/s: of the network alone. machines: as many as run in real time, from sound to decision.",
    "delay: of computing, from the last sample of a clip to its decision. memory: of the process. start: until it can hear.",
)
LEAST_SHARE = 0.9  # of the clock; less is not this bundle's fault
BUSY = "other programs left only {:.0f} % of a core: the figures are too low; end them, and measure again"


@dataclass(frozen=True, slots=True)
class Box:
    """What the figures depend on: bundle, computer, versions."""

    machine_type: str
    preset: str
    score: str
    graphs: list[Graph]
    processor: str
    n_cores: int
    n_threads: int
    versions: dict[str, str]

    def __str__(self) -> str:
        """One line, without versions."""
        return (
            f"{self.machine_type}, preset {self.preset}, score {self.score} ({' and '.join(self.graphs) or 'no network'}); "
            f"{self.processor}, {self.n_cores} cores, inference.n_threads {self.n_threads}"
        )


def benchmark(
    folder: Path, seconds: float, n_threads: int, report: Report, warn: Callable[[AeganError], object], progress: Progress, *, as_json: bool
) -> int:
    """Measure, and print the table or a JSON object a line; the exit code, 1 where nothing could be measured.

    Args:
        folder: The bundle; its own score decides.
        seconds: For each provider and precision, and its start in addition.
        n_threads: As `inference.n_threads`.
        report: Takes the lines of the result.
        warn: Takes the error of what cannot be measured; the others are.
        progress: Shows how far it is.
        as_json: One object for each provider and precision.

    Raises:
        BundleError: It is none, is damaged, or cannot be streamed.
    """
    bundle = load_bundle(folder)
    require_streamable(bundle)
    box = describe_box(bundle, n_threads)
    idle_watts = measure_idle()
    found: list[Figures] = []
    choices = offered(bundle, box.graphs)
    for place, choice in enumerate(choices):
        progress.show(place / len(choices))
        try:
            found.append(run_measure(folder, choice, n_threads, seconds))
        except InferenceError as error:
            progress.clear()
            warn(error)
    progress.clear()
    if as_json:
        for each in found:
            report(json.dumps({**asdict(each), "idle_watts": idle_watts, **asdict(box)}, allow_nan=False))
    elif found:
        for line in describe(found, box, idle_watts, folder):
            report(line)
    return 0 if found else EXIT_FAILED


def run_measure(folder: Path, choice: Choice, n_threads: int, seconds: float) -> Figures:
    """The figures of one provider and precision, from a new process.

    Raises:
        InferenceError: It cannot be used here, fails the golden check, or its process ends or hangs.
    """
    began_s = time.monotonic()
    request = {"bundle": str(folder), **choice._asdict(), "n_threads": n_threads, "seconds": seconds, "began_s": began_s}
    return Figures(**run_alone(measure.__name__, request, f"{choice}: not measured"))


def measure_idle() -> float | None:
    """Mean power of the processor while nothing is measured; None where it is not counted."""
    before, began_s = read_counters(), time.monotonic()
    if not before:
        return None
    time.sleep(IDLE_S)
    return find_watts(before, read_counters(), time.monotonic() - began_s)


def describe_box(bundle: Bundle, n_threads: int) -> Box:
    """What the figures of this bundle on this computer depend on."""
    record = bundle.record
    versions = {"aegan-monitor": __version__, "python": platform.python_version()}
    for name in RUNTIMES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    graphs = list(needed_graphs(record, record.score))
    n_cores = len(os.sched_getaffinity(0))
    return Box(record.machine_type, record.network.preset, record.score, graphs, read_processor()[0], n_cores, n_threads, versions)


def describe(found: Sequence[Figures], box: Box, idle_watts: float | None, folder: Path) -> list[str]:
    """The table, what its columns are, and one line to paste into an issue report."""
    rows = [list(COLUMNS), *([text(each) for text in COLUMNS.values()] for each in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if idle_watts is None:
        power = "power: not measured; this computer has no energy counters (RAPL), or only root may read them"
    else:
        power = f"power: of the processor while it computes without a pause; before that {idle_watts:.1f} W"
    versions = ", ".join(f"{name} {number}" for name, number in box.versions.items())
    figures = "; ".join(", ".join(f"{name} {text(each)}" for name, text in COLUMNS.items()) for each in found)
    share = min((each.processor_share for each in found if each.provider == STRICT.provider), default=1.0)  # others may wait for a GPU
    return [
        f"{show_path(folder)}: {box}",
        *("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows),
        *LEGEND,
        power,
        *([BUSY.format(100 * share)] if share < LEAST_SHARE else []),
        "for an issue report:",
        f"{box}; {versions}; {figures}; processor share {100 * share:.0f} %",
    ]
