"""Streaming is offline: replay, evaluate and an independent oracle agree on all scores: the 19, our own and the baselines.

The oracle uses librosa, strided slices, plain PyTorch and scikit-learn. Of ours it uses the trained weights alone:
nothing of the pipeline, the features, the segments or the scores.
"""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
import torch
from sklearn.covariance import LedoitWolf
from sklearn.metrics.pairwise import cosine_distances, cosine_similarity
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from aegan_monitor.cli import main as monitor_main
from plain_networks import decode, discriminate, encode
from plain_spaces import measure_density, score_plainly
from synthetic import write_wav
from tolerances import COSINE_OF_SPECTRA, SCORES
from training_program import aegan_train

ILL_CONDITIONED = ("C_linear_cosine", "C_mel_cosine")
HOP, N_SEGMENTS = 16, 12  # of the tiny preset


def log_mel(path: Path) -> np.ndarray:
    """Librosa's log-mel in dB, `[128, n_frames]`."""
    sound, rate = soundfile.read(path, dtype="float32")
    mel = librosa.feature.melspectrogram(y=sound, sr=rate, n_fft=2048, hop_length=512, n_mels=128, power=2.0, pad_mode="constant")
    return np.asarray(librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=None))


def read_bands(path: Path) -> np.ndarray:
    """128 linear and 128 mel bands in dB, `[256, n_frames]`: triangles of unit area, drawn from their corners."""
    sound, rate = soundfile.read(path, dtype="float32")
    power = np.abs(librosa.stft(y=sound, n_fft=2048, hop_length=512, pad_mode="constant")) ** 2
    corners, hz = np.linspace(0, rate / 2, 130), np.linspace(0, rate / 2, 1025)
    peaks = 2 / (corners[2:] - corners[:-2])
    linear = np.stack([np.interp(hz, corners[i : i + 3], [0, peaks[i], 0]) for i in range(128)])
    mel = librosa.filters.mel(sr=rate, n_fft=2048, n_mels=128)
    return np.asarray(librosa.power_to_db(np.concatenate([linear, mel]) @ power, ref=1.0, amin=1e-10, top_db=None))


class Oracle:
    """Computes all scores of a clip independently."""

    def __init__(self, run: Path, data: Path) -> None:
        state = torch.load(run / "checkpoint.pt", weights_only=True)
        self.generator = {name: value.double() for name, value in state["netG"].items()}
        self.discriminator = {name: value.double() for name, value in state["netD"].items()}
        held_out = {json.loads(line)["file"] for line in (run / "held_out.jsonl").read_text().splitlines()}
        paths = [path for path in sorted((data / "dev_data" / "pump" / "train").glob("*.wav")) if path.name not in held_out]
        pictures = [log_mel(path) for path in paths]
        self.low, self.high = min(p.min() for p in pictures), max(p.max() for p in pictures)
        self.bands = [read_bands(path) for path in paths]
        self.normal = np.stack([self.embed(self.segments(picture)).mean(0) for picture in pictures])

    def segments(self, picture: np.ndarray) -> torch.Tensor:
        scaled = (picture.astype(np.float64) - (self.high + self.low) / 2) / ((self.high - self.low) / 2)
        starts = range(0, scaled.shape[1] - 127, HOP)
        return torch.from_numpy(np.stack([scaled[None, :, start : start + 128] for start in starts]))

    def embed(self, x: torch.Tensor) -> np.ndarray:
        return discriminate(x, self.discriminator)[1].numpy()

    def score(self, path: Path) -> dict[str, float]:
        x = self.segments(log_mel(path))
        mean = self.embed(x).mean(0, keepdims=True)
        lof = LocalOutlierFactor(4, metric="cosine", novelty=True).fit(self.normal)
        found = {
            "D_maha": np.sqrt(LedoitWolf().fit(self.normal).mahalanobis(mean)[0]),
            "D_knn": np.sort(cosine_distances(mean, self.normal)[0])[:2].sum(),
            "D_lof": -lof.score_samples(mean)[0],
            "D_cos": 1 - cosine_similarity(mean, self.normal.mean(0, keepdims=True))[0, 0],
        }
        bands = read_bands(path)
        found |= score_plainly(self.bands, bands)
        normal_means, means = np.stack([each.mean(1) for each in self.bands]), bands.mean(1)
        spectra = (("C_linear", normal_means[:, :128], means[:128]), ("C_mel", normal_means[:, 128:], means[128:]))
        for name, normal, vector in (("D", self.normal, mean[0]), *spectra):
            scaler = StandardScaler().fit(normal)
            near = NearestNeighbors(n_neighbors=2).fit(scaler.transform(normal)).kneighbors(scaler.transform(vector[None]))[0]
            # Without copies before other backgrounds, nothing is compensated.
            found |= {f"{name}_euclidean": near.mean(), f"{name}_near": near.mean()}
            if name == "D":
                found |= dict.fromkeys(
                    ("D_density", "D_near_density"), measure_density(scaler.transform(normal), scaler.transform(vector[None])[0])
                )
            if name != "D":
                found[f"{name}_cosine"] = np.sort(cosine_distances(vector[None], normal)[0])[:2].mean()
        z = encode(x, self.generator)
        recon = decode(z, self.generator)
        zz = encode(recon, self.generator)
        z, zz = z.flatten(1), zz.flatten(1)
        errors = {
            "x_2": ((x - recon) ** 2).sum((1, 2, 3)),
            "x_1": (x - recon).abs().sum((1, 2, 3)),
            "z_2": ((z - zz) ** 2).sum(1),
            "z_1": (z - zz).abs().sum(1),
            "z_cos": 1 - torch.nn.functional.cosine_similarity(z, zz),
        }
        for name, error in errors.items():
            found |= {f"G_{name}_sum": error.mean() * N_SEGMENTS, f"G_{name}_min": error.min(), f"G_{name}_max": error.max()}
        return {name: float(value) for name, value in found.items()}


