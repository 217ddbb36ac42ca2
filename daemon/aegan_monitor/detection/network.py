"""What the pipeline needs of a network: its graphs, their outputs, and the protocol of a session."""

from typing import Literal, Protocol

import numpy as np

from aegan_monitor.types import FloatArray, SegmentOutputs

Graph = Literal["encoder", "embedding", "generator"]
GRAPHS: tuple[Graph, ...] = ("encoder", "embedding", "generator")
GRAPH_OUTPUTS: dict[Graph, tuple[str, ...]] = {
    "encoder": ("z",),
    "embedding": ("embedding",),
    "generator": ("z_errors", "x_errors"),  # and "recon" in `reconstruct`
}
INT8 = "int8"  # ending of the optional graph files in 8-bit integers
MAX_BATCH = 16  # larger ones are no faster on a CPU


class Session(Protocol):
    """A network."""

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        """The outputs for float32 segments `[n, 1, n_bands, segment_frames]`; fields that no score needs are empty."""


def empty_outputs(n: int) -> dict[str, FloatArray]:
    """Every field of SegmentOutputs, `[n, 0]`."""
    return {name: np.zeros((n, 0), np.float32) for name in SegmentOutputs.FIELDS}
