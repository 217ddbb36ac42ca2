"""Scores of bands and of moments, as `docs/method.md` has them: in float64, by NumPy, SciPy and scikit-learn, with nothing of ours."""

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

LEAST_STD_DB = 0.3
MAX_WINDOWS = 2000  # with more of them a random part would be kept


def score_plainly(normal: list[np.ndarray], clip: np.ndarray) -> dict[str, float]:
    """The scores of `clip` among `normal` clips: 128 linear and 128 mel bands in dB, `[256, n_frames]` each."""
    sound, clips = clip.astype(np.float64), [each.astype(np.float64) for each in normal]
    linear, mel = slice(0, 128), slice(128, 256)

    def means(db: np.ndarray, scale: slice) -> np.ndarray:
        return np.asarray(db[scale].mean(axis=1))

    def spreads(db: np.ndarray, scale: slice) -> np.ndarray:
        return np.concatenate([means(db, scale), db[scale].std(axis=1)])

    def peaks(db: np.ndarray) -> np.ndarray:
        return np.concatenate([means(db, linear), db[linear].max(axis=1)])

    def flux(db: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(0.05 + np.mean(np.abs(db[linear, 1:] - db[linear, :-1]), axis=1)))

    return {
        "C_linear_maha": mahalanobis(np.array([means(each, linear) for each in clips]), means(sound, linear)),
        "C_mel_maha": mahalanobis(np.array([means(each, mel) for each in clips]), means(sound, mel)),
        "C_linear_spread_density": density(np.array([spreads(each, linear) for each in clips]), spreads(sound, linear)),
        "C_mel_spread_density": density(np.array([spreads(each, mel) for each in clips]), spreads(sound, mel)),
        "C_linear_peak_density": density(np.array([peaks(each) for each in clips]), peaks(sound)),
        "C_linear_peak_maha": mahalanobis(np.array([peaks(each) for each in clips]), peaks(sound)),
        "C_flux": nearest(np.array([flux(each) for each in clips]), flux(sound)),
        "C_moments": moments(clips, sound),
    }


def standardise(normal: np.ndarray, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in standard deviations of the normal clips, of at least LEAST_STD_DB."""
    std = np.maximum(normal.std(axis=0), LEAST_STD_DB)
    return (normal - normal.mean(axis=0)) / std, (clip - normal.mean(axis=0)) / std


def mahalanobis(normal: np.ndarray, clip: np.ndarray) -> float:
    """Mahalanobis distance of standardised vectors, with the shrunk covariance."""
    rows, point = standardise(normal, clip)
    return float(np.sqrt(LedoitWolf().fit(rows).mahalanobis(point[None])[0]))


def density(normal: np.ndarray, clip: np.ndarray) -> float:
    """`measure_density` of standardised vectors."""
    return measure_density(*standardise(normal, clip))


def measure_density(rows: np.ndarray, point: np.ndarray) -> float:
    """Mean of the two smallest distances to a row, each over the mean distance of that row to its four neighbours."""
    own = np.sort(cdist(rows, rows), axis=1)[:, 1:5].mean(axis=1)
    return float(np.sort(cdist(point[None], rows)[0] / own)[:2].mean())


def nearest(normal: np.ndarray, clip: np.ndarray) -> float:
    """Mean distance to the two nearest rows."""
    rows, point = standardise(normal, clip)
    return float(np.sort(cdist(point[None], rows)[0])[:2].mean())


def cut_plainly(db: np.ndarray) -> np.ndarray:
    """Windows of 64 frames, every other frame, of 8 groups of 16 linear bands without their median, `[n_windows, 8, 64]`."""
    power = 10 ** (db[:128] / 10)
    groups = np.stack([10 * np.log10(1e-10 + power[16 * i : 16 * i + 16].mean(axis=0)) for i in range(8)])
    groups -= np.median(groups, axis=1)[:, None]
    return np.stack([groups[:, start : start + 64] for start in range(0, groups.shape[1] - 63, 4)])


def moments(clips: list[np.ndarray], sound: np.ndarray) -> float:
    """The distance that nine tenths of the clip's windows keep, under 48 components of normal windows and what these leave out."""
    normal, own = np.concatenate([cut_plainly(each) for each in clips]), cut_plainly(sound)
    assert len(normal) <= MAX_WINDOWS
    unit = normal.std(axis=(0, 2))[None, :, None] + LEAST_STD_DB
    rows, points = ((each / unit).reshape(len(each), -1) for each in (normal, own))
    pca = PCA(48, svd_solver="full").fit(rows)
    left_out = ((points - pca.inverse_transform(pca.transform(points))) ** 2).sum(axis=1)
    lengths = np.sqrt(cdist(pca.transform(points), pca.transform(rows)) ** 2 + left_out[:, None])
    return float(np.quantile(np.sort(lengths, axis=1)[:, :2].mean(axis=1), 0.9))
