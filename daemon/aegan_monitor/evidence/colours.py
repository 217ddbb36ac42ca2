"""The two scales of colours of a picture: of levels, and of differences."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.types import DoubleArray, FloatArray

Scale: TypeAlias = tuple[tuple[int, int, int], ...]

# Red, green and blue at even steps. The first gets lighter all the time. The second is light in the middle and dark at both ends.
LEVEL: Scale = ((6, 8, 28), (44, 22, 92), (112, 32, 118), (182, 54, 98), (232, 104, 64), (250, 172, 72), (252, 238, 176))
DIFFERENCE: Scale = ((16, 60, 140), (76, 132, 198), (168, 202, 230), (246, 246, 246), (246, 190, 160), (218, 104, 78), (150, 18, 34))


def paint(values: FloatArray | DoubleArray, low: float, high: float, scale: Scale) -> NDArray[np.uint8]:
    """Colours `[n_rows, n_columns, 3]` of values; those outside `low` to `high` have the colour of the end."""
    steps = np.linspace(0, 1, len(scale))
    table = np.stack([np.interp(np.linspace(0, 1, 256), steps, channel) for channel in zip(*scale, strict=True)], axis=1)
    places = (np.clip((values - low) / (high - low), 0, 1) * 255).round().astype(np.intp)
    return table.round().astype(np.uint8)[places]
