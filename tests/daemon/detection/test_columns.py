"""The latest columns of a stream."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.detection.columns import Columns

N_ROWS = 2


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_columns_are_those_of_an_array_that_is_joined_and_cut(steps: list[tuple[int, int]]) -> None:
    """Whatever is added and forgotten."""
    columns, expected = Columns(N_ROWS), np.zeros((N_ROWS, 0), np.float32)
    for number, (n_new, n_old) in enumerate(steps):
        new = np.arange(N_ROWS * n_new, dtype=np.float32).reshape(N_ROWS, n_new) + 1000 * number
        columns.append(new)
        expected = np.concatenate([expected, new], axis=1)
        n_forgotten = min(n_old, len(columns))
        columns.forget(n_forgotten)
        expected = expected[:, n_forgotten:]

        assert len(columns) == expected.shape[1]
        np.testing.assert_array_equal(columns.values, expected)


def test_memory_does_not_grow() -> None:
    """A window of 100 columns takes a quarter more than their memory, however long the stream is."""
    columns = Columns(N_ROWS)
    for _ in range(1000):
        columns.append(np.zeros((N_ROWS, 8), np.float32))
        columns.forget(max(0, len(columns) - 100))

    assert columns._storage.shape[1] <= 1.25 * 108
