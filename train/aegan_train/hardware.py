"""What a training asks of the processor that it runs on; no number depends on it by more than rounding."""

import ctypes

import torch

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h of the GNU C library
TOP_PAD_BYTES = 64 << 20


def prepare(device: torch.device) -> None:
    """Set up `device` for one training: fast convolutions on a GPU, memory that stays with the process on a CPU."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, as PyTorch's convolutions use by themselves
        torch.backends.cudnn.benchmark = True  # one shape of batch, thousands of times
    else:
        keep_freed_memory()


def keep_freed_memory() -> bool:
    """Have malloc keep what is freed, where it is the GNU C library's; False elsewhere.

    A step frees and asks for the same megabytes some hundred times; given back and fetched again page by page, they cost a tenth of
    its time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, 2**31 - 1), mallopt(M_TOP_PAD, TOP_PAD_BYTES)])
