"""How many epochs a training takes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_train.budget import LEAST_EPOCHS, explain_end, plan_epochs
from aegan_train.config import load_config
from aegan_train.fit import FitRequest, fit

SETTLING = [1.0, 0.5, 0.4, 0.399, 0.398, 0.397, 0.396, 0.395]
EDGE = load_config("edge", None, "robust")


def make_history(errors: list[float], minutes: float = 0.1) -> list[dict[str, float]]:
    """Epochs of equal duration with these errors on held-out sound."""
    return [{"held_out": error, "minutes": minutes * (place + 1)} for place, error in enumerate(errors)]


def test_a_training_takes_its_epochs() -> None:
    """With an error that falls and enough time, or with neither setting, a training takes `n_epochs`."""
    falling = make_history([0.9**epoch for epoch in range(15)])
    assert {plan_epochs(EDGE, falling[:n]) for n in range(16)} == {15}
    assert explain_end(EDGE, falling) == ""
    plain = EDGE.model_copy(update={"max_minutes": None, "patience": None})
    assert plan_epochs(plain, make_history([1.0] * 9, 100)) == 15


def test_a_training_ends_when_nothing_changes() -> None:
    """Three epochs after the first that changed the held-out error by less than 1 % in three epochs."""
    plans = [plan_epochs(EDGE, make_history(SETTLING[:n])) for n in range(9)]
    assert plans == [15, 15, 15, 15, 15, 15, 9, 9, 9]
    ended = make_history([*SETTLING, 0.394])
    assert explain_end(EDGE, ended) == "the error on held-out sound no longer changes: ended after epoch 9 of 15"


def test_a_training_ends_in_time() -> None:
    """As many epochs as fit into `max_minutes` at the pace of the latest one, and never fewer than LEAST_EPOCHS."""
    falling = [0.9**epoch for epoch in range(15)]
    assert plan_epochs(EDGE, make_history(falling[:2], 1.0)) == 8
    assert plan_epochs(EDGE, make_history(falling[:1], 100.0)) == LEAST_EPOCHS
    assert plan_epochs(EDGE, make_history(falling[:LEAST_EPOCHS], 100.0)) == LEAST_EPOCHS
    found = explain_end(EDGE, make_history(falling[:8], 1.0))
    assert found == "max_minutes 8: ended after epoch 8 of 15; a faster computer trains longer"


@given(errors=st.lists(st.floats(0.01, 1), max_size=15), minutes=st.floats(0, 100))
def test_a_plan_never_lies_in_the_past(errors: list[float], minutes: float) -> None:
    """Followed from the beginning, a training ends where its plan says, after 1 to `n_epochs` epochs."""
    history = make_history(errors, minutes)
    for n in range(len(history) + 1):
        planned = plan_epochs(EDGE, history[:n])
        assert 1 <= planned <= 15
        if n >= planned:
            assert n == planned
            assert n == 15 or explain_end(EDGE, history[:n])
            return


@pytest.mark.parametrize(("setting", "why"), [({"max_minutes": 1e-4}, "max_minutes 0.0001: "), ({"patience": 1}, "the error on held-out ")])
def test_fit_says_why_it_ends_early(
    dataset: Path, tmp_path: Path, setting: dict[str, float], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fit that ends early is a whole run, and prints why."""
    config = load_config("tiny", None, n_epochs=40, epoch_batches=1, ndf=2, nz=8, learning_rate=1e-7).model_copy(update=setting)
    assert fit(FitRequest(dataset, "pump", "tiny", config, tmp_path / "run", "cpu"))
    n_epochs = LEAST_EPOCHS if "max_minutes" in setting else 3
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(why) and f"ended after epoch {n_epochs} of 40" in line for line in lines), lines
    assert f"{tmp_path / 'run'}: run of {n_epochs} epochs" in lines
