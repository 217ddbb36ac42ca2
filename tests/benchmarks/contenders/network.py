"""One contender of `infer.py`: NAME FOLDER N_THREADS; a turn is a workload, a number of segments a batch, and seconds."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[2]))

from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from aegan_monitor.detection.network import GRAPH_OUTPUTS, Graph
from aegan_monitor.detection.record import FileRecord
from aegan_monitor.inference.open import offered, open_session
from aegan_monitor.types import FloatArray
from benchmarks.contenders.turns import Turn, serve, time_work

SEGMENT = (1, 128, 128)
WORKLOADS: dict[str, tuple[Graph, ...]] = {"all 19 scores": ("embedding", "generator"), "embedding only": ("embedding",)}
WEIGHTS, EXPECTED = "networks.pt", "expected.npz"  # in FOLDER, beside the graphs; written by `infer.py`
REFERENCE = "reference, eager PyTorch"
PEAKS = {"matrix product fp32": "float32", "matrix product bf16": "bfloat16"}
PEAK_SIZE = 2048  # of square matrices
Infer = Callable[[FloatArray], Mapping[str, FloatArray]]


def find_bundle(folder: Path) -> Bundle:
    """The graphs in `folder` as a bundle; everything else is the demo's, and no network reads it."""
    demo = load_bundle(demo_bundle())
    graphs = {path.name: FileRecord(sha256="", n_bytes=path.stat().st_size) for path in folder.glob("*.onnx")}
    return replace(demo, folder=folder, record=demo.record.model_copy(update={"files": graphs}))


def open_reference(folder: Path, graphs: tuple[Graph, ...], n_threads: int) -> Infer:
    """The reference procedure in eager PyTorch: the encoder, the decoder, the encoder again, and the critic's embedding."""
    import torch  # only this contender may have it in its process

    from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters
    from aegan_train.torch_session import latent_errors, picture_errors

    torch.set_num_threads(n_threads)
    states = torch.load(folder / WEIGHTS, weights_only=True)
    g, d = Generator(NetworkParameters()).eval(), Discriminator(NetworkParameters()).eval()
    g.load_state_dict(states["netG"])
    d.load_state_dict(states["netD"])

    @torch.inference_mode()
    def infer(segments: FloatArray) -> dict[str, FloatArray]:
        x = torch.from_numpy(segments)
        found = {"embedding": d(x)[1]}
        if "generator" in graphs:
            z = g.Encoder(x)
            recon = g.Decoder(z)
            found |= {"z_errors": latent_errors(z.flatten(1), g.Encoder(recon).flatten(1)), "x_errors": picture_errors(x, recon)}
        return {name: tensor.numpy() for name, tensor in found.items()}

    return infer


def open_peak(kind: str, n_threads: int) -> Infer:
    """A product of two large matrices in the type `kind`: what this computer can do at most."""
    import torch

    torch.set_num_threads(n_threads)
    one, other = (torch.rand(PEAK_SIZE, PEAK_SIZE).to(getattr(torch, kind)) for _ in range(2))

    def infer(_: FloatArray) -> dict[str, FloatArray]:
        torch.mm(one, other)
        return {}

    return infer


def open_runtime(name: str, folder: Path, graphs: tuple[Graph, ...], n_threads: int) -> Infer:
    """The graphs as the daemon runs them, with the provider and precision `name`."""
    bundle = find_bundle(folder)
    (choice,) = (each for each in offered(bundle, graphs) if str(each) == name)
    session = open_session(bundle, graphs, choice, n_threads=n_threads)
    names = [name for graph in graphs for name in GRAPH_OUTPUTS[graph]]

    def infer(segments: FloatArray) -> dict[str, FloatArray]:
        outputs = session.infer(segments)
        return {name: getattr(outputs, name) for name in names}

    return infer


def open_contender(name: str, folder: Path, graphs: tuple[Graph, ...], n_threads: int) -> Infer:
    """What the name says."""
    if name == REFERENCE:
        return open_reference(folder, graphs, n_threads)
    return open_peak(PEAKS[name], n_threads) if name in PEAKS else open_runtime(name, folder, graphs, n_threads)


def find_deviation(folder: Path, infer: Infer) -> float:
    """Largest deviation of any output from that of the independent plain networks, relative to the output's largest value."""
    with np.load(folder / EXPECTED) as expected:
        found = infer(expected["segments"])
        return max((float(np.abs(found[name] - expected[name]).max() / np.abs(expected[name]).max()) for name in found), default=0.0)


def main() -> None:
    """Serve turns."""
    name, folder, n_threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    opened = {workload: open_contender(name, folder, graphs, n_threads) for workload, graphs in WORKLOADS.items()}

    def turn(workload: str, batch: int, seconds: float) -> Turn:
        segments = np.random.default_rng(0).uniform(-1, 1, (batch, *SEGMENT)).astype(np.float32)
        infer = opened[workload]
        infer(segments)  # the caches belong to another contender
        return time_work(lambda: infer(segments), seconds)

    serve(turn, deviation=max(find_deviation(folder, infer) for infer in opened.values()))


if __name__ == "__main__":
    main()
