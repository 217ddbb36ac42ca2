"""What training sets up once."""

import platform
import resource

import numpy as np
import pytest

from aegan_train.hardware import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_used_again() -> None:
    """Sixteen megabytes, freed and asked for again, come without a page from the system."""
    assert keep_freed_memory()
    np.ones(2_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(2_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 1000  # of 39,000
