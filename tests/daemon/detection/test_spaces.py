"""The distance of a clip from a space."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from aegan_monitor.detection.spaces import Space, take_smallest

N, K = 6, 4


def make_space(seed: int, n_rows: int, scale: float = 1.0, has_residual: bool = True) -> Space:
    """A random space of `n_rows`; its map keeps K of N dimensions."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 2, N)
    components = np.linalg.qr(rng.normal(size=(N, K)))[0]
    arrays = (
        scale * rng.normal(size=N),
        weights[:, None] * components,
        scale * rng.normal(size=(n_rows, K)),
        rng.uniform(0.5, 2, n_rows),
        weights * has_residual,
    )
    return Space(*(array.astype(np.float32) for array in arrays))


@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(1, 30), n_vectors=st.integers(1, 9), has_residual=st.booleans())
def test_a_distance_is_what_a_plain_search_finds(seed: int, n_rows: int, n_vectors: int, has_residual: bool) -> None:
    """The mean of the two smallest distances, each over the row's density, together with what the map leaves out."""
    space = make_space(seed, n_rows, has_residual=has_residual)
    vectors = np.random.default_rng(seed + 1).normal(size=(n_vectors, N)) * 3
    centred = vectors - space.centre
    inside = centred @ space.transform.astype(np.float64)
    whole = (centred * space.residual) ** 2
    left_out = np.maximum(0, whole.sum(axis=1) - (inside**2).sum(axis=1))[:, None]
    lengths = np.sqrt(cdist(inside, space.rows) ** 2 + left_out) / space.density
    expected = np.sort(lengths, axis=1)[:, :2].mean(axis=1)
    np.testing.assert_allclose(space.distances(vectors), expected, rtol=1e-3, atol=1e-3)
    assert space.measure(vectors) == pytest.approx(np.quantile(expected, 0.9), rel=1e-3, abs=1e-3)


@given(seed=st.integers(0, 2**32 - 1), n_values=st.integers(1, 9), n=st.integers(1, 3))
def test_the_smallest_are_those_of_a_sort(seed: int, n_values: int, n: int) -> None:
    """Ascending, equal ones as often as they occur."""
    values = np.random.default_rng(seed).integers(0, 4, (5, n_values)).astype(np.float32)
    n = min(n, n_values)

    expected = np.sort(values, axis=1)[:, :n]

    np.testing.assert_array_equal(take_smallest(values, n), expected)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.integers(1, 5),
    scale=st.sampled_from([0.0, 1e-12, 1.0, 1e6]),
    vector_scale=st.sampled_from([0.0, 1e-12, 1.0, 1e6]),
    is_a_row=st.booleans(),
    has_residual=st.booleans(),
)
def test_a_distance_is_a_number(seed: int, n_rows: int, scale: float, vector_scale: float, is_a_row: bool, has_residual: bool) -> None:
    """No distance is NaN, infinite or negative: rounding must not take the root of less than nothing."""
    space = make_space(seed, n_rows, scale, has_residual)
    vectors = vector_scale * np.random.default_rng(seed).normal(size=(3, N))
    if is_a_row:
        vectors[0] = space.centre + np.linalg.pinv(space.transform.T.astype(np.float64)) @ space.rows[0]
    found = space.distances(vectors)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_one_strange_window_in_ten_suffices() -> None:
    """A clip is as far as its farthest tenth: fewer strange windows do not count, more do."""
    space = make_space(0, 5)
    vectors = np.tile(space.centre.astype(np.float64), (20, 1))
    normal = space.measure(vectors)
    vectors[:1] += 100
    assert space.measure(vectors) == pytest.approx(normal, rel=1e-5)
    vectors[:3] += 100
    assert space.measure(vectors) > 10 * normal
