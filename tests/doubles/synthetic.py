"""Synthesised data sets, recordings and calibrations."""

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from aegan_monitor.audio.level import measure_level
from aegan_monitor.decision.sound.integrity import Integrity
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.bundle import DIGEST_KEY, GOLDEN, PAYLOAD, RECORD, REFERENCE, Bundle, demo_bundle, digest_of, sha256_of
from aegan_monitor.detection.features import FeatureParameters, LogMel, make_filterbank
from aegan_monitor.detection.record import NormalState
from aegan_monitor.detection.reference import ARRAYS
from aegan_monitor.detection.scores import SCORE_IDS, SPACE_SCORES
from aegan_monitor.detection.views import summarise
from aegan_monitor.types import DoubleArray, FloatArray, Run
from aegan_train.bench.sound.sounds import make_harmonics, make_noise, seconds
from aegan_train.findings.normal_sound import NormalSound
from aegan_train.findings.states import PROBABILITIES
from aegan_train.recordings.folder import Clip
from aegan_train.recordings.seconds import DC, DROP_OUT, measure_seconds

RATE_HZ = 16_000
TONE_S = 0.5  # of the tone that `add_tone` adds
CLIP_SAMPLES = 10 * RATE_HZ
N_JOINED = 4  # clips of a recording
OLDER_SCORE = "D_maha"
OLDER_NAMES = [name for name in SCORE_IDS if name not in SPACE_SCORES]
ADDED = ("spaces", "fused", "usual_bands", "normal_sound")  # by bundle format 3
FLOOR_DB = np.array([0, 0, -2, -3, -5, -8, -12, -16])


def write_wav(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ, subtype: str = "PCM_16") -> Path:
    """Write a recording to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def write_dataset(
    folder: Path, *, n_train: int = 12, n_normal: int = 4, n_anomaly: int = 4, clip_s: float = 10.0, machine_type: str = "pump"
) -> Path:
    """A DCASE 2020 folder of synthesised pumps with a manifest of two clips a recording."""
    base = folder / "dev_data" / machine_type
    lines = ["path,label,condition,flight"]

    def write(split: str, label: str, number: int, seed: int, fault_from_s: float | None) -> None:
        path = base / split / f"{label}_id_00_{number:08d}.wav"
        write_wav(path, Pump(seed, RATE_HZ, fault_from_s).read(round(clip_s * RATE_HZ)))
        lines.append(f"{path.relative_to(folder).as_posix()},{label},none,{split}_{label}_{number // 2}")

    for number in range(n_train):
        write("train", "normal", number, 100 + number, None)
    for number in range(n_normal):
        write("test", "normal", number, 200 + number, None)
    for number in range(n_anomaly):
        write("test", "anomaly", number, 300 + number, -1.0)
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_clips(folder: Path, names: Iterable[str], clip_s: float = 5.0) -> Path:
    """A synthesised pump of its own for each path below `folder`; faulty where the name says anomaly.

    Names without `normal` or `anomaly`, as in a challenge, are faulty where their number is odd.
    """
    for place, name in enumerate(names):
        number = int(re.findall("[0-9]+", name)[-1])
        faulty = "anomaly" in name or ("normal" not in name and number % 2 == 1)
        write_wav(folder / name, Pump(1000 + place, RATE_HZ, -1.0 if faulty else None).read(round(clip_s * RATE_HZ)))
    return folder


def write_dcase2020(folder: Path) -> Path:
    """Machine type fan in DCASE 2020 layout: ids 00 and 02 in dev_data, 01 without test labels in eval_data, more of it additional."""
    dev, evaluation, additional = (f"{name}/fan" for name in ("dev_data", "eval_data", "additional_data"))
    return write_clips(
        folder,
        [
            *(f"{dev}/train/normal_id_{section}_{number:08d}.wav" for section in ("00", "02") for number in range(6)),
            *(
                f"{dev}/test/{label}_id_{section}_{number:08d}.wav"
                for section in ("00", "02")
                for label in ("normal", "anomaly")
                for number in range(3)
            ),
            *(f"{evaluation}/train/normal_id_01_{number:08d}.wav" for number in range(4)),
            *(f"{evaluation}/test/id_01_{number:08d}.wav" for number in range(4)),
            *(f"{additional}/train/normal_id_01_{number:08d}.wav" for number in range(4, 6)),
        ],
    )


def write_dcase2022(folder: Path) -> Path:
    """Machine type fan in DCASE 2022 layout: sections 00 and 01 in dev_data, 03 in eval_data without test labels."""
    dev, evaluation = "dev_data/fan", "eval_data/fan"
    return write_clips(
        folder,
        [
            *(
                f"{dev}/train/section_{section}_{domain}_train_normal_{number:04d}_m-n_W.wav"
                for section in ("00", "01")
                for domain, n in (("source", 5), ("target", 1))
                for number in range(n)
            ),
            *(
                f"{dev}/test/section_{section}_{domain}_test_{label}_{number:04d}_m-n_W.wav"
                for section in ("00", "01")
                for domain in ("source", "target")
                for label in ("normal", "anomaly")
                for number in range(2)
            ),
            *(f"{evaluation}/train/section_03_source_train_normal_{number:04d}_m-n_X.wav" for number in range(4)),
            *(f"{evaluation}/test/section_03_test_{number:04d}.wav" for number in range(4)),
        ],
    )


def band_power(bundle: Bundle, samples: FloatArray, band: int, start_s: float) -> float:
    """Mean power of a band over a tone's time from `start_s` on."""
    hop_s = bundle.record.features.hop_s
    db = LogMel(bundle.record.features, bundle.reference.filterbank).transform_clip(samples).db
    return float(np.mean(10 ** (db[band, round(start_s / hop_s) + 3 : round((start_s + TONE_S) / hop_s) - 2] / 10)))


