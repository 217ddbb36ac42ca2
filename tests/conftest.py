"""Markers name the outside parts that a test needs; here it is decided whether they are there."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from broker import Mosquitto
    from pulse import PulseServer

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two busy cores and spinning threads make a second a minute
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it puts in the background ignore it, and its children

REQUIRE_ALL = os.environ.get("AEGAN_REQUIRE_ALL") == "1"
NEVER_REQUIRED = {"gpu", "dataset"}  # no machine of ours has to have them
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)  # where Debian puts it
REPOSITORY = Path(__file__).resolve().parent.parent

settings.register_profile("steady", deadline=None)  # a busy machine is no counterexample
settings.load_profile("steady")


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
    "netns": lacking_namespaces,
    "mount": lacking_small_disk,
    "faketime": lambda: None if FAKETIME else "not installed: libfaketime",
    "gpu": lacking_gpu,
    "dataset": lambda: None if find_recordings() else "no recordings: set AEGAN_DATA to a folder with quadcopter_mixed",
}
_found: dict[str, str | None] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose part is missing; where all parts must be there, fail it."""
    for marker, lacking in LACKING.items():
        if item.get_closest_marker(marker) is None:
            continue
        if marker not in _found:
            _found[marker] = lacking()
        reason = _found[marker]
        if reason and REQUIRE_ALL and marker not in NEVER_REQUIRED:
            pytest.fail(f"AEGAN_REQUIRE_ALL=1, and {marker} is missing: {reason}", pytrace=False)
        if reason:
            pytest.skip(f"{marker}: {reason}")


@pytest.fixture(autouse=True)
def _no_broker_outlives_its_test() -> Iterator[None]:
    """Nor its failure: one that is left over would fail other tests."""
    module = sys.modules.get("broker")
    before = set(module.Mosquitto.running) if module else set()
    yield
    if module := sys.modules.get("broker"):
        for left in module.Mosquitto.running - before:
            left.kill()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator["Mosquitto"]:
    """A real mosquitto on a loopback port of its own."""
    from broker import Mosquitto

    server = Mosquitto(tmp_path / "mosquitto")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator["PulseServer"]:
    """A real PulseAudio whose null sink is the microphone."""
    from pulse import PulseServer

    with PulseServer(tmp_path_factory.mktemp("pulse")) as server:
        yield server


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder with the real recordings (marker `dataset`)."""
    found = find_recordings()
    assert found is not None
    return found


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def _cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthesised data set in DCASE 2020 layout."""
    from synthetic import write_dataset

    return write_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="session")
def dcase2020(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny data set of a fan in DCASE 2020 layout."""
    from synthetic import write_dcase2020

    return write_dcase2020(tmp_path_factory.mktemp("dcase2020"))


@pytest.fixture(scope="session")
def dcase2022(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny data set of a fan in DCASE 2022 layout."""
    from synthetic import write_dcase2022

    return write_dcase2022(tmp_path_factory.mktemp("dcase2022"))


@pytest.fixture(scope="session")
def run_folder(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run of three epochs on `dataset`."""
    from aegan_train.config import load_config
    from aegan_train.fit import FitRequest, fit

    out = tmp_path_factory.mktemp("runs") / "run"
    assert fit(FitRequest(dataset, "pump", "tiny", load_config("tiny", None, n_epochs=3), out, "cpu", 0))
    return out


@pytest.fixture(scope="session")
def bundle_folder(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run, exported."""
    from aegan_export.bundle import export_bundle

    out = tmp_path_factory.mktemp("bundles") / "bundle"
    export_bundle(run_folder, out)
    return out
