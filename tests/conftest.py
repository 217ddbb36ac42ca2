"""Skips tests whose outside parts are missing, adds the markers of tiers, and holds the fixtures that all folders share."""

import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

import tiers
from chaos import IS_FULL
from lacking import LACKING, REPOSITORY, find_recordings

if TYPE_CHECKING:
    from broker import Mosquitto
    from pulse import PulseServer

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two busy cores and spinning threads make a second a minute
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it puts in the background ignore it, and its children

REQUIRE_ALL = os.environ.get("AEGAN_REQUIRE_ALL") == "1"
NEVER_REQUIRED = {"gpu", "dataset"}  # no machine of ours has to have them

settings.register_profile("steady", deadline=None)  # a busy machine is no counterexample
settings.load_profile("steady")


_found: dict[str, str | None] = {}
tiers.watch()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`-m unit` imports no file of another tier."""
    return True if config.option.markexpr == "unit" and tiers.is_costly(collection_path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its tier, before `-m` chooses; leave out what only a full run does; the longest first."""
    for item in items:
        tiers.mark(item, set(LACKING))
    left_out = [] if IS_FULL else [item for item in items if item.get_closest_marker("full")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = sorted((item for item in items if item not in left_out), key=tiers.rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> tiers.GroupScheduling:
    """Tests that share something slow run on one worker (`--dist` chooses nothing else)."""
    return tiers.GroupScheduling(config, log)


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured (see `figure`), whichever worker has run them."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports if isinstance(report, pytest.TestReport)]
    lines = {(report.nodeid, str(value)): None for report in reports for name, value in report.user_properties if name == "figure"}
    for node, line in lines:
        terminalreporter.write_line(f"{node.rpartition('::')[2]}: {line}")


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Takes a line of figures for the end of the run."""
    return partial(record_property, "figure")


@pytest.fixture(autouse=True)
def _unit_tests_are_cheap(request: pytest.FixtureRequest) -> Iterator[None]:
    """A unit test starts no process and loads no torch; one that must carries the marker of its tier."""
    n_before, has_torch = tiers.n_started(), "torch" in sys.modules
    yield
    if request.node.get_closest_marker("unit"):
        assert tiers.n_started() == n_before, "a unit test has started a process: mark it `process`, or list its file in tests/tiers.py"
        assert has_torch or "torch" not in sys.modules, (
            "a unit test has imported torch: mark it `train`, or list its file in tests/tiers.py"
        )


@pytest.fixture(autouse=True)
def _no_broker_outlives_its_test() -> Iterator[None]:
    """Kill brokers that a failed test has left running."""
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


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` of all workers; the first that needs it makes it, and the others wait."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder.with_suffix(".new"))
            folder.with_suffix(".new").rename(folder)
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthesised data set in DCASE 2020 layout."""
    from synthetic import write_dataset

    return make_once(tmp_path_factory, "dataset", write_dataset)


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

    def make(out: Path) -> None:
        assert fit(FitRequest(dataset, "pump", "tiny", load_config("tiny", None, n_epochs=3), out, "cpu", 0))

    return make_once(tmp_path_factory, "run", make)


@pytest.fixture(scope="session")
def bundle_folder(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run, exported."""
    from aegan_export.bundle import export_bundle

    out = tmp_path_factory.mktemp("bundles") / "bundle"
    export_bundle(run_folder, out)
    return out
