"""Short sounds are short, as loud as they should be, and the same each time."""

from pathlib import Path

import numpy as np
import pytest

from aegan_train.bench.disturbances import HALF, LONGEST_S, RECORDED, Lasting, compare, cut_loudest, find_makers, find_sounding
from aegan_train.bench.sound.sounds import RATE_HZ
from synthetic import write_wav

N = 10 * RATE_HZ


def write_sounds(esc10: Path) -> None:
    """Two clips of each class: 0.3 s of noise after a second of silence, and fainter noise after another pause."""
    for place, name in enumerate(RECORDED.values()):
        for number in range(2):
            sound = np.zeros(5 * RATE_HZ)
            sound[RATE_HZ : round(1.3 * RATE_HZ)] = 0.5 * np.random.default_rng(number).standard_normal(round(0.3 * RATE_HZ)).clip(-1, 1)
            sound[3 * RATE_HZ : 4 * RATE_HZ] = 0.2
            write_wav(esc10 / f"{place:03}_{name}" / f"{number}.wav", sound)


@pytest.mark.parametrize("seed", range(10))
def test_every_sound_is_short(tmp_path: Path, seed: int) -> None:
    """Each kind sounds for under 2 s of 10 s, at whatever time; a seed gives the same sound again."""
    write_sounds(tmp_path)
    makers = find_makers(tmp_path)
    assert list(makers) == ["bangs", "taps", "claps", *RECORDED]
    for name, make in makers.items():
        sound = make(np.random.default_rng(seed), N)
        assert 0 < find_sounding(sound).sum() < 2 * RATE_HZ, name
        np.testing.assert_array_equal(sound, make(np.random.default_rng(seed), N))


def test_without_recordings_the_synthesised_sounds_remain(tmp_path: Path) -> None:
    """No folder of ESC-10 is no error."""
    assert list(find_makers(tmp_path / "nothing")) == ["bangs", "taps", "claps"]


def test_the_loudest_sound_is_cut_out() -> None:
    """From pause to pause; of a sound that does not end, LONGEST_S."""
    sound = np.zeros(N)
    sound[RATE_HZ : 2 * RATE_HZ], sound[4 * RATE_HZ : 5 * RATE_HZ] = 0.5, 1.0
    cut = cut_loudest(sound)
    assert 1.0 <= len(cut) / RATE_HZ < 1.1
    assert cut.max() == 1.0
    assert len(cut_loudest(np.sin(np.arange(N)))) <= LONGEST_S * RATE_HZ
    assert HALF == 1  # training backgrounds play half 0


def test_the_auc_is_over_all_data_sets_of_a_row() -> None:
    """Counted by hand, for all faults and for one."""
    units = [Lasting(faults={"a": [0.9], "b": [0.1]}, disturbances={"taps": [share]}) for share in (0.2, 0.5)]
    assert compare(units, ()) == {"all": 0.5, "taps": 0.5}
    assert compare(units, ("a",)) == {"all": 1.0, "taps": 1.0}
