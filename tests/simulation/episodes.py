"""A stream of normal sound in which things happen: the base alone, and episodes that change what the microphone hears."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.sounds import RATE_HZ, measure_rms, scale_to

HOP_SAMPLES = 512  # what the ring delivers is a multiple of it
PAUSE_S = (45.0, 50.0)  # of base alone, before each episode and behind the last
Change: TypeAlias = Callable[[DoubleArray], DoubleArray]
Group: TypeAlias = Literal["fault", "passing", "level", "foreign"]
GROUPS: dict[Group, str] = {
    "fault": "faults of the machine",
    "passing": "machine off, gain steps and short sounds",
    "level": "the machine itself louder",
    "foreign": "foreign sounds that last",
}


@dataclass(frozen=True, slots=True)
class Episode:
    """One thing that happens.

    Attributes:
        n_samples: How long, a multiple of HOP_SAMPLES.
        change: From the base, float64 `[n_samples]`, to what the microphone hears instead.
    """

    name: str
    group: Group
    n_samples: int
    change: Change


class Base:
    """Normal clips, one after another without a fade, over and over."""

    def __init__(self, clips: Sequence[DoubleArray]) -> None:
        """Store the clips, float64 `[n_samples]` at RATE_HZ, one at least."""
        self._sound, self._next = np.concatenate(clips), 0

    @staticmethod
    def load(folder: Path, first: str = "") -> "Base":
        """The WAV files in `folder` from the name `first` on, in the order of their names."""
        paths = [path for path in sorted(folder.glob("*.wav")) if path.name >= first]
        return Base([read_recording(path, RATE_HZ).astype(np.float64) for path in paths])

    def read(self, n_samples: int) -> DoubleArray:
        """The next samples."""
        places = (self._next + np.arange(n_samples)) % len(self._sound)
        self._next = (self._next + n_samples) % len(self._sound)
        return self._sound[places]


def count_samples(length_s: float) -> int:
    """The samples of about `length_s`, a multiple of HOP_SAMPLES and one hop at least."""
    return max(1, round(length_s * RATE_HZ / HOP_SAMPLES)) * HOP_SAMPLES


def fill(sound: DoubleArray, n_samples: int) -> DoubleArray:
    """`sound` over and over, cut off at `n_samples`."""
    return np.resize(sound, n_samples)


def beside(make: Callable[[int], DoubleArray], level_db: float) -> Change:
    """What `make` makes for a number of samples is heard beside the base, at an RMS of `level_db` relative to it."""
    return lambda base: base + scale_to(make(len(base)), measure_rms(base), level_db)


def play(
    base: Base, episodes: Sequence[Episode], seed: int, pause_s: tuple[float, float] = PAUSE_S
) -> Iterator[tuple[Episode | None, DoubleArray]]:
    """(episode, or None for the base alone; samples) of each stretch, clipped at full scale as by a microphone."""
    rng = np.random.default_rng(seed)
    for episode in (*episodes, None):
        yield None, base.read(count_samples(rng.uniform(*pause_s)))
        if episode:
            yield episode, np.clip(episode.change(base.read(episode.n_samples)), -1, 1)
