"""Memory that is free in this process, for others; and none that is torn to pieces, over months."""

import contextlib
import ctypes

M_MMAP_THRESHOLD = -3  # mallopt(3)
LARGE_BYTES = 128 * 1024


def keep_memory_whole() -> None:
    """Give each large array pages of its own, where the C library knows how: they go back when it does.

    glibc does so at first, but raises its threshold when one is freed; arrays of a decision then share the heap with
    small things that stay, and what lies between these is lost.
    """
    with contextlib.suppress(AttributeError, OSError):  # musl has no such function
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def give_back_memory() -> None:
    """Return free memory to the system, where the C library knows how; twenty reloads would else leave four times what is in use."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