def replay(*arguments: object) -> None:
    """Run `aegan-monitor replay`, which must succeed."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert monitor_main(["replay", *map(str, arguments)]) == 0


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_replay_evaluate_and_the_oracle_agree(run_folder: Path, bundle_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """Every score of every test clip agrees within 1e-4."""
    clips = sorted((dataset / "dev_data" / "pump" / "test").glob("*.wav"))
    assert aegan_train("evaluate", run_folder, "--data", dataset, "--jsonl", tmp_path / "evaluate.jsonl").returncode == 0
    replay("--bundle", bundle_folder, "--clips", "--jsonl", tmp_path / "replay.jsonl", *clips)
    evaluated, replayed = read_lines(tmp_path / "evaluate.jsonl"), read_lines(tmp_path / "replay.jsonl")
    assert [line["file"] for line in evaluated] == [line["file"] for line in replayed] == [str(path) for path in clips]
    oracle = Oracle(run_folder, dataset)
    for path, one, other in zip(clips, evaluated, replayed, strict=True):
        assert other["scores"] == pytest.approx(one["scores"], rel=SCORES), path
        found = oracle.score(path)
        assert set(found) == set(one["scores"])
        for name, expected in found.items():
            tolerance = COSINE_OF_SPECTRA if name in ILL_CONDITIONED else SCORES
            assert one["scores"][name] == pytest.approx(expected, rel=tolerance), (path, name)


def test_a_stream_is_the_same_however_it_is_cut_into_files(bundle_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """Joined recordings, and the same sound cut into odd lengths, give the same decisions."""
    clips = sorted((dataset / "dev_data" / "pump" / "test").glob("*.wav"))[:3]
    sound = np.concatenate([soundfile.read(path, dtype="float32")[0] for path in clips])
    cuts = np.cumsum([0, 777, 12_345, 160_001, 3, 99_999])
    pieces = [write_wav(tmp_path / f"{i}.wav", part) for i, part in enumerate(np.split(sound, cuts[1:]))]
    replay("--bundle", bundle_folder, "--jsonl", tmp_path / "one.jsonl", *clips)
    replay("--bundle", bundle_folder, "--jsonl", tmp_path / "other.jsonl", *pieces)
    one, other = read_lines(tmp_path / "one.jsonl"), read_lines(tmp_path / "other.jsonl")
    assert len(one) == len(other) == (3 * 160_000 - 1024 - 303 * 512) // (32 * 512) + 1
    for a, b in zip(one, other, strict=True):
        assert a["sample"] == b["sample"]
        assert b["scores"] == pytest.approx(a["scores"], rel=SCORES)
