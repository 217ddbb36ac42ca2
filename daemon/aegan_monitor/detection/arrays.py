"""Reads named arrays of a `.npz` file without pickles."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_DAMAGE = (  # errors of NumPy and zipfile for damaged files
    *(OSError, EOFError, ValueError, TypeError, AttributeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


def load_arrays(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """The arrays `names` of the file, all of floating-point numbers.

    Raises:
        ValueError: The file is damaged, lacks an array, or has one of another type.
        OSError, MemoryError: The file cannot be read now.
    """
    content = io.BytesIO(path.read_bytes())
    try:
        with np.load(content, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names if name in arrays}
    except _DAMAGE as error:
        reason = str(error).partition("\n")[0] or "nothing in it"
        raise ValueError(f"{path}: cannot be read as arrays ({type(error).__name__}: {reason})") from error
    lacking = [name for name in names if name not in found]
    if lacking:
        raise ValueError(f"{path}: array missing: {lacking[0]}")
    for name, array in found.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"{path}: {name}: expected floating-point numbers, found {array.dtype}")
    return found
