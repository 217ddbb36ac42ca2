"""A deadline for what has to be done soon by whoever has a processor: on a machine that gives us none, it stands."""

import time
from collections.abc import Callable

TURN_S = 0.01


def wait_turns(holds: Callable[[], object], within_s: float, tell: Callable[[], str]) -> None:
    """Poll for so many turns as `within_s` has; one that a busy machine made long is one turn, and fail with what `tell` says."""
    for _ in range(round(within_s / TURN_S)):
        if holds():
            return
        time.sleep(TURN_S)
    assert holds(), f"not within {within_s:g} s: {tell()}"
