"""Sounds beside a machine that are no fault of it. All are float64 `[n_samples]` at RATE_HZ."""

from pathlib import Path

import numpy as np

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.backgrounds import SENTENCES, speak
from aegan_train.bench.sound.machines import MACHINES
from aegan_train.bench.sound.sounds import RATE_HZ, make_harmonics, make_ring, place_events, seconds
from simulation.draw import Draw
from simulation.episodes import fill

VOICES = ("en-gb", "en-us")
CHORDS = ((0, 4, 7), (-3, 0, 4), (-7, -3, 0), (-5, -1, 2))  # semitones above the keynote
SCALE = (0, 2, 4, 7, 9, 12)  # of the melody


def speech(draw: Draw, n_samples: int) -> DoubleArray:
    """Sentences one after another, with short pauses; needs espeak-ng."""
    voice = draw.order(VOICES)[0]
    parts = [np.concatenate([speak(sentence, voice), np.zeros(round(draw.near(0.4, 2) * RATE_HZ))]) for sentence in draw.order(SENTENCES)]
    return fill(np.concatenate(parts), n_samples)


def claps(draw: Draw, n_samples: int) -> DoubleArray:
    """Six claps, the loudest with a peak of 0.5."""
    n_clap, n_claps = round(0.2 * RATE_HZ), round(draw.near(6, 1.5))
    clap = draw.rng.normal(size=n_clap) * np.exp(-seconds(n_clap) / draw.near(0.02, 1.5))
    times_s = np.sort(draw.rng.uniform(0, n_samples / RATE_HZ - 0.2, n_claps))
    sound = place_events(n_samples, times_s, draw.rng.lognormal(0, 0.2, n_claps), clap)
    found: DoubleArray = draw.near(0.5, 1.5) * sound / np.abs(sound).max()
    return found


def bang(draw: Draw, n_samples: int) -> DoubleArray:
    """Something falls: noise and a ring of 300 Hz, with a peak of 0.9."""
    times_s = seconds(n_samples)
    ring = make_ring(draw.near(300, 2), draw.near(0.1, 1.5), n_samples / RATE_HZ)
    sound = draw.rng.normal(size=n_samples) * np.exp(-times_s / draw.near(0.05, 1.5)) + ring
    found: DoubleArray = 0.9 * sound / np.abs(sound).max()
    return found


def beeper(draw: Draw, n_samples: int) -> DoubleArray:
    """A vehicle that reverses: 1.1 kHz, half a second on, half a second off."""
    times_s, period_s = seconds(n_samples), draw.near(1.0, 1.4)
    found: DoubleArray = np.sin(2 * np.pi * draw.near(1100, 1.4) * times_s) * (times_s % period_s < period_s / 2)
    return found


def music(draw: Draw, n_samples: int) -> DoubleArray:
    """Chords, a melody and a drum."""
    beat_s, keynote_hz = draw.near(0.5, 1.4), draw.near(220, 1.5)
    n_beat = round(beat_s * RATE_HZ)
    n_beats = -(-n_samples // n_beat)
    chords, times_s, found = draw.order(CHORDS), seconds(n_beat), np.zeros((n_beats, n_beat))
    fade = np.exp(-times_s / (0.8 * beat_s))
    thump = make_ring(draw.near(60, 1.3), 0.08, beat_s)[:n_beat]
    for beat in range(n_beats):
        for note in chords[beat // 4 % len(chords)]:
            orders = np.arange(1, 6)
            turns = keynote_hz * 2 ** (note / 12) * times_s
            found[beat] += 0.25 * fade * make_harmonics(turns, orders, 1 / orders, np.zeros(5))
        melody = 2 * keynote_hz * 2 ** (SCALE[draw.rng.integers(len(SCALE))] / 12)
        found[beat] += 0.4 * fade * np.sin(2 * np.pi * melody * times_s)
        found[beat] += 0.8 * thump + 0.3 * draw.rng.normal(size=n_beat) * np.exp(-times_s / 0.03)
    return found.ravel()[:n_samples]


def vacuum_cleaner(draw: Draw, n_samples: int) -> DoubleArray:
    """Noise below 1.5 kHz, and eleven harmonics of the fan."""
    corner_hz, fan_hz = draw.near(1500, 1.5), draw.near(312, 1.4)
    hz = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    noise = np.fft.irfft(np.fft.rfft(draw.rng.normal(size=n_samples)) / (1 + (hz / corner_hz) ** 2), n_samples)
    orders = np.arange(1, 12)
    amplitudes = noise.std() * np.sqrt(2) * 10 ** ((-8.0 - 2.0 * (orders - 1)) / 20)
    return noise + make_harmonics(fan_hz * seconds(n_samples), orders, amplitudes, draw.rng.uniform(0, 2 * np.pi, len(orders)))


def hiss(draw: Draw, n_samples: int) -> DoubleArray:
    """White noise, as of compressed air."""
    return draw.rng.normal(size=n_samples)


def play_machine(folder: Path | None, kind: str, draw: Draw, n_samples: int) -> DoubleArray:
    """A second machine without a fault.

    The normal clips of a type in `folder` (names of DCASE 2023 behind the type), one after another; None takes a machine of the bench.
    """
    if folder is None:
        return MACHINES[kind][0](draw.rng, draw.rng, draw.rng, n_samples, "")
    paths = sorted(folder.glob(f"{kind}_*_normal_*.wav"))
    return fill(np.concatenate([read_recording(path, RATE_HZ).astype(np.float64) for path in paths]), n_samples)
