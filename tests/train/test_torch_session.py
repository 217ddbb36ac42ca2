"""The Session in PyTorch."""

import numpy as np
import pytest
import torch

from aegan_monitor.detection.network import GRAPH_OUTPUTS, GRAPHS, Graph
from aegan_monitor.types import SegmentOutputs
from aegan_train.config import load_config
from aegan_train.networks.aegan import Discriminator, Generator
from aegan_train.torch_session import TorchSession


@pytest.mark.parametrize("graphs", [("embedding",), ("encoder",), ("generator",), ("embedding", "generator"), ()])
def test_a_part_of_the_network_says_what_the_whole_says(graphs: tuple[Graph, ...]) -> None:
    """A session with some graphs gives the same outputs bit for bit, and empty ones for the others."""
    torch.manual_seed(0)
    parameters = load_config("tiny", None).network
    networks = Generator(parameters), Discriminator(parameters), torch.device("cpu")
    segments = np.random.default_rng(0).uniform(-1, 1, (18, 1, 128, 128)).astype(np.float32)  # more than one batch
    whole, part = TorchSession(*networks).infer(segments), TorchSession(*networks, graphs).infer(segments)
    given = {name for graph in graphs for name in GRAPH_OUTPUTS[graph]}
    for name in SegmentOutputs.FIELDS:
        found = getattr(part, name)
        assert len(found) == len(segments)
        assert np.array_equal(found, getattr(whole, name)) if name in given else found.shape[1] == 0
    assert {name for graph in GRAPHS for name in GRAPH_OUTPUTS[graph]} == set(SegmentOutputs.FIELDS)
