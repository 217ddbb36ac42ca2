"""Synthesised rows: reproducible, training and test apart, and parameters that stay."""

import csv
import hashlib
import json
import wave
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.audio.recording import read_recording
from aegan_train.bench.rows import SYNTHESISED
from aegan_train.bench.sound.backgrounds import BACKGROUNDS, RECORDED, Layer, Sounds, read_esc10
from aegan_train.bench.sound.sounds import measure_rms
from aegan_train.bench.sound.synthesis import FAULTY, FURTHER, NORMAL, RMS, TRAIN, write_row
from aegan_train.bench.sound.synthesis import write_wav as write_wav_16
from aegan_train.recordings.folder import find_clips
from synthetic import write_wav

# Of the table's parameters on 2026-11-30, before a detector was measured on them. It does not change.
PARAMETERS = "3ff93eedae74b5d3b73d27267777bd544e3aff432973e61aeef17db9ba6c344a"
NOWHERE = Path("/nonexistent")
PLAIN = [name for name, row in SYNTHESISED.items() if not {layer.kind for layer in row.layers} & {*RECORDED, "speech"}]


def sounds(half: int = 0) -> Sounds:
    """No ESC-10."""
    return Sounds(NOWHERE, half)


def test_the_parameters_of_the_rows_stay() -> None:
    """A figure of today compares with one of last year: a new idea is a new row."""
    assert hashlib.sha256(json.dumps({name: asdict(row) for name, row in SYNTHESISED.items()}).encode()).hexdigest() == PARAMETERS


@pytest.mark.parametrize("name", PLAIN)
def test_a_row_is_the_same_each_time(name: str) -> None:
    """The seed of the row decides, and another seed gives another machine; hardly a sample is clipped."""
    row = SYNTHESISED[name]
    first, again, other = (each.make_clip(TRAIN, 0, 0, "", sounds()) for each in (row, row, replace(row, seed=row.seed + 1)))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert np.mean(np.abs([first, other]) >= 1) < 1e-4
    assert 0.1 * RMS < measure_rms(first) < 5 * RMS


def test_training_and_test_share_no_day() -> None:
    """Nor do two clips of one day share their noise."""
    row = SYNTHESISED["rotor_place"]
    keys = [(TRAIN, 0, 0, ""), (TRAIN, 0, 1, ""), (TRAIN, 1, 0, ""), (NORMAL, 0, 0, ""), (FAULTY, 0, 0, "tone"), (FAULTY, 4, 0, "tone")]
    clips = [row.make_clip(*key, sounds()) for key in keys]
    correlations = np.abs(np.corrcoef(clips)) - np.eye(len(clips))
    assert correlations.max() < 0.9
    recordings: dict[str, set[str]] = {"train": set(), "test": set()}
    few = replace(row, n_days=2, n_clips=1, n_test_days=2, n_test_clips=1, n_fault_days=1, n_fault_clips=1)
    for name, _, recording, _ in few.clips(NOWHERE):
        split = name.partition("/")[0]
        assert recording not in recordings[split]
        recordings[split].add(recording)
    assert not recordings["train"] & recordings["test"]


def test_training_and_test_share_no_recorded_sound(tmp_path: Path) -> None:
    """Each half of a class has every second clip."""
    for number in range(10):
        write_wav(tmp_path / "002_Rain" / f"{number}.wav", np.random.default_rng(number).normal(0, 0.1, 800))
    halves = [{clip.tobytes() for clip in read_esc10(tmp_path, "Rain", half)} for half in (0, 1)]
    assert [len(half) for half in halves] == [5, 5]
    assert not halves[0] & halves[1]


def test_a_written_row_is_a_data_set(tmp_path: Path) -> None:
    """In the layout of DCASE 2020, with recordings and faults in a manifest; the samples are those of `clips`."""
    row = replace(SYNTHESISED["press_rhythm"], n_days=2, n_clips=1, n_test_days=1, n_test_clips=2, n_fault_days=1, n_fault_clips=1)
    write_row(row, tmp_path, NOWHERE)
    train, test = (find_clips(tmp_path, "press", split) for split in ("train", "test"))
    assert (train.skipped, test.skipped) == ([], [])
    assert [clip.recording for clip in train.clips] == ["train_0", "train_1"]
    assert [clip.is_anomaly for clip in test.clips] == [True] * 6 + [False] * 2
    with (tmp_path / "manifest.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["condition"] for line in lines] == [""] * 4 + list(row.faults)
    name, _, _, samples = next(row.clips(NOWHERE))
    with wave.open(str(tmp_path / "dev_data" / "press" / name)) as written:
        heard = np.frombuffer(written.readframes(written.getnframes()), "<i2")
    assert np.array_equal(heard, (samples * 32767).round())


def test_further_clips_are_new_and_as_if_read_from_files(tmp_path: Path) -> None:
    """Of days that neither training nor test has, with the samples that a file would have."""
    row = SYNTHESISED["press_place"]
    first, *_, last = row.further_clips(5, NOWHERE)
    assert first.dtype == np.float32
    for samples, key in ((first, (FURTHER, 0, 0, "")), (last, (FURTHER, 1, 0, ""))):
        write_wav_16(tmp_path / "clip.wav", row.make_clip(*key, sounds(1)))
        assert np.array_equal(read_recording(tmp_path / "clip.wav", 16_000), samples)
    others = [row.make_clip(stream, 0, 0, "", sounds(half)) for stream, half in ((TRAIN, 0), (NORMAL, 1))]
    assert np.abs(np.corrcoef([first, last, *others]) - np.eye(4)).max() < 0.9


def test_a_layer_has_its_level_and_its_share() -> None:
    """The level is relative to the machine; clips without the layer are silent."""
    layer = Layer("hall", (-12.0, -12.0), 0.5)
    rng = np.random.default_rng
    heard = [measure_rms(layer.add(0.1, rng(1), rng(2), rng(seed), 16_000, sounds())) for seed in range(60)]
    levels_db = [20 * np.log10(rms / 0.1) for rms in heard if rms]
    assert 15 < len(levels_db) < 45
    assert np.mean(levels_db) == pytest.approx(-12, abs=1.0)  # a hall drifts by 1 dB


def test_every_layer_has_a_background() -> None:
    """By its kind."""
    assert {layer.kind for row in SYNTHESISED.values() for layer in row.layers} == set(BACKGROUNDS)
