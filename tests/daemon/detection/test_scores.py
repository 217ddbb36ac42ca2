"""Each score against scikit-learn or plain PyTorch on the same inputs."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.metrics.pairwise import cosine_distances
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from aegan_monitor.detection.scores import PUBLISHED_IDS, SCORE_IDS, SPACE_SCORES, ClipEvidence, evaluate_scores
from aegan_monitor.detection.views import summarise
from aegan_monitor.errors import InferenceRunError
from aegan_monitor.types import SegmentOutputs
from aegan_train.calibration.statistics import BACKGROUND_WEIGHT, ClipStatistics, compensate, fit_reference
from aegan_train.torch_session import latent_errors, picture_errors
from fakes import make_db, stack_means
from plain_spaces import score_plainly
from tolerances import FLOAT32_DISTANCES, STATISTICS

RNG = np.random.default_rng(3)
N_EMBEDDING = 24
EMPTY = np.zeros((1, 1), np.float32)
NORMAL = RNG.normal(size=(40, N_EMBEDDING)) * np.linspace(0.1, 2, N_EMBEDDING) + 1
CLIP_DB, (DB,) = make_db(40, 4), make_db(1, 5)
CLIP_BANDS, BANDS = [summarise(db) for db in CLIP_DB], summarise(DB)
CONTROL_CLIPS = stack_means(CLIP_BANDS)
EMBEDDING_CHANGES = RNG.normal(size=(90, N_EMBEDDING)) * np.linspace(3, 0, N_EMBEDDING)
BAND_CHANGES = RNG.normal(0, 5, size=(90, 2, 128))
REFERENCE, SHRINKAGE = fit_reference(ClipStatistics(NORMAL, CLIP_BANDS, EMBEDDING_CHANGES, BAND_CHANGES), EMPTY, EMPTY)
BAND_SCORES = score_plainly(CLIP_DB, DB)
SEGMENTS = 7
DEFINED_SEGMENTS = 12


def make_outputs(seed: int) -> tuple[SegmentOutputs, dict[str, torch.Tensor]]:
    """Network outputs of seven segments, and the tensors behind them."""
    rng = torch.Generator().manual_seed(seed)
    raw = {
        name: torch.randn(SEGMENTS, *shape, generator=rng)
        for name, shape in {"x": (1, 8, 8), "recon": (1, 8, 8), "z": (6,), "zz": (6,)}.items()
    }
    raw["zz"] = raw["z"] + 0.1 * raw["zz"]
    embedding = (1 + torch.randn(SEGMENTS, N_EMBEDDING, generator=rng)).numpy()
    outputs = SegmentOutputs(
        embedding, raw["z"].numpy(), latent_errors(raw["z"], raw["zz"]).numpy(), picture_errors(raw["x"], raw["recon"]).numpy()
    )
    return outputs, raw


def background_moment(clips: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """What other backgrounds do, in the weight of `D_near`."""
    variances = clips.var(axis=0)
    moment = changes.T @ changes / len(changes)
    return np.asarray(moment * BACKGROUND_WEIGHT / (np.prod(1 + np.diag(moment) / variances) ** (1 / len(variances)) - 1))


def near_oracle(clips: np.ndarray, changes: np.ndarray, found: np.ndarray) -> float:
    """Mean Mahalanobis distance to the two nearest clips, by SciPy."""
    covariance = np.diag(clips.var(axis=0)) + background_moment(clips, changes)
    distances = cdist(found[None], clips, "mahalanobis", VI=np.linalg.inv(covariance))[0]
    return float(np.sort(distances)[:2].mean())


def density_oracle(clips: np.ndarray, covariance: np.ndarray, found: np.ndarray) -> float:
    """Mean of the two smallest Mahalanobis distances to a clip, each over the mean distance of that clip to its four neighbours."""
    inverse = np.linalg.inv(covariance)
    own = np.sort(cdist(clips, clips, "mahalanobis", VI=inverse), axis=1)[:, 1:5].mean(axis=1)
    return float(np.sort(cdist(found[None], clips, "mahalanobis", VI=inverse)[0] / own)[:2].mean())


def euclidean_oracle(clips: np.ndarray, found: np.ndarray) -> float:
    """Mean distance to the two nearest clips after scikit-learn's standardisation."""
    scaler = StandardScaler().fit(clips)
    neighbours = NearestNeighbors(n_neighbors=2).fit(scaler.transform(clips))
    return float(neighbours.kneighbors(scaler.transform(found[None]))[0].mean())


