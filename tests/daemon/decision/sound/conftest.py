"""The machine at whose microphone things happen."""

import pytest

from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import FloatArray
from synthetic import learn_state, make_machine_sound


@pytest.fixture(scope="session")
def state() -> NormalState:
    """The state of the machine, from 100 s."""
    return learn_state(make_machine_sound(1, 100))


@pytest.fixture(scope="session")
def sound() -> FloatArray:
    """Four minutes of the same machine on another day."""
    return make_machine_sound(2, 240)
