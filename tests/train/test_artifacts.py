"""Calibration of a run."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from aegan_monitor.detection.bundle import REFERENCE
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import LASTING, SPACE_SCORES
from aegan_monitor.detection.threshold import make_threshold
from aegan_monitor.types import FloatArray
from aegan_train.artifacts import HELD_OUT, Calibrated, finish
from aegan_train.checkpoint import Training, make_updater
from aegan_train.config import TrainConfig, load_config
from aegan_train.dataset import find_scaling
from aegan_train.recordings.folder import Clip
from aegan_train.recordings.spectrograms import compute_spectrograms
from synthetic import RATE_HZ, write_wav

CPU = torch.device("cpu")
CONFIG = load_config("tiny", None)
WINDOW_SAMPLES = (CONFIG.clip_frames - 1) * CONFIG.features.hop_samples  # 9.7 s: one window, and nothing is left over
N_FITTED, N_HELD_OUT, N_LONG = 18, 6, 6  # windows to fit and held out, and windows in a long recording


def make_cycles() -> Iterator[FloatArray]:
    """Windows of a machine that is loud for 25 s and idle for 15 s, one after the other."""
    rng = np.random.default_rng(0)
    n = (N_FITTED + N_HELD_OUT) * WINDOW_SAMPLES
    times_s = np.arange(n) / RATE_HZ
    hum = np.sin(2 * np.pi * 120 * times_s) + np.cumsum(rng.standard_normal(n)) * 0.01
    sound = np.where(times_s % 40 < 25, 0.1 * hum, 0.0) + 0.01 * rng.standard_normal(n)
    yield from (np.clip(each, -0.9, 0.9).astype(np.float32) for each in np.split(sound, N_FITTED + N_HELD_OUT))


def add_beats(window: FloatArray) -> FloatArray:
    """The window with a click every 1.3 s."""
    clicks = np.zeros_like(window)
    clicks[:: round(1.3 * RATE_HZ)] = 1
    ring = np.exp(-np.arange(800) / 100) * np.sin(np.arange(800))
    return np.clip(window + 0.5 * np.convolve(clicks, ring)[: len(window)], -0.9, 0.9).astype(np.float32)


def calibrate(
    folder: Path, n_joined: int, config: TrainConfig = CONFIG, recording: str = "", *, beats: bool = False, most: int = 100
) -> Calibrated:
    """What untrained networks are calibrated to, on recordings of `n_joined` windows each, with `most` windows for either part."""
    windows = [add_beats(each) if beats else each for each in make_cycles()]
    recordings = [np.concatenate(windows[place : place + n_joined]) for place in range(0, len(windows), n_joined)]
    paths = [write_wav(folder / f"{number}.wav", samples) for number, samples in enumerate(recordings)]
    clips = [Clip(path, "train", "00", False, number, recording=recording) for number, path in enumerate(paths)]
    found = compute_spectrograms(clips, CONFIG.features, CONFIG.clip, folder)
    fitted, held_out = found.select(clips[: N_FITTED // n_joined]), found.select(clips[N_FITTED // n_joined :])
    torch.manual_seed(0)
    scaling = find_scaling(fitted.db)
    training = Training("pump", "tiny", config, 0, scaling, "", make_updater(config, CPU), torch.Generator(), [{}])
    return finish(training, fitted.thin(most), held_out.thin(most), folder, CPU, None)


def read_held_out(folder: Path) -> list[dict[str, float]]:
    """The scores of each held-out window of a run."""
    return [json.loads(line)["scores"] for line in (folder / HELD_OUT).read_text().splitlines()]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Calibrated]:
    """The calibration on recordings of N_LONG windows, and its folder."""
    folder = tmp_path_factory.mktemp("long")
    return folder, calibrate(folder, N_LONG)


def test_windows_of_a_long_recording_that_are_left_out_change_no_other(tmp_path: Path, long: tuple[Path, Calibrated]) -> None:
    """With three of six windows a recording, these three have the scores of the network that they have among all six."""
    few = calibrate(tmp_path, N_LONG, most=3)
    assert (few.fields.reference.n_clips, len(few.normal)) == (3, 3)
    expected = [each["G_x_2_sum"] for each in read_held_out(long[0])]
    assert [each["G_x_2_sum"] for each in read_held_out(tmp_path)] == [expected[place] for place in (1, 3, 5)]
    assert len(set(expected)) == N_LONG


def test_long_recordings_are_calibrated_as_the_daemon_hears_them(tmp_path: Path, long: tuple[Path, Calibrated]) -> None:
    """Files of one window and of six give the same number of clips, and thresholds within 2 %."""
    short, joined = calibrate(tmp_path, 1), long[1]
    assert (short.fields.reference.n_clips, short.fields.calibration["recorded"].n_clips) == (N_FITTED, N_HELD_OUT)
    assert (joined.fields.reference.n_clips, joined.fields.calibration["recorded"].n_clips) == (N_FITTED, N_HELD_OUT)
    for score in ("D_euclidean", "C_linear_euclidean", "G_x_2_sum"):
        one, other = (make_threshold(each.fields, score).on for each in (short, joined))
        assert other == pytest.approx(one, rel=0.02), score


def test_a_reference_set_has_as_many_rows_as_configured(tmp_path: Path) -> None:
    """With `max_reference_rows` a run keeps so many rows, however many windows were recorded."""
    found = calibrate(tmp_path, 1, CONFIG.model_copy(update={"max_reference_rows": 4}))
    reference = ReferenceSet.load(tmp_path / REFERENCE, found.fields.spaces)
    assert found.fields.reference.n_clips == len(reference.embedding_clips) == len(reference.baseline_clips) == 4


MEMBERS, RHYTHM_MEMBERS = ["D_maha", "C_linear_maha", "C_moments"], ["C_flux", "C_moments"]
JOINT = CONFIG.model_copy(update={"score": "F_joint", "fusion": MEMBERS, "rhythm_fusion": RHYTHM_MEMBERS})


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Calibrated]:
    """The calibration of F_joint on a machine without a rhythm, and its folder."""
    folder = tmp_path_factory.mktemp("joint")
    return folder, calibrate(folder, 1, JOINT)


def test_f_joint_is_calibrated_on_recordings_that_its_reference_set_does_not_hold(joint: tuple[Path, Calibrated]) -> None:
    """F_joint has a term for each member; its threshold comes from every window, fitted or held out, and lies over all of them."""
    folder, found = joint
    fields, recorded = found.fields, found.fields.calibration["recorded"]
    assert (fields.fused, list(fields.fusion), fields.spaces) == ("F_joint", JOINT.fusion, [*SPACE_SCORES, LASTING])
    assert (recorded.n_clips, recorded.n_copies) == (N_FITTED + N_HELD_OUT, 0)
    assert max(found.normal) <= recorded.quantiles["F_joint"][-1] < make_threshold(fields, "F_joint").on
    lines = read_held_out(folder)
    terms = list(fields.fusion.values())
    matrix = np.eye(3)
    for i, j in ((1, 0), (2, 0), (2, 1)):
        matrix[i, j] = matrix[j, i] = terms[i].correlations[JOINT.fusion[j]]
    assert 0 < np.abs(matrix[np.triu_indices(3, 1)]).max() <= 0.8
    for scores, normal in zip(lines, found.normal, strict=True):
        members = np.array([(np.log(scores[name]) - term.centre) / term.scale for name, term in fields.fusion.items()])
        over = np.maximum(0, members)
        assert scores["F_joint"] == normal == pytest.approx(np.sqrt(over @ np.linalg.inv(matrix) @ over / 3))


def test_the_worth_of_the_network_is_that_of_a_fusion_without_it(tmp_path: Path, joint: tuple[Path, Calibrated]) -> None:
    """The AUC without the network is the one that a fusion of the other members would have, from the same scores."""
    noticed = joint[1].noticed
    without = calibrate(tmp_path, 1, JOINT.model_copy(update={"fusion": JOINT.fusion[1:]})).noticed
    assert {name: each.auc_without_network for name, each in noticed.items()} == {name: each.auc for name, each in without.items()}
    assert any(each.auc != each.auc_without_network for each in noticed.values())
    assert all(each.auc_without_network is None for each in without.values())


def test_where_normal_sound_has_a_rhythm_other_members_decide(tmp_path: Path, joint: tuple[Path, Calibrated]) -> None:
    """A machine that beats is scored by the members for a rhythm, one that does not by all of them, and the bundle says so."""
    steady, beating = joint[1].fields, calibrate(tmp_path, 1, JOINT, beats=True).fields
    assert list(steady.fusion) == JOINT.fusion
    assert list(beating.fusion) == JOINT.rhythm_fusion
    assert beating.choice.startswith("F_joint of C_flux, C_moments: ")
    assert beating.choice.endswith("; these members because normal sound has a rhythm")
    assert "rhythm" not in steady.choice


def test_one_recording_alone_is_calibrated_on_its_runs(tmp_path: Path) -> None:
    """Of one recording alone, runs of neighbouring clips are cross-fitted."""
    found = calibrate(tmp_path, 1, JOINT, "flight 1")
    assert found.fields.calibration["recorded"].n_clips == N_FITTED + N_HELD_OUT
    assert np.isfinite(found.normal).all()
