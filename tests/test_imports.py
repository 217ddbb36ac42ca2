"""The daemon runs on a machine that has none of the packages that train or draw."""

import os
import subprocess
import sys

FORBIDDEN = ("torch", "sklearn", "scipy", "librosa", "onnx", "matplotlib")
DEADLINE_S = 60

# Each program runs in an interpreter of its own. None in sys.modules makes an import of that name fail, wherever it stands.
POISON = f"import sys; sys.modules.update(dict.fromkeys({FORBIDDEN}))"
IMPORT_ALL = """
import importlib, pkgutil, aegan_monitor
names = [found.name for found in pkgutil.walk_packages(aegan_monitor.__path__, "aegan_monitor.")]
for name in names:
    if not name.endswith("__main__"):  # that one runs
        importlib.import_module(name)
print(len(names))
"""
LIST_LOADED = f"import sys; print([name for name in {FORBIDDEN} if name in sys.modules])"
N_MODULES_AT_LEAST = 25
MULTIPLY = """
import os, sys
from aegan_monitor.cli import main
print("numpy" in sys.modules, main(["completion", "bash"]))
import numpy
numpy.ones((1500, 1500)) @ numpy.ones((1500, 1500))
print(len(os.listdir("/proc/self/task")))
"""


def run_python(*steps: str) -> subprocess.CompletedProcess[str]:
    """What the steps print, run as one program; a warning is an error here as well."""
    command = [sys.executable, "-W", "error", "-c", "\n".join(steps)]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False, env=environment)


def test_no_module_of_the_daemon_needs_a_package_that_trains_or_draws() -> None:
    """Each can be imported where an import of such a package fails."""
    done = run_python(POISON, IMPORT_ALL)

    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= N_MODULES_AT_LEAST  # the walk found the package, not an empty folder


def test_no_such_package_is_loaded_by_chance() -> None:
    """None is taken along where it happens to be installed, not even behind a `try`."""
    done = run_python(IMPORT_ALL, LIST_LOADED)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "[]"


def test_arithmetic_starts_no_threads() -> None:
    """NumPy multiplies in the calling thread: the idle threads of its library would spin, and take two thirds of the daemon's time."""
    done = run_python(MULTIPLY)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == ["False 0", "1"]
