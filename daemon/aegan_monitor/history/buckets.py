"""Decisions of one machine, joined to buckets of a second, a minute, an hour or any other width. Pure.

A bucket counts its decisions, so joining buckets is exact: in any order, and also where two parts of one second were stored apart.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

BUCKET = np.dtype(
    [
        ("time", "<i8"),  # seconds since 1970 at which it begins
        ("n", "<u4"),  # decisions in it
        ("score_mean", "<f4"),
        ("score_max", "<f4"),
        ("evidence_max", "<f4"),  # NaN: no decision had evidence
        ("level_mean", "<f4"),  # dB relative to a full-scale sine
    ]
)
Buckets: TypeAlias = NDArray[np.void]
"""`[n_buckets]` of `BUCKET`, by time."""


class DamagedBucketsError(ValueError):
    """Bytes that `pack` did not give."""


class Decision(NamedTuple):
    """What the history keeps of a score; `time` in seconds since 1970, `evidence` NaN where there is none."""

    time: float
    score: float
    evidence: float
    level_dbfs: float


def make_buckets(decisions: Iterable[Decision]) -> Buckets:
    """Buckets of one second."""
    rows = [(int(np.floor(each.time)), 1, each.score, each.score, each.evidence, each.level_dbfs) for each in decisions]
    return join_buckets(np.array(rows, BUCKET), 1)


def join_buckets(buckets: Buckets, width_s: int) -> Buckets:
    """Buckets of `width_s`, each from all given ones that begin in it; the order of the given ones has no effect."""
    if not len(buckets):
        return buckets
    begins = buckets["time"] // width_s * width_s
    order = np.argsort(begins, kind="stable")
    begins, buckets = begins[order], buckets[order]
    starts = np.flatnonzero(np.concatenate(([True], begins[1:] != begins[:-1])))
    joined = np.zeros(len(starts), BUCKET)
    n = np.add.reduceat(buckets["n"].astype(np.int64), starts)
    joined["time"], joined["n"] = begins[starts], n
    for name in ("score_mean", "level_mean"):
        joined[name] = np.add.reduceat(buckets[name].astype(np.float64) * buckets["n"], starts) / n
    joined["score_max"] = np.maximum.reduceat(buckets["score_max"], starts)
    joined["evidence_max"] = np.fmax.reduceat(buckets["evidence_max"], starts)
    return joined


def pack(buckets: Buckets) -> bytes:
    """The buckets as compressed bytes: first the lowest byte of every time, last the highest of every level, which compresses best."""
    return zlib.compress(buckets.view(np.uint8).reshape(len(buckets), BUCKET.itemsize).T.tobytes())


def unpack(packed: Sequence[bytes]) -> Buckets:
    """All buckets of what `pack` gave, one after the other.

    Raises:
        DamagedBucketsError: Other bytes.
    """
    try:
        parts = [np.frombuffer(zlib.decompress(each), np.uint8).reshape(BUCKET.itemsize, -1).T for each in packed]
    except (zlib.error, ValueError) as error:
        raise DamagedBucketsError(str(error)) from error
    return np.ascontiguousarray(np.concatenate([np.empty((0, BUCKET.itemsize), np.uint8), *parts])).view(BUCKET).reshape(-1)
