"""Fixtures for tests of whole programs: one process with the daemon loaded."""

from collections.abc import Iterator

import pytest

from command_line import MODULES, CommandLine
from prepared import Prepared


@pytest.fixture(scope="session")
def prepared() -> Iterator[Prepared]:
    """A process with the daemon loaded that forks a child for every call."""
    with Prepared(*MODULES) as process:
        yield process


@pytest.fixture
def aegan_monitor(prepared: Prepared) -> CommandLine:
    """Calls `aegan-monitor` in the prepared process."""
    return CommandLine(prepared)
