"""Makes one thread of another process hang, and no other: `python hang.py TID`, until that process is gone. Needs root."""

import ctypes
import os
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207  # linux/ptrace.h
WALL = 0x40000000  # also threads that are no children


def hang(thread: int) -> None:
    """Stop the thread, and wait until its process has ended."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    print("hangs", flush=True)
    status = 0x7F
    while status & 0xFF == 0x7F:  # stopped
        _, status = os.waitpid(thread, WALL)


if __name__ == "__main__":
    hang(int(sys.argv[1]))
