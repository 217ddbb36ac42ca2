"""Which outside parts are missing on this machine, by the marker of the tests that need them, and why."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)  # where Debian puts it


def find_recordings() -> Path | None:
    """The folder with the real recordings, which are never part of this project: `AEGAN_DATA`, or `shared/data` beside the checkout."""
    named = os.environ.get("AEGAN_DATA")
    places = [Path(named)] if named else [parent / "shared" / "data" for parent in REPOSITORY.parents]
    found = next((place for place in places if (place / "quadcopter_mixed").is_dir()), None)
    if named and not found:
        raise pytest.UsageError(f"AEGAN_DATA={named}: no folder quadcopter_mixed in it; name the folder that holds it, or unset it")
    return found


def lacking_programs(*names: str) -> str | None:
    """Which of these programs are not installed."""
    lacking = [name for name in names if shutil.which(name) is None and not Path("/usr/sbin", name).exists()]
    return f"not installed: {', '.join(lacking)}" if lacking else None


def lacking_microphone() -> str | None:
    """Why no microphone can be made here."""
    if reason := lacking_programs("pulseaudio", "pactl", "paplay"):
        return reason
    done = subprocess.run([sys.executable, "-c", "import sounddevice"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"sounddevice: {done.stderr.strip().splitlines()[-1]}"


def lacking_namespaces() -> str | None:
    """Why no network can be made here."""
    from network import lacking_namespaces as try_it

    return lacking_programs("ip") or try_it()


def lacking_small_disk() -> str | None:
    """Why no small disk can be mounted here."""
    from small_disk import lacking_small_disk as try_it

    return try_it()


def lacking_boot() -> str | None:
    """Why no systemd can be booted here."""
    from booted import lacking_boot as try_it

    return try_it()


def lacking_home_assistant() -> str | None:
    """Why Home Assistant cannot be run here: it wants an environment of its own."""
    from home_assistant import find_program

    return None if find_program() else "no hass: set AEGAN_HASS as tests/home-assistant.txt says"


def find_axe() -> Path | None:
    """The script of axe-core: AEGAN_AXE, or that of a global installation."""
    places = [
        os.environ.get("AEGAN_AXE", ""),
        "/usr/lib/node_modules/axe-core/axe.min.js",
        "/usr/local/lib/node_modules/axe-core/axe.min.js",
    ]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


def lacking_gpu() -> str | None:
    """Why no GPU can be used here; only a session tells what a runtime really uses."""
    try:
        import onnxruntime
    except ImportError as error:
        return str(error)
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this ONNX Runtime has no CUDA provider"
    graph = REPOSITORY / "daemon" / "aegan_monitor" / "demo" / "bundle" / "encoder.onnx"
    in_use = onnxruntime.InferenceSession(str(graph), providers=["CUDAExecutionProvider"]).get_providers()
    return None if "CUDAExecutionProvider" in in_use else f"a session asked for CUDA uses {', '.join(in_use)}"


LACKING: dict[str, Callable[[], str | None]] = {
    "broker": lambda: lacking_programs("mosquitto", "mosquitto_sub", "mosquitto_pub"),
    "mic": lacking_microphone,
    "homeassistant": lacking_home_assistant,
    "nodered": lambda: lacking_programs("node-red"),
    "prometheus": lambda: lacking_programs("prometheus", "promtool"),
    "systemd": lacking_boot,
    "browser": lambda: lacking_programs("chromium", "chromedriver"),
    "axe": lambda: None if find_axe() else "no axe-core: npm install --global axe-core, or set AEGAN_AXE",
    "netns": lacking_namespaces,
    "mount": lacking_small_disk,
    "faketime": lambda: None if FAKETIME else "not installed: libfaketime",
    "openvino": lambda: None if importlib.util.find_spec("openvino") else "not installed: openvino; .ci/run and make test-full install it",
    "ray": lambda: None if importlib.util.find_spec("ray") else "not installed: ray; .ci/run and make test-full install it",
    "s3": lambda: None if all(map(importlib.util.find_spec, ("s3fs", "moto", "flask_cors"))) else "not installed: s3fs, moto; as ray",
    "ffmpeg": lambda: lacking_programs("ffmpeg"),
    "gpu": lacking_gpu,
    "dataset": lambda: None if find_recordings() else "no recordings: set AEGAN_DATA to a folder with quadcopter_mixed",
}
