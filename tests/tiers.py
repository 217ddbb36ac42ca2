"""Tiers of tests by cost. A file's place decides its tier; a test that no tier and no outside part claims is a unit test.

`pytest -m unit` does not even import the files of other tiers, so torch is not loaded there.
"""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
TIERS: dict[str, tuple[str, ...]] = {  # folders and files below tests/
    "process": (
        *("integration", "systemd", "test_imports.py"),
        *("daemon/audio/device/test_portaudio.py", "daemon/mqtt/test_endpoint.py", "daemon/service/test_reload_answer.py"),
        "daemon/tools/record/test_command.py",
    ),
    "train": ("train", "export", "daemon/detection/test_scores.py", "integration/test_oracle.py"),
    "chaos": ("integration/chaos", "integration/test_soak.py", "integration/broker/test_delivery.py", "daemon/outbox/test_store_torn.py"),
    "realtime": ("integration/microphone", "integration/broker/test_network_cut.py", "integration/broker/test_hardship.py"),
}
TRAINED_FIXTURES = {"run_folder"}  # it trains a network, and `bundle_folder` of the export tests is made of it
GROUPS = {"systemd": "systemd", "homeassistant": "homeassistant"}  # marker to the group that one worker runs
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
    marked = {found.name for found in item.iter_markers()}
    if not marked & {*TIERS, *parts}:
        item.add_marker("unit")
    groups = [GROUPS[name] for name in marked if name in GROUPS] or (["trained"] if fixtures & TRAINED_FIXTURES else [])
    if groups:
        item.add_marker(pytest.mark.xdist_group(groups[0]))


def watch() -> None:
    """From now on, remember each process that this one starts."""
    sys.addaudithook(lambda event, _: _started.append(event) if event in STARTS else None)


def n_started() -> int:
    """Processes started so far."""
    return len(_started)
