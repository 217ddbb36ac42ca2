"""What decides how fast and how exactly a provider computes: the processor, the GPU's driver, and the installed runtimes."""

import mmap
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aegan_monitor import __version__

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "openvino", "numpy")
MODEL_KEYS = ("model name", "CPU part", "CPU implementer")  # of /proc/cpuinfo, x86 and ARM
FLAG_KEYS = ("flags", "Features")
GPU_DRIVER = Path("/proc/driver/nvidia")


@cache
def read_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, frozenset[str]]:
    """(model, flags) of the first processor; empty where the kernel does not show them."""
    try:
        first = cpuinfo.read_text().partition("\n\n")[0]
    except OSError:
        return platform.machine(), frozenset()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
    model = " ".join(values[key] for key in MODEL_KEYS if key in values)
    return model or platform.machine(), frozenset(" ".join(values.get(key, "") for key in FLAG_KEYS).split())


def may_compile() -> bool:
    """Whether this process may write machine code: systemd's MemoryDenyWriteExecute forbids it."""
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError:
        return False
    return True


def describe_box() -> list[str]:
    """Processor, number of cores, GPU with its driver, and versions; one line each."""
    model, flags = read_processor()
    found = [f"{model}, {os.cpu_count()} cores", " ".join(sorted(flags)), f"aegan-monitor {__version__}"]
    for path in sorted([GPU_DRIVER / "version", *GPU_DRIVER.glob("gpus/*/information")]):
        try:
            found.append(path.read_text())
        except OSError:
            continue
    for name in RUNTIMES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
