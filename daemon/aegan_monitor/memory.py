"""Memory that is free in this process, for others: after a golden check glibc would keep what it needed."""

import contextlib
import ctypes


def give_back_memory() -> None:
    """Return free memory to the system, where the C library knows how; twenty reloads would else leave four times what is in use."""
    with contextlib.suppress(AttributeError, OSError):  # musl has no such function
        ctypes.CDLL(None).malloc_trim(0)
