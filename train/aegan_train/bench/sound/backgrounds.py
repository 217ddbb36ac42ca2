"""Backgrounds of the synthesised rows: halls, neighbouring machines, and single sounds.

Each maker takes three random generators (of the place, of the recording's day, of the clip) and the number of samples. The RMS of steady
backgrounds is 1; of single sounds it is 1 while they sound.
"""

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.sounds import RATE_HZ, draw_curve, make_harmonics, make_noise, make_ring, place_events, scale_to

Rng = np.random.Generator
VOICE = "espeak-ng"
SENTENCES = (
    "Could you bring the other spanner, please?",
    "The delivery for line four has arrived at the gate.",
    "We stop for lunch in ten minutes.",
    "Mind the forklift behind you.",
    "Who changed the settings on this one?",
    "Please sign here, and leave the pallet by the door.",
)


@dataclass(frozen=True, slots=True)
class Sounds:
    """Where the recorded sounds are: the folder of ESC-10, and which half of its clips to use, because training and test share none."""

    esc10: Path
    half: int


def hall(place: Rng, day: Rng, now: Rng, n: int, _: Sounds) -> DoubleArray:
    """Steady noise whose spectrum belongs to the place and whose level drifts."""
    knots_db = place.normal(0, 5, 8) - np.linspace(0, 15, 8) + day.normal(0, 0.7, 8)
    return make_noise(now, n, knots_db) * 10 ** (1.0 * draw_curve(now, n, 3.0) / 20)


def neighbour(place: Rng, day: Rng, now: Rng, n: int, _: Sounds) -> DoubleArray:
    """Another machine, with lines of its own."""
    speed_hz, n_harmonics = place.uniform(15, 70) * (1 + 0.005 * day.normal()), 30
    amplitudes = place.lognormal(0, 1.0, n_harmonics) / np.arange(1, n_harmonics + 1) ** 0.4
    turns = np.cumsum(speed_hz * (1 + 0.003 * draw_curve(now, n, 2.0))) / RATE_HZ
    lines = make_harmonics(turns, np.arange(1, n_harmonics + 1), amplitudes, now.uniform(0, 2 * np.pi, n_harmonics))
    return scale_to(scale_to(lines, 1.0) + 0.5 * make_noise(now, n, place.normal(0, 4, 8)), 1.0)


def bangs(_: Rng, __: Rng, now: Rng, n: int, ___: Sounds) -> DoubleArray:
    """One to three bangs, as of something that falls."""
    times_s = now.uniform(0, n / RATE_HZ, now.integers(1, 4))
    sound = np.zeros(n)
    for time_s in times_s:
        modes = [make_ring(hz, now.uniform(0.02, 0.12), 0.5) * now.uniform(0.3, 1) for hz in now.uniform(150, 3000, 5)]
        sound += place_events(n, [time_s], [1.0], np.sum(modes, axis=0))
    return sound


@lru_cache(maxsize=64)
def read_esc10(folder: Path, name: str, half: int) -> list[DoubleArray]:
    """Every second clip of a class, each with RMS 1."""
    (found,) = folder.glob(f"*_{name}")
    return [scale_to(read_recording(path, RATE_HZ).astype(np.float64), 1.0) for path in sorted(found.glob("*.wav"))[half::2]]


def play(now: Rng, n: int, clips: Sequence[DoubleArray]) -> DoubleArray:
    """A clip from a random time on, repeated up to the end."""
    clip = clips[int(now.integers(len(clips)))]
    found: DoubleArray = np.roll(np.tile(clip, n // len(clip) + 1), now.integers(len(clip)))[:n]
    return found


def recorded(*names: str) -> "Background":
    """A background of recorded sounds of these classes of ESC-10."""

    def background(_: Rng, __: Rng, now: Rng, n: int, sounds: Sounds) -> DoubleArray:
        return play(now, n, read_esc10(sounds.esc10, names[int(now.integers(len(names)))], sounds.half))

    return background


@lru_cache(maxsize=16)
def speak(sentence: str, voice: str) -> DoubleArray:
    """A spoken sentence, with RMS 1."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "spoken.wav")
        subprocess.run([VOICE, "-v", voice, "-w", str(path), sentence], check=True, timeout=30)
        with wave.open(str(path)) as file:
            rate_hz, spoken = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return scale_to(resample_poly(spoken.astype(np.float64), RATE_HZ, rate_hz), 1.0)


def speech(_: Rng, __: Rng, now: Rng, n: int, sounds: Sounds) -> DoubleArray:
    """One or two sentences."""
    sound = np.zeros(n)
    for _once in range(now.integers(1, 3)):
        spoken = speak(SENTENCES[2 * now.integers(len(SENTENCES) // 2) + sounds.half], ("en-gb", "en-us")[now.integers(2)])
        start = int(now.integers(0, n))
        sound[start : start + len(spoken)] += spoken[: n - start]
    return sound


Background = Callable[[Rng, Rng, Rng, int, Sounds], DoubleArray]
RECORDED = {"rain": ("Rain", "Sea_waves"), "engines": ("Helicopter", "Chainsaw"), "dogs": ("Dog_bark", "Rooster")}  # classes of ESC-10
SPEECH = "speech"
BACKGROUNDS: dict[str, Background] = {
    "hall": hall,
    "neighbour": neighbour,
    "bangs": bangs,
    SPEECH: speech,
    **{kind: recorded(*names) for kind, names in RECORDED.items()},
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One background of a row: its kind, its level relative to the machine in dB, and the share of clips that have it."""

    kind: str
    level_db: tuple[float, float]
    share: float = 1.0

    def add(self, machine_rms: float, place: Rng, day: Rng, now: Rng, n: int, sounds: Sounds) -> DoubleArray:
        """Its sound in a clip; silence in the others."""
        level_db = day.uniform(*self.level_db)
        if now.uniform() >= self.share:
            return np.zeros(n)
        sound = BACKGROUNDS[self.kind](place, day, now, n, sounds)
        return machine_rms * 10 ** (level_db / 20) * sound


def find_classes(layers: Sequence[Layer]) -> list[str]:
    """The classes of ESC-10 that these layers play."""
    kinds = {layer.kind for layer in layers}
    return [name for kind, names in RECORDED.items() if kind in kinds for name in names]


def find_lacking(layers: Sequence[Layer], esc10: Path) -> list[str]:
    """What these layers need and this machine does not have: one line each."""
    lacking = [f"{esc10 / f'*_{name}'}: no clips of ESC-10" for name in find_classes(layers) if not any(esc10.glob(f"*_{name}/*.wav"))]
    speaks = any(layer.kind == SPEECH for layer in layers)
    return lacking + ([f"{VOICE}: not installed"] if speaks and not shutil.which(VOICE) else [])


def find_voice(layers: Sequence[Layer]) -> str:
    """The release of espeak-ng that speaks in these layers; empty where none does, or it is not installed."""
    if not shutil.which(VOICE) or not any(layer.kind == SPEECH for layer in layers):
        return ""
    shown = subprocess.run([VOICE, "--version"], check=True, capture_output=True, text=True, timeout=30).stdout
    return shown.partition("Data at")[0].strip()
