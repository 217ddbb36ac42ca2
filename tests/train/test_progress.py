"""What `fit` says of the steps before and behind its training."""

import pytest

from aegan_train.progress import TELL_EVERY_S, follow


def test_a_long_step_tells_before_it_begins_and_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """One line at once, then one each TELL_EVERY_S, and none behind the last call; what the work gives goes through."""
    now_s = 0.0
    double = follow(lambda n: 2 * n, 6, "scoring 6 clips", lambda: now_s)
    assert capsys.readouterr().out == "scoring 6 clips\n"
    found = []
    for number in range(6):
        now_s += 0.4 * TELL_EVERY_S
        found.append(double(number))
    assert found == [0, 2, 4, 6, 8, 10]
    assert capsys.readouterr().out == "  3 of 6, about 12 s left\n"


def test_a_short_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A handful of clips need no more."""
    work = follow(abs, 3, "scoring 3 clips", lambda: 0.0)
    assert [work(number) for number in (-1, 0, 1)] == [1, 0, 1]
    assert capsys.readouterr().out == "scoring 3 clips\n"
