"""The progress lines of `fit`."""

import pytest

from aegan_train.progress import EPOCH_EVERY_S, STEP_EVERY_S, EpochProgress, follow, format_duration


def test_a_long_step_is_announced_and_followed(capsys: pytest.CaptureFixture[str]) -> None:
    """A long step prints one line at once and one every STEP_EVERY_S, and passes on its results."""
    now_s = 0.0
    double = follow(lambda n: 2 * n, 6, "scoring 6 clips", lambda: now_s)
    assert capsys.readouterr().out == "scoring 6 clips\n"
    found = []
    for number in range(6):
        now_s += 0.4 * STEP_EVERY_S
        found.append(double(number))
    assert found == [0, 2, 4, 6, 8, 10]
    assert capsys.readouterr().out == "  3 of 6, about 12 s left\n"


def test_a_short_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A short step prints one line."""
    work = follow(abs, 3, "scoring 3 clips", lambda: 0.0)
    assert [work(number) for number in (-1, 0, 1)] == [1, 0, 1]
    assert capsys.readouterr().out == "scoring 3 clips\n"


def test_a_log_has_a_line_an_epoch_and_one_each_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """A log gets a line for each epoch and every half minute; a restart begins again at the first epoch."""
    now_s = 0.0
    progress = EpochProgress(3, 100, clock=lambda: now_s)
    for _ in range(10):
        now_s += 0.4 * EPOCH_EVERY_S
        progress.add_batch(10)
    progress.end_epoch({"critic": -9.69}, 3)
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1 of 3: 30%, about 5 min left",
        "epoch 1 of 3: 60%, about 5 min left",
        "epoch 1 of 3: 90%, about 4 min left",
        "epoch 1 of 3, about 4 min left",
    ]
    progress.restart()
    progress.add_batch(100)
    progress.end_epoch({}, 3)
    assert capsys.readouterr().out.startswith("epoch 1 of 3, about ")
    progress.close()


def test_losses_are_for_those_who_ask(capsys: pytest.CaptureFixture[str]) -> None:
    """With --verbose an epoch's line has losses and speed."""
    now_s = 0.0
    progress = EpochProgress(10, 100, 4, verbose=True, clock=lambda: now_s)
    now_s = 50.0
    progress.add_batch(100)
    progress.end_epoch({"critic": -9.694, "recon": 0.0712345}, 10)
    assert capsys.readouterr().out == "epoch 5 of 10, about 4 min left, critic -9.694, recon 0.07123, 2 segments/s\n"
    progress.close()


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (99.0, "99 s"), (100.0, "2 min"), (5999.0, "100 min"), (12_600.0, "3.5 h")])
def test_durations_are_rounded_for_people(seconds: float, text: str) -> None:
    """Durations are shown in seconds, minutes or hours."""
    assert format_duration(seconds) == text
