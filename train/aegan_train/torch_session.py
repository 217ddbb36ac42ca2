"""The pipeline's Session in PyTorch, and the error formulas that it shares with the exported graphs."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from aegan_monitor.detection.network import GRAPHS, MAX_BATCH, Graph, empty_outputs
from aegan_monitor.types import FloatArray, SegmentOutputs
from aegan_train.networks.aegan import Discriminator, Generator


def latent_errors(z: Tensor, z_recon: Tensor) -> Tensor:
    """`[n, 3]`: squared, absolute and cosine difference of two latents `[n, nz]`.

    1 - cosine similarity is computed as half the squared distance of the unit vectors, which avoids cancellation.
    """
    difference = z - z_recon
    turned = normalize(z) - normalize(z_recon)
    return torch.stack([(difference**2).sum(1), difference.abs().sum(1), 0.5 * (turned**2).sum(1)], dim=1)


def picture_errors(x: Tensor, recon: Tensor) -> Tensor:
    """`[n, 2]`: squared and absolute difference of two pictures `[n, 1, h, w]`, summed over the picture."""
    difference = (x - recon).flatten(1)
    return torch.stack([(difference**2).sum(1), difference.abs().sum(1)], dim=1)


class TorchSession:
    """A Session on PyTorch modules, for training, calibration and evaluation; it computes only the outputs of `graphs`."""

    def __init__(self, generator: Generator, discriminator: Discriminator, device: torch.device, graphs: Iterable[Graph] = GRAPHS) -> None:
        self._generator = generator.eval()
        self._discriminator = discriminator.eval()
        self._device = device
        self._graphs = frozenset(graphs)

    @torch.inference_mode()
    def infer(self, segments: FloatArray) -> SegmentOutputs:
        """See aegan_monitor.detection.network.Session."""
        parts = []
        for batch in torch.from_numpy(np.ascontiguousarray(segments)).split(MAX_BATCH):
            found = {name: output.cpu().numpy() for name, output in self._compute(batch.to(self._device)).items()}
            parts.append(SegmentOutputs(**{**empty_outputs(len(batch)), **found}))
        return SegmentOutputs.join(parts)

    def _compute(self, x: Tensor) -> dict[str, Tensor]:
        """The fields of SegmentOutputs that the graphs give."""
        found = {}
        if "embedding" in self._graphs:
            found["embedding"] = self._discriminator.embed(x)
        if self._graphs.isdisjoint(("encoder", "generator")):
            return found
        z = self._generator.Encoder(x)
        if "encoder" in self._graphs:
            found["z"] = z.flatten(1)
        if "generator" in self._graphs:
            recon = self._generator.Decoder(z)
            z_recon = self._generator.Encoder(recon)
            found["z_errors"], found["x_errors"] = latent_errors(z.flatten(1), z_recon.flatten(1)), picture_errors(x, recon)
        return found
