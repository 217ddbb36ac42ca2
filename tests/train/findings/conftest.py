"""The sound that the tests of the findings share."""

import numpy as np
import pytest

from aegan_train.findings.normal_sound import NormalSound
from synthetic import CLIP_SAMPLES, hear, make_machine

N_STEADY = 100


@pytest.fixture(scope="session")
def steady() -> NormalSound:
    """N_STEADY clips of 5 s of a steady machine, four a recording."""
    rng = np.random.default_rng(0)
    return hear([make_machine(rng, n_samples=CLIP_SAMPLES // 2) for _ in range(N_STEADY)])
