"""How long something lasts, as `docs/method.md` has it: in float64, by NumPy and scikit-learn, with nothing of ours."""

import numpy as np
from sklearn.covariance import LedoitWolf

LEAST_STD_DB = 0.3


def cut_plainly(db: np.ndarray) -> np.ndarray:
    """Pieces of 2 frames: means of 32 groups of 4 linear bands, `[n_pieces, 32]`."""
    n_pieces = db.shape[1] // 2
    groups = db[:128, : 2 * n_pieces].astype(np.float64).reshape(32, 4, n_pieces, 2)
    return np.asarray(groups.mean(axis=(1, 3)).T)


def measure_plainly(normal: list[np.ndarray], clip: np.ndarray) -> np.ndarray:
    """Mahalanobis distance of each piece of `clip` from those of `normal` clips, bands in dB `[256, n_frames]`."""
    rows = np.concatenate([cut_plainly(each) for each in normal])
    std = np.maximum(rows.std(axis=0), LEAST_STD_DB)
    model = LedoitWolf().fit((rows - rows.mean(axis=0)) / std)
    return np.asarray(np.sqrt(model.mahalanobis((cut_plainly(clip) - rows.mean(axis=0)) / std)))


def share_plainly(normal: list[np.ndarray], unit: float, clip: np.ndarray) -> float:
    """Share of the pieces of `clip` that exceed a fifth of the largest excess over 1; `unit` is the median distance of normal pieces."""
    excess = [max(0.0, distance / unit - 1) for distance in measure_plainly(normal, clip)]
    return float(np.mean([each > 0.2 * max(excess) for each in excess]))
