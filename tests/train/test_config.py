"""What a training is asked to do."""

import pytest

from aegan_train.config import load_config


def test_the_cosine_schedule_begins_at_the_rate_and_falls_to_nearly_nothing() -> None:
    """Half of it is left in the middle; a constant one stays."""
    config = load_config("edge", None, "robust", n_epochs=40, learning_rate=1e-3)
    assert config.learning_rate_in(0) == 1e-3
    assert config.learning_rate_in(20) == pytest.approx(5e-4)
    assert 0 < config.learning_rate_in(39) < 2e-6
    assert {load_config("edge", None).learning_rate_in(epoch) for epoch in (0, 30, 59)} == {2e-4}
