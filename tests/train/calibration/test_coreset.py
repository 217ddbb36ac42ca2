"""The coreset: a given number of rows represents all clips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.detection.reference import NearestRows
from aegan_train.calibration.coreset import group_clips, mean_of_groups
from aegan_train.calibration.statistics import ClipStatistics, fit_reference
from fakes import make_bands, stack_means

EMPTY = np.zeros((1, 1), np.float32)
N_EMBEDDING = 8
ARRAYS_OF_CLIPS = ("embedding_clips", "baseline_clips", "lof_distance", "lof_density")


def make_clips(n_clips: int, seed: int = 0) -> ClipStatistics:
    """Random clips without copies with other backgrounds."""
    embeddings, bands = np.random.default_rng(seed).normal(size=(n_clips, N_EMBEDDING)), make_bands(n_clips, seed)
    return ClipStatistics(embeddings, bands, embeddings[:0], stack_means(bands)[:0])


@given(seed=st.integers(0, 2**32 - 1), n_clusters=st.integers(1, 9))
def test_each_cluster_is_a_group(seed: int, n_clusters: int) -> None:
    """Each cluster forms a group, however few clips it has."""
    rng = np.random.default_rng(seed)
    centres = 100 * np.eye(9)[:n_clusters]
    clusters = np.concatenate([np.arange(n_clusters), rng.choice(n_clusters, 40, p=rng.dirichlet(np.ones(n_clusters)))])
    points = centres[clusters] + rng.uniform(-1, 1, size=(len(clusters), 9))
    groups = group_clips([points], [np.eye(9)], n_clusters)
    assert len({*zip(clusters.tolist(), groups.tolist(), strict=True)}) == n_clusters
    means = mean_of_groups(points, groups)
    assert sorted(np.argmax(means, axis=1)) == list(range(n_clusters))
    np.testing.assert_allclose(means[groups[0]], points[clusters == 0].mean(axis=0))


@given(seed=st.integers(0, 2**32 - 1), max_groups=st.integers(1, 70))
def test_there_are_as_many_groups_as_asked_for(seed: int, max_groups: int) -> None:
    """The number of groups is exact, also with equal clips; with fewer clips each is its own group."""
    points = np.random.default_rng(seed).integers(0, 2, size=(50, 3)).astype(float)
    groups = group_clips([points], [np.eye(3)], max_groups)
    assert {*groups.tolist()} == {*range(min(50, max_groups))}
    if max_groups >= 50:
        np.testing.assert_array_equal(mean_of_groups(points, groups), points)


def test_each_space_counts_alike() -> None:
    """Groups do not depend on the unit of a space."""
    first, second = np.random.default_rng(1).normal(size=(2, 200, 5))
    plain = group_clips([first, second], [np.eye(5), np.eye(5)], 20)
    assert plain.tolist() == group_clips([first, 1024 * second], [np.eye(5), np.eye(5)], 20).tolist()
    assert plain.tolist() != group_clips([first], [np.eye(5)], 20).tolist()


@pytest.mark.parametrize("n_clips", [100, 1000])
def test_a_decision_costs_the_same_whatever_was_recorded(n_clips: int) -> None:
    """The arrays of a decision have one size for any number of clips; means and spreads cover all clips."""
    clips = make_clips(n_clips)
    reference, _ = fit_reference(clips, EMPTY, EMPTY, max_rows=32)
    assert {len(getattr(reference, name)) for name in ARRAYS_OF_CLIPS} == {32}
    found = [rows for clips in (reference.clips, *reference.bands) for rows in (clips.directions, clips.standardised, clips.weighted)]
    assert [rows.rows.shape for rows in found] == [(32, N_EMBEDDING)] * 3 + [(32, 128)] * 6
    np.testing.assert_allclose(reference.embedding_mean, clips.embeddings.mean(axis=0))
    np.testing.assert_allclose(reference.baseline_std, stack_means(clips.bands).std(axis=0))


def test_a_row_is_the_mean_of_the_same_clips_in_every_space() -> None:
    """A row averages the same clips in every space."""
    clips = make_clips(200)
    for bands, embedding in zip(clips.bands, clips.embeddings, strict=True):
        bands.mean[0, :N_EMBEDDING] = embedding
    reference, _ = fit_reference(clips, EMPTY, EMPTY, max_rows=16)
    np.testing.assert_allclose(reference.baseline_clips[:, 0, :N_EMBEDDING], reference.embedding_clips)


@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(1, 40), n_nearest=st.integers(1, 5), shift=st.sampled_from([0.0, 1e4]))
def test_nearest_rows_are_those_of_a_plain_search(seed: int, n_rows: int, n_nearest: int, shift: float) -> None:
    """The nearest rows equal those of a plain search, also far from the origin."""
    rng = np.random.default_rng(seed)
    rows, point = rng.normal(size=(n_rows, 6)) + shift, rng.normal(size=6) + shift
    expected = np.sort(np.linalg.norm(rows - point, axis=1))[:n_nearest]
    lengths, places = NearestRows(rows).find(point, n_nearest)
    np.testing.assert_allclose(lengths, expected, rtol=1e-5)
    np.testing.assert_array_equal(lengths, np.linalg.norm(rows[places] - point, axis=1))


def test_a_row_is_at_distance_0_from_itself() -> None:
    """The distance of a row to itself is exactly 0."""
    rows = np.random.default_rng(2).normal(size=(50, 6)) + 1e3
    assert NearestRows(rows).find(rows[7], 1)[0].tolist() == [0.0]
