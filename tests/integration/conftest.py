"""What tests of whole programs share: one process that has ours loaded."""

from collections.abc import Iterator

import pytest

from command_line import MODULES, CommandLine
from prepared import Prepared


@pytest.fixture(scope="session")
def prepared() -> Iterator[Prepared]:
    """A process that has the daemon loaded and forks a child for every call."""
    with Prepared(*MODULES) as process:
        yield process


@pytest.fixture
def aegan_monitor(prepared: Prepared) -> CommandLine:
    """The program."""
    return CommandLine(prepared)
