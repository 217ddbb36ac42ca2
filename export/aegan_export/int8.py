"""Graphs in 8-bit integers, for processors with instructions for them (VNNI): static quantisation of the convolutions.

Scales are the largest values on real segments, one for each layer's input and output and one for each output channel of a kernel.
Norms, activations, errors, and the convolutions of a single channel stay in float32. The weights are inside of the graph files.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx

from aegan_export.convolutions import make_convolution_modules
from aegan_export.graph import export_module, graph_outputs, remove_traces
from aegan_monitor.detection.network import GRAPHS, INT8, MAX_BATCH, Graph
from aegan_monitor.files import write_whole
from aegan_monitor.inference.onnx_runtime import import_runtime
from aegan_monitor.types import FloatArray
from aegan_train.networks.aegan import Discriminator, Generator


class Batches:
    """Segments, float32 `[n, 1, n_bands, segment_frames]`, as the quantiser reads them."""

    def __init__(self, segments: FloatArray) -> None:
        batches = (segments[i : i + MAX_BATCH] for i in range(0, len(segments), MAX_BATCH))
        self._inputs = iter([{"segments": batch} for batch in batches])

    def get_next(self) -> dict[str, FloatArray] | None:
        """The next batch, or None after the last."""
        return next(self._inputs, None)


def write_int8_graphs(
    generator: Generator, discriminator: Discriminator, folder: Path, segments: FloatArray, graphs: Iterable[Graph] = GRAPHS
) -> None:
    """Write `graphs` in 8-bit integers into `folder`, calibrated on `segments`.

    They have no transposed convolutions, which the runtime does not have in integers.
    """
    modules = make_convolution_modules(generator, discriminator)
    import_runtime()  # before its parts: it switches telemetry off
    from onnxruntime import quantization  # noqa: PLC0415
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    for graph in graphs:
        model = export_module(modules[graph], graph_outputs(graph), segments.shape[1:])
        remove_traces(model)
        with tempfile.TemporaryDirectory() as name:
            exported, constant, quantised = (Path(name) / f"{step}.onnx" for step in ("exported", "constant", "quantised"))
            exported.write_bytes(model.SerializeToString())
            quant_pre_process(exported, constant, skip_symbolic_shape=True)  # computes the kernels, which the quantiser needs as constants
            quantization.quantize_static(
                constant,
                quantised,
                Batches(segments),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=list_single_channel(onnx.load(constant)),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
            write_whole(folder / f"{graph}.{INT8}.onnx", quantised.read_bytes())


def list_single_channel(model: Any) -> list[str]:
    """Names of the convolutions whose kernel has one input channel."""
    single = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[1] == 1}
    return [node.name for node in model.graph.node if node.op_type == "Conv" and node.input[1] in single]
