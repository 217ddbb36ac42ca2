"""Reloads are prepared in a separate thread, one at a time, and no request is lost."""

import threading
from collections.abc import Callable, Iterator

import pytest

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.errors import ConfigError
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.service.build import Setup
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.reload import Reloader
from broker import wait_until

DEADLINE_S = 10.0


def make_setup() -> Setup:
    """A setup without lines."""
    config = MonitorConfig.model_construct()
    return Setup(config, Endpoint("localhost", 1883, "box"), Sessions(config.inference), [], {})


def finish(reloader: Reloader) -> Setup | None:
    """Wait for the result of the reload in progress."""
    found: list[Setup | None] = []

    def has_ended() -> bool:
        ended, setup = reloader.finish()
        found.append(setup)
        return ended

    wait_until(has_ended, "the end of the reload")
    return found[-1]


def test_nothing_is_made_unless_it_is_requested() -> None:
    """Each request is prepared once, and nothing without a request."""
    made = make_setup()
    reloader = Reloader(lambda _: made)
    before = make_setup()
    assert not reloader.begin(before)
    assert reloader.finish() == (False, None)
    reloader.request()
    assert reloader.begin(before)
    assert finish(reloader) is made
    assert not reloader.begin(before)
    assert reloader.problem == ""


def test_one_that_is_requested_meanwhile_comes_after() -> None:
    """Requests during a reload lead to one more reload, which reads the files again."""
    going, n_made = threading.Event(), 0

    def make(before: Setup) -> Setup:
        nonlocal n_made
        n_made += 1
        assert going.wait(DEADLINE_S)
        return before

    reloader, setup = Reloader(make), make_setup()
    reloader.request()
    assert reloader.begin(setup)
    reloader.request()
    reloader.request()
    assert not reloader.begin(setup)
    first_s = reloader.began_s
    going.set()
    assert finish(reloader) is setup
    assert reloader.began_s == first_s
    assert reloader.begin(setup)
    assert finish(reloader) is setup
    assert reloader.began_s > first_s
    assert not reloader.begin(setup)
    assert n_made == 2


def refuse(_: Setup) -> Setup:
    """Raise the error of a wrong configuration."""
    raise ConfigError("monitor.yaml: mqqt: unknown key\nmonitor.yaml: nose: unknown key")


def fail(_: Setup) -> Setup:
    """Raise an unexpected error."""
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("make", "problem"),
    [(refuse, "monitor.yaml: mqqt: unknown key; monitor.yaml: nose: unknown key"), (fail, "ZeroDivisionError: division by zero")],
)
def test_one_that_fails_says_why_until_one_goes_well(make: Callable[[Setup], Setup], problem: str) -> None:
    """A failed reload keeps its one-line reason until one succeeds, whatever the exception."""
    setup = make_setup()
    makers: Iterator[Callable[[Setup], Setup]] = iter([make, lambda before: before])

    def make_next(before: Setup) -> Setup:
        return next(makers)(before)

    reloader = Reloader(make_next)
    reloader.request()
    reloader.begin(setup)
    assert finish(reloader) is None
    assert reloader.problem == problem
    reloader.request()
    reloader.begin(setup)
    assert finish(reloader) is setup
    assert reloader.problem == ""
