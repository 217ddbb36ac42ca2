"""Graphs in 8-bit integers: near to PyTorch, small, and written on request alone."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from aegan_export.bundle import export_bundle
from aegan_export.graph import make_modules, write_graphs
from aegan_export.int8 import write_int8_graphs
from aegan_export.parity import check_parity
from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.network import GRAPHS, Graph
from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters

SEGMENTS = np.random.default_rng(0).uniform(-1, 1, (5, 1, 128, 128)).astype(np.float32)


def test_8_bit_graphs_are_near_to_pytorch(tmp_path: Path) -> None:
    """All convolutions but the first, of one channel, are in 8 bits; the embedding differs by a few percent at most."""
    torch.manual_seed(0)
    parameters = NetworkParameters(ndf=4, nz=8)
    generator, discriminator = Generator(parameters), Discriminator(parameters)
    plain: dict[Graph, nn.Module] = {"embedding": make_modules(generator, discriminator)["embedding"]}
    write_int8_graphs(generator, discriminator, tmp_path, SEGMENTS, ["embedding"])
    model = onnx.load(tmp_path / "embedding.int8.onnx")
    kinds = [tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4]
    assert sorted(kinds) == sorted([onnx.TensorProto.FLOAT, *[onnx.TensorProto.INT8] * 4])
    write_graphs(plain, tmp_path, (1, 128, 128), "fp32")
    deviations = {each.file: each.deviation for each in check_parity(plain, tmp_path, SEGMENTS)}
    assert deviations["embedding.onnx"] < 1e-5 < deviations["embedding.int8.onnx"] < 0.06


@pytest.mark.full
def test_8_bit_graphs_are_part_of_the_bundle_on_request(run_folder: Path, tmp_path: Path) -> None:
    """With int8 a bundle lists and verifies its graphs in 8 bits, for each graph one; their content has no path of this machine."""
    parity, _, _ = export_bundle(run_folder, tmp_path / "bundle", int8=True)
    files = {f"{graph}.int8.onnx" for graph in GRAPHS}
    assert files <= set(load_bundle(tmp_path / "bundle").record.files)
    assert files <= {each.file for each in parity}
    for name in files:
        content = (tmp_path / "bundle" / name).read_bytes()
        assert b"site-packages" not in content
        assert b'File "' not in content
