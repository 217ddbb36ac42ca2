"""Contenders of a benchmark, each in a process of its own, that take turns: idle threads and memory of one would slow another.

A contender serves: it prints a line of JSON when it is ready, and one for each turn that a line on its input demands.
"""

import importlib.metadata
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")
Turn = dict[str, float]


class Contender:
    """One contender, as the program that compares them sees it.

    Attributes:
        ready: What it has printed first.
        took: The turns so far, by what was done in them.
    """

    def __init__(self, label: str, program: Path, *arguments: object) -> None:
        """Start `program`."""
        self.label = label
        self._process = subprocess.Popen(
            [sys.executable, str(program), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ready: Turn = self._read()
        self.took: dict[tuple[object, ...], list[Turn]] = {}

    def __enter__(self) -> Self:
        """For `with`, which ends the process."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.communicate()

    def _read(self) -> Turn:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self.label} has ended"
        found: Turn = json.loads(line)
        return found

    def take_turn(self, *what: object) -> None:
        """One turn."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        self.took.setdefault(what, []).append(self._read())

    def find_seconds(self, what: tuple[object, ...], of: str) -> float:
        """Seconds of one piece of work by `of` (clock_s or processor_s): the median of the turns."""
        return statistics.median(turn[of] for turn in self.took[what])


def serve(turn: Callable[..., Turn], **ready: float) -> None:
    """Be a contender until the input ends; `turn` gets what the line demands."""
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(turn(*json.loads(line))), flush=True)


def time_work(work: Callable[[], object], least_s: float = 0.0) -> Turn:
    """Mean seconds of `work`, once or as often as `least_s` has room for; by the clock and by the processor."""
    n, began_s, began_cpu_s = 0, time.perf_counter(), time.process_time()
    while not n or time.perf_counter() - began_s < least_s:
        work()
        n += 1
    return {"clock_s": (time.perf_counter() - began_s) / n, "processor_s": (time.process_time() - began_cpu_s) / n}


def describe_computer(packages: Iterable[str]) -> str:
    """The processor, what it can do, and the versions of those packages that are installed."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = {line.split(":")[1].strip() for line in lines if line.startswith("model name")}
    known = {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split()}
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages if importlib.util.find_spec(name)]
    return f"{' '.join(names) or platform.machine()} ({', '.join(flag for flag in FLAGS if flag in known)}); {', '.join(versions)}"
