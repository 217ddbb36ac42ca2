"""Exports the ONNX graphs of a bundle, which share one weights file."""

import hashlib
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from aegan_monitor.detection.bundle import WEIGHTS
from aegan_monitor.detection.network import GRAPH_OUTPUTS, Graph
from aegan_monitor.files import write_whole
from aegan_train.networks.aegan import Discriminator, Generator
from aegan_train.torch_session import latent_errors, picture_errors

OPSET = 20
LARGEST_BATCH = 512
LEAST_SHARED_BYTES = 1024  # smaller constants stay in their graph
ALIGNMENT_BYTES = 4096  # allows a runtime to map the file
RECON = "recon"


class EncoderGraph(nn.Module):
    """segments to z `[n, nz]`."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.encoder = generator.Encoder

    def forward(self, segments: Tensor) -> Tensor:
        """The latent z."""
        z: Tensor = self.encoder(segments)
        return z.flatten(1)


class EmbeddingGraph(nn.Module):
    """segments to the discriminator's embedding `[n, n_embedding]`."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, segments: Tensor) -> Tensor:
        """The embedding f(x)."""
        return self.discriminator.embed(segments)


class GeneratorGraph(nn.Module):
    """segments to z errors `[n, 3]`, x errors `[n, 2]` and recon."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z errors, x errors and G(x)."""
        z = self.generator.Encoder(segments)
        recon = self.generator.Decoder(z)
        z_recon = self.generator.Encoder(recon)
        return latent_errors(z.flatten(1), z_recon.flatten(1)), picture_errors(segments, recon), recon


def make_modules(generator: Generator, discriminator: Discriminator) -> dict[Graph, nn.Module]:
    """Each graph as a module, ready for export."""
    return {
        "encoder": EncoderGraph(generator).eval(),
        "embedding": EmbeddingGraph(discriminator).eval(),
        "generator": GeneratorGraph(generator).eval(),
    }


def graph_outputs(graph: Graph) -> tuple[str, ...]:
    """Names of a graph's outputs, `recon` among them."""
    return (*GRAPH_OUTPUTS[graph], RECON) if graph == "generator" else GRAPH_OUTPUTS[graph]


def export_module(module: nn.Module, output_names: tuple[str, ...], segment_shape: tuple[int, int, int]) -> onnx.ModelProto:
    """One module as an ONNX model with a free batch dimension, weights inside."""
    example = torch.zeros(2, *segment_shape)
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    chatter = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in chatter]
    for logger in chatter:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the exporter; the parity check decides
            program: Any = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["segments"],
                output_names=list(output_names),
                dynamic_shapes=({0: batch},),
                external_data=False,
                verbose=False,
            )
    finally:
        for logger, level in zip(chatter, levels, strict=True):
            logger.setLevel(level)
    model: onnx.ModelProto = program.model_proto
    return model


def remove_traces(model: onnx.ModelProto) -> None:
    """Remove stack traces of the machine that exports."""
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]


class WeightsFile:
    """The shared weights file: collects large constants of several graphs and stores equal ones once.

    With `precision` fp16 they are stored as float16 and cast in the graph, which is lossless for weights rounded to float16.
    """

    def __init__(self, precision: str) -> None:
        self._half = precision == "fp16"
        self.content = bytearray()
        self._place_of: dict[bytes, tuple[int, int]] = {}

    def move_out(self, model: onnx.ModelProto) -> None:
        """Replace the large initialisers of `model` by references into this file."""
        casts = []
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.nbytes < LEAST_SHARED_BYTES:
                continue
            name = tensor.name
            if self._half and values.dtype == np.float32:
                half = values.astype(np.float16)
                if not np.array_equal(half.astype(np.float32), values):
                    raise ValueError(f"{name}: weights are not rounded to fp16")
                values = half
                casts.append(helper.make_node("Cast", [f"{name}.fp16"], [name], name=f"cast.{name}", to=TensorProto.FLOAT))
                name = f"{name}.fp16"
            self._refer(tensor, name, values)
        for place, cast in enumerate(casts):
            model.graph.node.insert(place, cast)

    def _refer(self, tensor: TensorProto, name: str, values: "np.ndarray[Any, Any]") -> None:
        raw = np.ascontiguousarray(values).tobytes()
        offset, length = self._place_of.setdefault(
            hashlib.sha256(raw).digest(), (-(-len(self.content) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES, len(raw))
        )
        if offset >= len(self.content):
            self.content.extend(bytes(offset - len(self.content)) + raw)
        shape, kind = values.shape, helper.np_dtype_to_tensor_dtype(values.dtype)
        tensor.Clear()
        tensor.name, tensor.data_type = name, kind
        tensor.dims.extend(shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS), ("offset", str(offset)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)


def write_graphs(modules: dict[Graph, nn.Module], folder: Path, segment_shape: tuple[int, int, int], precision: str) -> None:
    """Write every graph and the weights that they share into `folder`."""
    weights = WeightsFile(precision)
    for graph, module in modules.items():
        model = export_module(module, graph_outputs(graph), segment_shape)
        remove_traces(model)
        onnx.checker.check_model(model)
        weights.move_out(model)
        write_whole(folder / f"{graph}.onnx", model.SerializeToString(deterministic=True))
    write_whole(folder / WEIGHTS, bytes(weights.content))
