"""Segments a second of the network on each runtime, beside the reference procedure in eager PyTorch, at paper size with random weights.

.venv/bin/python tests/benchmarks/infer.py [--threads 1 2] [--batches 4 16] [--graphs FOLDER ...]

Each contender has a process of its own, because idle threads of one runtime slow another. They take turns in each round. The medians of
the rounds are printed: of the clock, of the processor's time, and the share of the largest matrix product that this computer does. The
last column is the largest deviation of any output from an independent float64 statement of the networks.
"""

import argparse
import contextlib
import itertools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "oracles")]

from aegan_export.graph import make_modules, write_graphs
from aegan_export.int8 import write_int8_graphs
from aegan_monitor.inference.open import offered
from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters
from aegan_train.torch_session import latent_errors, picture_errors
from benchmarks.contenders.network import EXPECTED, PEAK_SIZE, PEAKS, REFERENCE, SEGMENT, WEIGHTS, WORKLOADS, find_bundle
from benchmarks.contenders.turns import Contender, describe_computer
from plain_networks import decode, discriminate, encode

PACKAGES = ("torch", "onnxruntime", "openvino", "numpy")
N_CHECKED = 3  # segments that are compared
N_CALIBRATED = 16  # segments that give the scales of 8-bit integers


def make_networks() -> tuple[Generator, Discriminator]:
    """Networks of paper size, in which no norm is a mere identity, so that nothing can be left out."""
    torch.manual_seed(0)
    networks = Generator(NetworkParameters()).eval(), Discriminator(NetworkParameters()).eval()
    with torch.no_grad():
        for parameter in (each for network in networks for each in network.parameters() if each.dim() in (1, 3)):
            parameter.add_(0.1 * torch.randn_like(parameter))
    return networks


def write_inputs(folder: Path, generator: Generator, discriminator: Discriminator) -> None:
    """The graphs, the weights for PyTorch, and some segments with what the plain networks make of them."""
    write_graphs(make_modules(generator, discriminator), folder, SEGMENT, "fp32")
    segments = np.random.default_rng(2).uniform(-1, 1, (N_CALIBRATED, *SEGMENT)).astype(np.float32)
    write_int8_graphs(generator, discriminator, folder, segments)
    write_expected(folder, generator, discriminator)


@torch.inference_mode()
def write_expected(folder: Path, generator: Generator, discriminator: Discriminator) -> None:
    """The weights for PyTorch, and some segments with what the plain networks make of them in float64."""
    states = {"netG": generator.state_dict(), "netD": discriminator.state_dict()}
    torch.save(states, folder / WEIGHTS)
    g, d = ({name: tensor.double() for name, tensor in state.items()} for state in states.values())
    x = torch.from_numpy(np.random.default_rng(1).uniform(-1, 1, (N_CHECKED, *SEGMENT)).astype(np.float32))
    z = encode(x.double(), g)
    recon = decode(z, g)
    z_errors, x_errors = latent_errors(z.flatten(1), encode(recon, g).flatten(1)), picture_errors(x.double(), recon)
    np.savez(folder / EXPECTED, segments=x, embedding=discriminate(x.double(), d)[1], z_errors=z_errors, x_errors=x_errors)


def count(network: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, int, int, int]:
    """The output of `network` for one segment, its multiplications in convolutions, and bytes of its weights and its activations."""
    counts = [0, 0]

    def hook(layer: nn.Module, given: tuple[torch.Tensor, ...], found: torch.Tensor) -> None:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            through = given[0] if isinstance(layer, nn.ConvTranspose2d) else found
            counts[0] += through.numel() * layer.weight[0].numel()
        counts[1] += 4 * (given[0].numel() + found.numel())

    hooks = [layer.register_forward_hook(hook) for layer in network.modules() if not list(layer.children())]
    with torch.inference_mode():
        found: torch.Tensor = network(x)
    for each in hooks:
        each.remove()
    return found, counts[0], 4 * sum(each.numel() for each in network.parameters()), counts[1]