def add_tone(bundle: Bundle, samples: FloatArray, hz: float, start_s: float, over_db: float) -> FloatArray:
    """The clip with a tone of TONE_S that is louder than the clip in the tone's band by the given factor."""
    start, n = round(start_s * RATE_HZ), round(TONE_S * RATE_HZ)
    tone = np.zeros(len(samples), np.float32)
    tone[start : start + n] = np.sin(2 * np.pi * hz * np.arange(n) / RATE_HZ)
    band = int(np.argmax(bundle.reference.filterbank[:, round(hz * bundle.record.features.n_fft / RATE_HZ)]))
    ratio = band_power(bundle, samples, band, start_s) / band_power(bundle, tone, band, start_s)
    return samples + np.float32(np.sqrt(ratio * 10 ** (over_db / 10))) * tone


@cache
def make_logmel() -> LogMel:
    """The features of the presets."""
    features = FeatureParameters(band_scale="linear")
    return LogMel(features, make_filterbank(features), make_baseline_filterbank(features))


def hear(clips: Sequence[DoubleArray], n_joined: int = N_JOINED) -> NormalSound:
    """The normal sound of these samples, each a file; `n_joined` files are of one recording."""
    frames = [make_logmel().transform_clip(samples.astype(np.float32)) for samples in clips]
    numbers = range(len(clips))
    return NormalSound(
        clips=[Clip(Path(f"{number}.wav"), "train", "00", False, number) for number in numbers],
        starts_s=[0.0 for _ in numbers],
        recordings=np.array([number // n_joined for number in numbers]),
        levels_dbfs=[measure_level(samples.astype(np.float32)).rms_dbfs for samples in clips],
        bands=[summarise(each.baseline_db) for each in frames],
        db=[each.db for each in frames],
        hop_s=FeatureParameters().hop_s,
        seconds=[measure_seconds(samples.astype(np.float32), RATE_HZ) for samples in clips],
    )


def make_machine(rng: np.random.Generator, speed_hz: float = 24.0, n_samples: int = CLIP_SAMPLES) -> DoubleArray:
    """A steady machine: harmonics of its speed and noise, both louder with the speed as those of a fan are, each clip a little other."""
    turns = speed_hz * (1 + 0.01 * rng.normal()) * seconds(n_samples)
    rotation = make_harmonics(turns, np.arange(1, 7), 0.5 / np.arange(1, 7), rng.uniform(0, 6, 6))
    sound = rotation + make_noise(rng, n_samples, FLOOR_DB + rng.normal(0, 0.7, 8))
    gain: float = 0.02 * (speed_hz / 24) ** 2.5
    return gain * sound


def learn_state(samples: FloatArray, rate_hz: int = RATE_HZ, name: str = "running") -> NormalState:
    """One operating state, that of all seconds of this sound."""
    known = measure_seconds(samples, rate_hz)
    known = known[np.isfinite(known[:, 0])]
    quantiles = np.quantile(known[:, :DC], PROBABILITIES, axis=0).T.tolist()
    return NormalState(
        name=name,
        share=1.0,
        level_dbfs=quantiles[0],
        bands_dbfs=quantiles[1:],
        dc=float(np.median(known[:, DC])),
        drop_outs=float(np.mean(known[:, DROP_OUT])),
    )


def make_low_noise(seed: int, n_samples: int, rate_hz: int, corner_hz: float) -> DoubleArray:
    """Noise with RMS 1 that falls by 6 dB an octave above `corner_hz`."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=n_samples))
    noise: DoubleArray = np.fft.irfft(spectrum / np.hypot(1, np.fft.rfftfreq(n_samples, 1 / rate_hz) / corner_hz), n_samples)
    noise /= np.sqrt(np.mean(noise**2))
    return noise


def make_machine_sound(seed: int, seconds: int, rate_hz: int = RATE_HZ) -> FloatArray:
    """A machine with harmonics, flow noise and a load that changes the level by 2 dB up and down."""
    times_s, knots_s = np.arange(seconds * rate_hz) / rate_hz, np.arange(0, seconds + 8, 4)
    load_db = 2 * np.tanh(np.interp(times_s, knots_s, np.random.default_rng(seed).normal(size=len(knots_s))))
    tones = sum(np.sin(2 * np.pi * 49 * order * times_s + order) / order for order in range(1, 8))
    return (0.03 * (make_low_noise(seed, len(times_s), rate_hz, 600) + tones) * 10 ** (load_db / 20)).astype(np.float32)


def hear_faults(integrity: Integrity, samples: FloatArray, start_s: int = 0) -> list[tuple[int, str]]:
    """(time in seconds, state) of each change of the fault; the state is `ok` without one."""
    found, last = [], integrity.fault.state if integrity.fault else "ok"
    for second in range(len(samples) // RATE_HZ):
        integrity.hear(Run(samples[second * RATE_HZ : (second + 1) * RATE_HZ], (start_s + second) * RATE_HZ))
        now = integrity.fault.state if integrity.fault else "ok"
        if now != last:
            found.append((start_s + second + 1, now))
        last = now
    return found


def copy_demo_as_format_2(folder: Path) -> Path:
    """The demo bundle without spaces, fused score, usual bands, operating states and blocks, with one calibration, as `folder`."""
    shutil.copytree(demo_bundle(), folder)
    record = json.loads((folder / RECORD).read_text())
    with np.load(folder / REFERENCE) as arrays:
        reference = {name: arrays[name] for name in ARRAYS.values()}
    with np.load(folder / GOLDEN) as arrays:
        golden = {name: arrays[name] for name in arrays}
    np.savez(folder / REFERENCE, **reference)
    np.savez(folder / GOLDEN, **{**golden, "scores": golden["scores"][:, : len(OLDER_NAMES)]})
    calibration = record["calibration"]["recorded"]
    calibration["quantiles"] = {name: calibration["quantiles"][name] for name in OLDER_NAMES}
    older = {name: value for name, value in record.items() if name not in ADDED} | {
        "format": 2,
        "score": OLDER_SCORE,
        "fusion": {},
        "normalisation": {name: record["normalisation"][name] for name in OLDER_NAMES},
        "calibration": {name: value for name, value in calibration.items() if name != "blocks"},
        "files": {name: {"sha256": sha256_of(folder / name), "n_bytes": (folder / name).stat().st_size} for name in PAYLOAD},
    }
    (folder / RECORD).write_text(json.dumps({**older, DIGEST_KEY: digest_of(older)}))
    return folder
