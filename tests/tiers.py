"""Tiers of tests by cost. A file's place decides its tier; a test that no tier and no outside part claims is a unit test.

`pytest -m unit` does not even import the files of other tiers, so torch is not loaded there.
"""

import sys
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).resolve().parent
TIERS: dict[str, tuple[str, ...]] = {  # folders and files below tests/
    "process": (
        *("integration", "systemd", "container/test_image.py", "test_imports.py"),
        *("daemon/audio/device/test_portaudio.py", "daemon/mqtt/test_endpoint.py"),
        *("daemon/tools/record/test_command.py", "daemon/tools/terminal/test_completion.py", "daemon/tools/speed"),
    ),
    "train": ("train", "export", "daemon/detection/test_scores.py", "integration/test_oracle.py", "simulation/test_first_use.py"),
    "chaos": ("integration/chaos", "integration/test_soak.py", "integration/broker/test_delivery.py", "daemon/outbox/test_store_torn.py"),
    "realtime": ("integration/microphone", "integration/broker/test_network_cut.py", "integration/broker/test_hardship.py"),
}
TRAINED_FIXTURES = {"run_folder"}  # it trains a network, and `bundle_folder` of the export tests is made of it
# Folders and files that one worker runs: their tests share what is slow to make, or keep a core busy.
GROUPS: dict[str, tuple[str, ...]] = {
    "systemd": ("systemd",),
    "homeassistant": ("integration/broker/test_home_assistant.py", "integration/broker/test_blueprint.py"),
    "exported": ("export", "integration/test_oracle.py"),
    "ray": ("train/fleet/test_ray.py",),
    "fleet": ("train/fleet",),
    "trained": ("train", "daemon/detection/test_scores.py"),
    "pump": ("daemon/demo/test_pump.py",),
    "browser": ("browser",),
}
FIRST = (
    "systemd",
    "train",
    "realtime",
    "homeassistant",
    "browser",
    "chaos",
    "process",
)  # markers that begin first: unit tests fill the end
STARTS = {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"}  # audit events of a new process

_started: list[str] = []


def tiers_of(path: Path) -> set[str]:
    """The tiers of all tests in a file."""
    place = path.relative_to(TESTS)
    names = {place.as_posix(), *(parent.as_posix() for parent in place.parents)}
    return {tier for tier, places in TIERS.items() if names & set(places)}


def is_costly(path: Path) -> bool:
    """Whether no test in this file or folder can be a unit test."""
    return path.is_relative_to(TESTS) and bool(tiers_of(path))


def mark(item: pytest.Item, parts: set[str]) -> None:
    """Add the markers of the tier and the group of workers; `parts` are the markers of outside parts."""
    fixtures = set(getattr(item, "fixturenames", ()))
    tiers = tiers_of(item.path) | ({"train"} if fixtures & TRAINED_FIXTURES else set())
    for tier in tiers:
        item.add_marker(tier)
    if not {found.name for found in item.iter_markers()} & {*TIERS, *parts}:
        item.add_marker("unit")


def group_of(node: str) -> str:
    """The tests that one worker runs one after the other: the group of a test's file, else the test alone."""
    place = Path(node.partition("::")[0]).relative_to("tests")
    names = {place.as_posix(), *(parent.as_posix() for parent in place.parents)}
    return next((group for group, places in GROUPS.items() if names & set(places)), node)


def rank(item: pytest.Item) -> int:
    """Place in the order of tests."""
    return next((place for place, tier in enumerate(FIRST) if item.get_closest_marker(tier)), len(FIRST))


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """Hands out groups and single tests to xdist's workers, in the order of tests."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the largest group is not the one that takes longest

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def watch() -> None:
    """From now on, remember each process that this one starts."""
    sys.addaudithook(lambda event, _: _started.append(event) if event in STARTS else None)


def n_started() -> int:
    """Processes started so far."""
    return len(_started)