def count_work(generator: Generator, discriminator: Discriminator) -> dict[str, tuple[int, int, int]]:
    """Of each workload: multiplications, bytes of weights, bytes of activations that layers read and write, for one segment."""
    x = torch.zeros(1, *SEGMENT)
    z, *encoder = count(generator.Encoder, x)
    _, *decoder = count(generator.Decoder, z)
    embedding = count(nn.Sequential(*discriminator.main, discriminator.feat_extract_layer), x)[1:]
    all_scores = [2 * one + other + third for one, other, third in zip(encoder, decoder, embedding, strict=True)]
    return dict(zip(WORKLOADS, [(all_scores[0], all_scores[1], all_scores[2]), embedding], strict=True))


def measure(contenders: Sequence[Contender], batches: Sequence[int], n_rounds: int, turn_s: float) -> None:
    """All rounds: in each, every contender has one turn a workload and batch, and each product of matrices has one."""
    for _ in range(n_rounds):
        for number, (workload, batch) in enumerate(itertools.product(WORKLOADS, batches)):
            for each in contenders:
                if each.label not in PEAKS or not number:
                    each.take_turn(workload, batch, turn_s)


def print_table(contenders: Sequence[Contender], work: dict[str, tuple[int, int, int]], n_threads: int) -> None:
    """A line a workload, batch and contender; the speed of the arithmetic is that of the processor's time, which others do not disturb."""

    def find_speed(contender: Contender, what: tuple[object, ...], n_products: float) -> float:
        return 2e-9 * n_products * n_threads / contender.find_seconds(what, "processor_s")  # in GFLOP/s

    peaks = {each.label: find_speed(each, what, PEAK_SIZE**3) for each in contenders if each.label in PEAKS for what in each.took}
    print(f"\n{n_threads} threads; " + ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in peaks.items()))
    print(f"{'segments/s, and times the reference':<42}{'clock':>16}{'processor':>16}{'GFLOP/s':>11}{'of fp32':>9}{'deviation':>11}")
    runtimes = [each for each in contenders if each.label not in PEAKS]
    for what in runtimes[0].took:
        workload, batch = str(what[0]), int(str(what[1]))
        n_products, n_weights, n_activations = work[workload]
        n_bytes = n_weights / batch + n_activations
        print(f"{workload}, batches of {batch}: {n_products / 1e6:.0f} MMAC a segment, {2 * n_products / n_bytes:.0f} FLOP a byte")
        for each in runtimes:
            line = f"  {each.label:<40}"
            for of in ("clock_s", "processor_s"):
                took_s, longest_s = (one.find_seconds(what, of) for one in (each, runtimes[0]))
                line += f"{batch / took_s:9.1f}{longest_s / took_s:7.2f}"
            speed = find_speed(each, what, n_products * batch)
            print(f"{line}{speed:11.0f}{100 * speed / next(iter(peaks.values())):8.0f}%{each.ready['deviation']:11.1e}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16], help="4: a decision of one machine; 16: the largest batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turn", type=float, default=0.7, help="seconds")
    parser.add_argument("--only", nargs="+", default=[""], help="runtimes whose name contains one of these")
    parser.add_argument("--graphs", type=Path, nargs="+", default=[], help="more folders with graphs, to compare with those of this code")
    parser.add_argument("--keep", type=Path, help="write the graphs of this code to this folder, and end")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    networks = make_networks()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        write_inputs(arguments.keep, *networks)
        return
    print(describe_computer(PACKAGES))
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch), *networks)
        for n_threads in arguments.threads:
            with contextlib.ExitStack() as stack:
                program = Path(__file__).with_name("contenders") / "network.py"
                named = [(name, name, Path(scratch)) for name in (REFERENCE, *PEAKS)]
                for folder in [Path(scratch), *arguments.graphs]:
                    place = "" if folder == Path(scratch) else f", {folder.name}"
                    runtimes = [str(each) for each in offered(find_bundle(folder))]
                    named += [(name + place, name, folder) for name in runtimes if any(each in name for each in arguments.only)]
                contenders = [stack.enter_context(Contender(label, program, name, folder, n_threads)) for label, name, folder in named]
                measure(contenders, arguments.batches, arguments.rounds, arguments.turn)
                print_table(contenders, count_work(*networks), n_threads)


if __name__ == "__main__":
    main()
