"""Imitates the content of an unsynced file after a power cut."""

import random

import numpy as np

SECTOR_BYTES = 512


def mix(old: bytes, new: bytes, rng: random.Random) -> bytes:
    """A disk after a power cut while `new` was written over `old`: any sectors in any order, and any size."""
    n_bytes = -(-max(len(old), len(new)) // SECTOR_BYTES) * SECTOR_BYTES
    sectors = [np.frombuffer(content.ljust(n_bytes, b"\0"), np.uint8).reshape(-1, SECTOR_BYTES) for content in (old, new)]
    written = rng.random()
    mask = [[rng.random() < written] for _ in range(n_bytes // SECTOR_BYTES)]
    mixed = np.where(mask, sectors[1], sectors[0]).tobytes()
    least, most = sorted([len(old), len(new)])
    return mixed[: rng.choice([least, most, rng.randrange(least, most + 1), rng.randrange(least, n_bytes + 1)])]
