"""Writes the clips of a synthesised row, in the layout of DCASE 2020, from the seed of the row alone."""

import csv
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.bench.sound.backgrounds import Layer, Sounds
from aegan_train.bench.sound.injected import INJECTED, LEVEL_DB
from aegan_train.bench.sound.machines import MACHINES
from aegan_train.bench.sound.sounds import RATE_HZ, measure_rms

CLIP_S = 10.0
RMS = 0.05  # of the machine; sounds 20 dB louder still fit
GAIN_DB = 0.5  # standard deviation of the gain from day to day
TRAIN, NORMAL, FAULTY, FURTHER = 0, 1, 2, 3  # random streams of the days


@dataclass(frozen=True, slots=True)
class Synthesised:
    """A synthesised row.

    Attributes:
        machine: Key of MACHINES.
        seed: Of everything in the row.
        n_days: Training recordings; each has a day of its own.
        n_clips: Clips of 10 s in each.
        layers: The backgrounds.
        in_place: Training and test are of one place; otherwise each recording has a place of its own.
        injected: The faults are INJECTED, not the machine's own.
    """

    machine: str
    seed: int
    n_days: int
    n_clips: int
    layers: tuple[Layer, ...]
    in_place: bool = False
    injected: bool = False
    n_test_days: int = 10
    n_test_clips: int = 4
    n_fault_days: int = 4
    n_fault_clips: int = 3

    @property
    def faults(self) -> tuple[str, ...]:
        """The names of its faults."""
        return tuple(INJECTED) if self.injected else MACHINES[self.machine][1]

    def make_clip(self, stream: int, day: int, clip: int, fault: str, sounds: Sounds) -> DoubleArray:
        """One clip, `[n_samples]`, of the random stream TRAIN, NORMAL, FAULTY or FURTHER."""
        n = round(CLIP_S * RATE_HZ)
        own = np.random.default_rng([self.seed, 0])
        today = np.random.default_rng([self.seed, 1, stream, day])
        now = np.random.default_rng([self.seed, 2, stream, day, clip])
        kind = self.faults.index(fault) if fault else 0
        around = np.random.default_rng([self.seed, 3, *(() if self.in_place else (stream, day, kind))])
        machine = MACHINES[self.machine][0](own, today, now, n, "" if self.injected else fault)
        machine = machine * RMS * 10 ** (GAIN_DB * today.normal() / 20)
        level = measure_rms(machine) if self.machine != "compressor" else RMS  # a compressor that is off does not silence its hall
        if fault and self.injected:
            machine = INJECTED[fault](machine, now.uniform(*LEVEL_DB), now)
        for layer in self.layers:
            machine = machine + layer.add(level, around, today, now, n, sounds)
        return machine

    def clips(self, esc10: Path) -> Iterator[tuple[str, str, str, DoubleArray]]:
        """(path in the data folder, fault or empty, recording, samples) of each clip."""
        heard = Sounds(esc10, 0), Sounds(esc10, 1)
        for day in range(self.n_days):
            for clip in range(self.n_clips):
                name = f"train/normal_id_00_{day * self.n_clips + clip:08d}.wav"
                yield name, "", f"train_{day}", self.make_clip(TRAIN, day, clip, "", heard[0])
        for day in range(self.n_test_days):
            for clip in range(self.n_test_clips):
                name = f"test/normal_id_00_{day * self.n_test_clips + clip:08d}.wav"
                yield name, "", f"normal_{day}", self.make_clip(NORMAL, day, clip, "", heard[1])
        for kind, fault in enumerate(self.faults):
            for day in range(self.n_fault_days):
                for clip in range(self.n_fault_clips):
                    number = (kind * self.n_fault_days + day) * self.n_fault_clips + clip
                    samples = self.make_clip(FAULTY, kind * self.n_fault_days + day, clip, fault, heard[1])
                    yield f"test/anomaly_id_00_{number:08d}.wav", fault, f"{fault}_{day}", samples

    def further_clips(self, n: int, esc10: Path) -> Iterator[FloatArray]:
        """`n` normal clips, float32 `[n_samples]` as read from a file, of days that neither training nor test has."""
        heard = Sounds(esc10, 1)
        for number in range(n):
            yield quantise(self.make_clip(FURTHER, *divmod(number, self.n_test_clips), "", heard)).astype(np.float32) / np.float32(32768)


def write_row(row: Synthesised, folder: Path, esc10: Path) -> None:
    """Write the clips and `manifest.csv` (path, condition, flight) of a row into `folder`."""
    home = folder / "dev_data" / row.machine
    for split in ("train", "test"):
        (home / split).mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "condition", "flight"])
        for name, fault, recording, samples in row.clips(esc10):
            write_wav(home / name, samples)
            table.writerow([f"dev_data/{row.machine}/{name}", fault, recording])


def quantise(samples: DoubleArray) -> NDArray[np.int16]:
    """16-bit samples; clips what is over full scale, as a microphone does."""
    found: NDArray[np.int16] = (np.clip(samples, -1, 1) * 32767).round().astype("<i2")
    return found


def write_wav(path: Path, samples: DoubleArray) -> None:
    """Write 16-bit WAV at RATE_HZ."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(quantise(samples).tobytes())
