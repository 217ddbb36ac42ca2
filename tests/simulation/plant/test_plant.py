"""Plants drawn from seeds: no event is lost, no alarm clears without a measurement or stays silent, and each command is answered.

A failure names the command that prints the plant's story.
"""

import pytest

from chaos import IS_FULL
from simulated_plant import run_plant

N_SEEDS, N_SOUND_SEEDS = (1000, 20) if IS_FULL else (8, 1)
N_TOGETHER = 10 if IS_FULL else 4
# (seed, depth, hours) of plants that have once failed
REGRESSIONS: tuple[tuple[int, str, float | None], ...] = ((29, "scores", 2.0), (708, "scores", None), (986, "scores", None))
HOURS, SOUND_HOURS = (None, 1.0) if IS_FULL else (1.5, 0.1)  # None: an hour to three days


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(0, N_SEEDS, N_TOGETHER))
def test_a_plant_of_scores_keeps_its_promises(first: int) -> None:
    """Faults, gaps, outages, kills, reloads and commands in any order; scores take the place of sound."""
    for seed in range(first, first + N_TOGETHER):
        run_plant(seed, "scores", HOURS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(N_SOUND_SEEDS))
def test_a_plant_of_sound_keeps_its_promises(seed: int) -> None:
    """The same from the ring on, with the demo's pump and bundle."""
    run_plant(seed, "sound", SOUND_HOURS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "depth", "hours"), REGRESSIONS)
def test_what_a_plant_has_found_is_found_no_more(seed: int, depth: str, hours: float | None) -> None:
    """Each plant that has once failed, by a fault of the daemon or of the simulation."""
    run_plant(seed, depth, hours)