def oracle(outputs: SegmentOutputs, raw: dict[str, torch.Tensor]) -> dict[str, float]:
    """All scores by scikit-learn and PyTorch."""
    mean = outputs.embedding.astype(np.float64).mean(0, keepdims=True)
    lof = LocalOutlierFactor(4, metric="cosine", novelty=True).fit(NORMAL)
    found = {
        "D_maha": float(np.sqrt(LedoitWolf().fit(NORMAL).mahalanobis(mean)[0])),
        "D_knn": float(np.sort(cosine_distances(mean, NORMAL)[0])[:2].sum()),
        "D_lof": float(-lof.score_samples(mean)[0]),
        "D_cos": float(cosine_distances(mean, NORMAL.mean(0, keepdims=True))[0, 0]),
        "D_euclidean": euclidean_oracle(NORMAL, mean[0]),
        "D_near": near_oracle(NORMAL, EMBEDDING_CHANGES, mean[0]),
        "D_density": density_oracle(NORMAL, np.diag(NORMAL.var(axis=0)), mean[0]),
        "D_near_density": density_oracle(NORMAL, np.diag(NORMAL.var(axis=0)) + background_moment(NORMAL, EMBEDDING_CHANGES), mean[0]),
        **BAND_SCORES,
    }
    for place, scale in enumerate(("linear", "mel")):
        found[f"C_{scale}_euclidean"] = euclidean_oracle(CONTROL_CLIPS[:, place], BANDS.mean[place])
        found[f"C_{scale}_near"] = near_oracle(CONTROL_CLIPS[:, place], BAND_CHANGES[:, place], BANDS.mean[place])
        found[f"C_{scale}_cosine"] = float(np.sort(cosine_distances(BANDS.mean[place : place + 1], CONTROL_CLIPS[:, place])[0])[:2].mean())
    dx, dz = (raw["x"] - raw["recon"]).double().flatten(1), (raw["z"] - raw["zz"]).double()
    errors = {
        "x_2": (dx**2).sum(1),
        "x_1": dx.abs().sum(1),
        "z_2": (dz**2).sum(1),
        "z_1": dz.abs().sum(1),
        "z_cos": 1 - torch.nn.functional.cosine_similarity(raw["z"].double(), raw["zz"].double()),
    }
    for name, error in errors.items():
        found |= {
            f"G_{name}_sum": float(error.mean()) * DEFINED_SEGMENTS,
            f"G_{name}_min": float(error.min()),
            f"G_{name}_max": float(error.max()),
        }
    return found


def test_there_are_19_scores() -> None:
    """There are four discriminator and fifteen generator scores by the published names, four of our own, and fourteen baselines."""
    generator = {f"G_{kind}_{pool}" for kind in ("x_2", "x_1", "z_2", "z_1", "z_cos") for pool in ("sum", "min", "max")}
    assert set(PUBLISHED_IDS) == {"D_maha", "D_knn", "D_lof", "D_cos"} | generator
    assert len(PUBLISHED_IDS) == 19
    controls = {f"C_{scale}_{kind}" for scale in ("linear", "mel") for kind in ("euclidean", "cosine", "near")}
    assert set(SCORE_IDS) - set(PUBLISHED_IDS) == controls | {"D_euclidean", "D_near", *SPACE_SCORES}


@pytest.mark.parametrize("name", sorted(SCORE_IDS))
def test_a_score_is_what_others_compute(name: str) -> None:
    """Each score equals scikit-learn's or plain PyTorch's on several clips."""
    for seed in range(5):
        outputs, raw = make_outputs(seed)
        found = evaluate_scores(ClipEvidence(outputs, BANDS), REFERENCE, DEFINED_SEGMENTS)[name]
        tolerance = 2e-6 if name.startswith("G") else STATISTICS  # errors are summed in float32 by the network
        tolerance = FLOAT32_DISTANCES if name in SPACE_SCORES else tolerance
        assert found == pytest.approx(oracle(outputs, raw)[name], rel=tolerance)


