"""What happens in the first weeks beside one machine: faults, and all that must not be taken for one."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.types import DoubleArray
from aegan_train.bench.disturbances import find_sounding
from aegan_train.bench.sound.backgrounds import VOICE
from aegan_train.bench.sound.sounds import RATE_HZ, measure_rms
from simulation import fault_sounds, foreign_sounds
from simulation.draw import Draw
from simulation.episodes import HOP_SAMPLES, Episode, Group, beside, count_samples, fill
from simulation.foreign_sounds import play_machine

LASTS_S = 60.0
LONG_S = 600.0
ROOM_RMS = 10 ** (-60 / 20)  # of the noise that is left while the machine is off
Maker: TypeAlias = Callable[[Draw, int], DoubleArray]
FAULTS: tuple[tuple[str, Maker, tuple[float, ...]], ...] = (  # name, sound, levels in dB relative to the machine
    ("tone", fault_sounds.tone, (-10, -16)),
    ("band noise", fault_sounds.band_noise, (-10, -16)),
    ("bearing impacts", fault_sounds.bearing, (-6, -12)),
    ("knocking", fault_sounds.knocking, (-6,)),
)
SPEECH: tuple[str, Group, Maker, float, tuple[float, ...]] = ("speech", "passing", foreign_sounds.speech, 20, (0, 10))
BESIDE: tuple[tuple[str, Group, Maker, float, tuple[float, ...]], ...] = (  # name, group, sound, seconds, levels as above
    SPEECH,
    ("beeper", "passing", foreign_sounds.beeper, 20, (2,)),
    ("music", "foreign", foreign_sounds.music, 41, (-4, 6)),
    ("vacuum cleaner", "foreign", foreign_sounds.vacuum_cleaner, 40, (6,)),
    ("hiss", "foreign", foreign_sounds.hiss, LASTS_S, (-2,)),
)
PEAKS: tuple[tuple[str, Maker, float], ...] = (
    ("claps", foreign_sounds.claps, 12),
    ("bang", foreign_sounds.bang, 0.3),
)  # at a level of their own
GAINS: tuple[tuple[str, Group, float], ...] = (("gain up", "passing", 6), ("gain down", "passing", -6), ("machine louder", "level", 3))
SECOND_DB = (0.0, -5.0, -11.0)  # of second machines: the first is of one type, the others are of another
RECORDED_TYPES = ("gearbox", "fan", "slider", "bearing", "valve", "ToyCar", "ToyTrain")  # of DCASE 2023
SYNTHESISED_TYPES = ("rotor", "motor", "press")
SHORT_CLASSES = ("Dog_bark", "Baby_cry", "Clock_tick", "Person_sneeze", "Rooster", "Fire_crackling")  # of ESC-10
LASTING_CLASSES = ("Rain", "Sea_waves", "Helicopter", "Chainsaw")
SHORT_DB = (0.0, 10.0)  # in turn, while it sounds


def make_first_use(seed: int, machines: Path | None, fault_s: float = LASTS_S) -> list[Episode]:
    """Faults and disturbances; each seed but 0 has an order of its own."""
    return Draw(seed, "order").order([*make_disturbances(seed, machines), *make_faults(seed, fault_s)])


def make_faults(seed: int, fault_s: float = LASTS_S) -> list[Episode]:
    """Seven faults: four kinds, three of them at two levels."""
    return [_draw_beside(seed, name, "fault", make, fault_s, level_db) for name, make, levels_db in FAULTS for level_db in levels_db]


def make_long_faults(seed: int) -> list[Episode]:
    """Each kind of fault at its higher level, for ten minutes."""
    return [_draw_beside(seed, name, "fault", make, LONG_S, levels_db[0]) for name, make, levels_db in FAULTS]


def make_disturbances(seed: int, machines: Path | None) -> list[Episode]:
    """The 16 disturbances. Without espeak-ng the two speech sounds are left out.

    `machines` is a folder with recordings of second machines; None takes synthesised ones.
    """
    heard = BESIDE if shutil.which(VOICE) else [each for each in BESIDE if each is not SPEECH]
    return [
        *(_draw_beside(seed, name, group, make, length_s, level) for name, group, make, length_s, levels in heard for level in levels),
        *(_at_its_peak(seed, name, make, length_s) for name, make, length_s in PEAKS),
        *(_amplified(seed, name, group, gain_db) for name, group, gain_db in GAINS),
        Episode("machine off", "passing", count_samples(LASTS_S), lambda base: ROOM_RMS * Draw(seed, "off").rng.normal(size=len(base))),
        *_make_second_machines(seed, machines),
    ]


def make_short_sounds(esc10: Path) -> list[Episode]:
    """The clips of ESC-10 whose sounds are short, in turn at each of SHORT_DB while they sound."""
    found = []
    for place, (name, sound) in enumerate(_read_classes(esc10, SHORT_CLASSES)):
        level_db, whole = SHORT_DB[place % len(SHORT_DB)], np.pad(sound, (0, -len(sound) % HOP_SAMPLES))
        part_db = 20 * float(np.log10(measure_rms(whole) / measure_rms(whole[find_sounding(whole)])))
        found.append(Episode(f"{name} {level_db:+.1f} dB", "passing", len(whole), beside(partial(fill, whole), level_db + part_db)))
    return found


def make_lasting_sounds(esc10: Path, lasts_s: float = LASTS_S) -> list[Episode]:
    """The clips of ESC-10 whose sounds last, over and over for `lasts_s`, as loud as the machine."""
    sounds, n_samples = _read_classes(esc10, LASTING_CLASSES), count_samples(lasts_s)
    return [Episode(f"{name} +0.0 dB", "foreign", n_samples, beside(partial(fill, sound), 0.0)) for name, sound in sounds]


def _draw_beside(seed: int, name: str, group: Group, make: Maker, length_s: float, level_db: float) -> Episode:
    key = f"{name} {level_db:g}"
    drawn_db = Draw(seed, f"level of {key}").level_db(level_db)
    change = beside(lambda n_samples: make(Draw(seed, key), n_samples), drawn_db)
    return Episode(f"{name} {drawn_db:+.1f} dB", group, count_samples(length_s), change)


def _at_its_peak(seed: int, name: str, make: Maker, length_s: float) -> Episode:
    return Episode(name, "passing", count_samples(length_s), lambda base: base + make(Draw(seed, name), len(base)))


def _amplified(seed: int, name: str, group: Group, gain_db: float) -> Episode:
    drawn_db = Draw(seed, name).near(gain_db, 1.3)
    return Episode(f"{name} {drawn_db:+.1f} dB", group, count_samples(LASTS_S), lambda base: base * 10 ** (drawn_db / 20))


def _make_second_machines(seed: int, folder: Path | None) -> list[Episode]:
    first, second, *_ = Draw(seed, "second machines").order(RECORDED_TYPES if folder else SYNTHESISED_TYPES)
    return [
        _draw_beside(seed, f"second machine ({kind})", "foreign", partial(play_machine, folder, kind), LASTS_S, level_db)
        for kind, level_db in zip((first, second, second), SECOND_DB, strict=True)
    ]


def _read_classes(esc10: Path, names: tuple[str, ...]) -> list[tuple[str, DoubleArray]]:
    paths = [(name, path) for name in names for path in sorted(esc10.glob(f"*_{name}/*.wav"))]
    return [(name.replace("_", " ").lower(), read_recording(path, RATE_HZ).astype(np.float64)) for name, path in paths]
