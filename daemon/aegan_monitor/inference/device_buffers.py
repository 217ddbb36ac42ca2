"""Input and outputs of a graph in buffers on a device, for batches of one size.

A captured CUDA graph reads and writes fixed addresses and has fixed shapes, so smaller batches are filled up. Nothing of this has been
measured on a GPU.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aegan_monitor.types import FloatArray


class DeviceBuffers:
    """The bound buffers of one session of ONNX Runtime."""

    def __init__(self, runtime: Any, session: Any, names: Sequence[str], shape: tuple[int, ...], device: str) -> None:
        """Bind the input `segments`, float32 of `shape`, and the outputs `names`, and run once: a first run chooses algorithms."""
        self._session, self._batch = session, np.zeros(shape, np.float32)
        self._input = runtime.OrtValue.ortvalue_from_numpy(self._batch, device, 0)
        shapes = {each.name: (shape[0], *each.shape[1:]) for each in session.get_outputs()}
        self._outputs = [runtime.OrtValue.ortvalue_from_shape_and_type(shapes[name], np.float32, device, 0) for name in names]
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input("segments", self._input)
        for name, value in zip(names, self._outputs, strict=True):
            self._binding.bind_ortvalue_output(name, value)
        self.run(self._batch)

    def run(self, batch: FloatArray) -> list[FloatArray]:
        """The outputs for at most as many segments as the buffers hold."""
        self._batch[: len(batch)] = batch
        self._input.update_inplace(self._batch)
        self._session.run_with_iobinding(self._binding)
        return [np.array(value.numpy()[: len(batch)]) for value in self._outputs]