def test_lof_of_equal_embeddings_is_finite() -> None:
    """Duplicates among the normal clips do not divide by zero."""
    equal = np.repeat(NORMAL[:1], 10, axis=0)
    reference, _ = fit_reference(ClipStatistics(equal + 0.0, CLIP_BANDS[:10], equal[:0], BAND_CHANGES[:0]), EMPTY, EMPTY)
    outputs, _ = make_outputs(0)
    assert np.isfinite(SCORE_IDS["D_lof"].evaluate(ClipEvidence(outputs, BANDS), reference, 1))


def test_the_covariance_of_few_clips_is_shrunk_not_singular() -> None:
    """Ten clips in 24 dimensions give a usable precision matrix and a shrinkage."""
    clips = ClipStatistics(NORMAL[:10], CLIP_BANDS[:10], NORMAL[:0], BAND_CHANGES[:0])
    reference, shrinkage = fit_reference(clips, EMPTY, EMPTY)
    assert 0 < shrinkage <= 1
    assert np.linalg.cond(reference.embedding_precision) < 1e6


def test_what_a_background_does_counts_less() -> None:
    """A distance shrinks along the direction of background changes, and stays the same across it."""
    changes = np.array([[3.0, 0, 0, 0], [-3, 0, 0, 0]])
    found = compensate(np.ones(4), changes)
    granted = BACKGROUND_WEIGHT * 9 / (10 ** (1 / 4) - 1)
    assert np.linalg.norm(np.array([1.0, 0, 0, 0]) @ found) == pytest.approx(1 / np.sqrt(1 + granted))
    assert np.linalg.norm(np.array([0, 0.6, 0, 0.8]) @ found) == pytest.approx(1)


def test_calm_dimensions_do_not_use_up_the_compensation() -> None:
    """Silent bands, in which any change is large, do not weaken the compensation of the others."""
    changes = RNG.normal(size=(500, 128)) * np.concatenate([np.full(96, 4.0), np.full(32, 400.0)])
    move = np.concatenate([np.full(96, 4.0), np.zeros(32)])
    lively, whole = (np.linalg.norm(m @ compensate(np.ones(len(m)), c)) for m, c in ((move[:96], changes[:, :96]), (move, changes)))
    assert lively < whole < 1.1 * np.linalg.norm(move)
    assert whole < 0.98 * np.linalg.norm(move)


def test_without_copies_near_is_euclidean() -> None:
    """Without copies D_near is the Euclidean distance."""
    reference, _ = fit_reference(ClipStatistics(NORMAL, CLIP_BANDS, NORMAL[:0], BAND_CHANGES[:0]), EMPTY, EMPTY)
    found = evaluate_scores(ClipEvidence(make_outputs(0)[0], BANDS), reference, 1)
    for prefix in ("D", "C_linear", "C_mel"):
        assert found[f"{prefix}_near"] == pytest.approx(found[f"{prefix}_euclidean"])


def test_nan_is_no_score() -> None:
    """An embedding with NaN is refused."""
    outputs, _ = make_outputs(0)
    spoiled = SegmentOutputs(outputs.embedding * np.nan, outputs.z, outputs.z_errors, outputs.x_errors)
    with pytest.raises(InferenceRunError, match="^D_maha: expected a finite score, found nan; "):
        evaluate_scores(ClipEvidence(spoiled, BANDS), REFERENCE, 1, [SCORE_IDS["D_maha"]])


def test_only_what_is_requested_is_computed() -> None:
    """A discriminator score is computed without outputs of the generator."""
    outputs, _ = make_outputs(0)
    bare = SegmentOutputs(outputs.embedding, *(np.zeros((0, 0), np.float32),) * 3)
    assert list(evaluate_scores(ClipEvidence(bare, BANDS), REFERENCE, 1, [SCORE_IDS["D_cos"]])) == ["D_cos"]
