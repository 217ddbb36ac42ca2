"""Short sounds before a normal machine, and how well the lasting share separates them from faults."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel
from sklearn.metrics import roc_auc_score

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.bundle import REFERENCE
from aegan_monitor.detection.features import LogMel
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import LASTING
from aegan_monitor.detection.views import cut_pieces
from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.backgrounds import Sounds, bangs, read_esc10
from aegan_train.bench.sound.sounds import RATE_HZ, make_band_noise, make_ring, measure_rms, place_events, scale_to
from aegan_train.evaluate import load_fields
from aegan_train.recordings.folder import find_clips

LEVELS_DB = (0.0, 10.0)  # while it sounds, relative to the machine
LONGEST_S = 2.0  # of a recorded sound
SILENCE_DB = -20.0  # relative to the loudest 20 ms of a sound; what is quieter is no part of it
PAUSE_S = 0.1  # of silence, which ends a recorded sound
HALF = 1  # of the clips of ESC-10: the one that no training hears
RECORDED = {"dog": "Dog_bark", "sneeze": "Person_sneeze", "tick": "Clock_tick", "rooster": "Rooster"}  # classes of ESC-10
Rng = np.random.Generator


class Lasting(BaseModel, frozen=True):
    """Lasting shares of clips with each fault, and of normal clips with each short sound."""

    faults: dict[str, list[float]]
    disturbances: dict[str, list[float]]


def taps(rng: Rng, n: int) -> DoubleArray:
    """Two to five taps at the housing within two seconds."""
    times_s = rng.uniform(0, n / RATE_HZ - LONGEST_S) + np.cumsum(rng.uniform(0.15, 0.35, rng.integers(2, 6)))
    return place_events(n, times_s, rng.lognormal(0, 0.2, len(times_s)), make_ring(rng.uniform(300, 2000), 0.01, 0.1))


def claps(rng: Rng, n: int) -> DoubleArray:
    """One to three claps."""
    times_s = rng.uniform(0, n / RATE_HZ - LONGEST_S) + np.cumsum(rng.uniform(0.25, 0.5, rng.integers(1, 4)))
    n_clap, centre_hz = round(0.2 * RATE_HZ), rng.uniform(900, 2500)
    clap = make_band_noise(rng, n_clap, centre_hz / 2, centre_hz * 2) * np.exp(-np.arange(n_clap) / RATE_HZ / 0.02)
    return place_events(n, times_s, rng.lognormal(0, 0.2, len(times_s)), clap)


def find_sounding(x: DoubleArray) -> DoubleArray:
    """The samples of `x` at which it sounds, as booleans `[n_samples]`."""
    n = RATE_HZ // 50
    level = np.sqrt(np.convolve(x**2, np.full(n, 1 / n), "same"))
    found: DoubleArray = level > level.max() * 10 ** (SILENCE_DB / 20)
    return found


def cut_loudest(x: DoubleArray) -> DoubleArray:
    """The loudest sound in `x`: from pause to pause around its loudest sample, half of LONGEST_S at most to each side."""
    sounding, n_step = find_sounding(x), RATE_HZ // 100
    n_pause, n_side = round(PAUSE_S * RATE_HZ), round(LONGEST_S / 2 * RATE_HZ)
    start = stop = int(np.argmax(np.abs(x)))
    first, last = max(0, start - n_side), min(len(x), stop + n_side)
    while start > first and sounding[max(0, start - n_pause) : start].any():
        start = max(first, start - n_step)
    while stop < last and sounding[stop : stop + n_pause].any():
        stop = min(last, stop + n_step)
    return x[start:stop]


def find_makers(esc10: Path) -> dict[str, Callable[[Rng, int], DoubleArray]]:
    """A maker of `n_samples` with each short sound; recorded ones where this machine has them."""

    def play(sounds: Sequence[DoubleArray]) -> Callable[[Rng, int], DoubleArray]:
        def make(rng: Rng, n: int) -> DoubleArray:
            sound, found = sounds[int(rng.integers(len(sounds)))][:n], np.zeros(n)
            start = int(rng.integers(n - len(sound) + 1))
            found[start : start + len(sound)] = sound
            return found

        return make

    makers: dict[str, Callable[[Rng, int], DoubleArray]] = {
        "bangs": lambda rng, n: bangs(rng, rng, rng, n, Sounds(esc10, HALF)),
        "taps": taps,
        "claps": claps,
    }
    present = {kind: name for kind, name in RECORDED.items() if any(esc10.glob(f"*_{name}/*.wav"))}
    return {**makers, **{kind: play([cut_loudest(x) for x in read_esc10(esc10, name, HALF)]) for kind, name in present.items()}}


def measure_lasting(run: Path, data: Path, conditions: Mapping[str, tuple[str, str]], esc10: Path) -> Lasting:
    """The lasting shares of the faulty test clips, and of the normal ones with each short sound, at one of LEVELS_DB in turn.

    `conditions` are those of the manifest (`read_conditions`).

    Raises:
        AeganError: The run or the data set cannot be read.
    """
    fields = load_fields(run)
    reference = ReferenceSet.load(run / REFERENCE, fields.spaces)
    logmel = LogMel(fields.features, reference.filterbank, make_baseline_filterbank(fields.features))

    def share(samples: DoubleArray) -> float:
        frames = logmel.transform_clip(np.clip(samples, -1, 1).astype(np.float32))
        return reference.spaces[LASTING].lasting_share(cut_pieces(frames.baseline_db))

    faults: dict[str, list[float]] = {}
    normal: list[DoubleArray] = []
    for clip in find_clips(data, fields.machine_type, "test").clips:
        samples = read_recording(clip.path, fields.features.sample_rate_hz).astype(np.float64)
        if clip.is_anomaly:
            faults.setdefault(conditions[clip.path.relative_to(data).as_posix()][0], []).append(share(samples))
        else:
            normal.append(samples)
    machine_rms = float(np.median([measure_rms(samples) for samples in normal]))
    disturbances: dict[str, list[float]] = {}
    for kind, (name, make) in enumerate(find_makers(esc10).items()):
        for place, samples in enumerate(normal):
            sound = make(np.random.default_rng([kind, place]), len(samples))
            loud = scale_to(sound, machine_rms, LEVELS_DB[place % 2]) * measure_rms(sound) / measure_rms(sound[find_sounding(sound)])
            disturbances.setdefault(name, []).append(share(samples + loud))
    return Lasting(faults=faults, disturbances=disturbances)


def compare(units: Sequence[Lasting], wanted: Sequence[str]) -> dict[str, float]:
    """AUC of the share between the faults `wanted` (all when empty) and `all` short sounds, and each kind of them."""
    faults = [share for unit in units for fault, shares in unit.faults.items() if not wanted or fault in wanted for share in shares]
    kinds = {kind: [share for unit in units for share in unit.disturbances[kind]] for kind in units[0].disturbances}
    groups = {"all": [share for shares in kinds.values() for share in shares], **kinds}
    return {kind: float(roc_auc_score([1] * len(faults) + [0] * len(shares), faults + shares)) for kind, shares in groups.items()}
