"""Segments a second of the network on each runtime, beside the reference procedure in eager PyTorch, at paper size with random weights.

.venv/bin/python tests/benchmarks/infer.py [--threads 1 2] [--batches 4 16] [--graphs FOLDER ...]

Each contender has a process of its own, because idle threads of one runtime slow another. They take turns in each round. The medians of
the rounds are printed: of the clock, of the processor's time, and the share of the largest matrix product that this computer does. The
last column is the largest deviation of any output from an independent float64 statement of the networks.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "oracles")]

from aegan_export.graph import make_modules, write_graphs
from aegan_train.networks.aegan import Discriminator, Generator, NetworkParameters
from aegan_train.torch_session import latent_errors, picture_errors
from benchmarks.contender import EXPECTED, OPEN, PEAK_SIZE, PEAKS, REFERENCE, SEGMENT, WEIGHTS, WORKLOADS, is_here
from plain_networks import decode, discriminate, encode

PACKAGES = ("torch", "onnxruntime", "openvino", "numpy")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")
N_CHECKED = 3  # segments that are compared


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


class Contender:
    """A process that runs one contender."""

    def __init__(self, name: str, folder: Path, n_threads: int, label: str = "") -> None:
        self.label = label or name
        self.is_peak = name in PEAKS
        command = [sys.executable, str(Path(__file__).with_name("contender.py")), name, str(folder), str(n_threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.deviation: float = self._read()["deviation"]
        self.took: dict[tuple[str, int], list[dict[str, float]]] = {}

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def take_turn(self, workload: str, batch: int, seconds: float) -> None:
        """One measurement."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([workload, batch, seconds]) + "\n")
        self._process.stdin.flush()
        self.took.setdefault((workload, batch), []).append(self._read())

    def find_rate(self, key: tuple[str, int], of: str) -> float:
        """Calls a second of `of` (clock or processor), the median of the rounds."""
        return statistics.median(each["n_calls"] / each[f"{of}_s"] for each in self.took[key])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def measure(contenders: Sequence[Contender], batches: Sequence[int], n_rounds: int, turn_s: float) -> None:
    """All rounds: in each, every contender has one turn a workload and batch."""
    for _ in range(n_rounds):
        for workload in WORKLOADS:
            for batch in batches:
                for each in contenders:
                    each.take_turn(workload, batch, turn_s)


def print_table(contenders: Sequence[Contender], batches: Sequence[int], work: dict[str, tuple[int, int, int]], n_threads: int) -> None:
    """A line a workload, batch and contender; the speed of the arithmetic is that of the processor's time, which others do not disturb."""
    n_products = PEAK_SIZE**3 * n_threads
    peaks = {each.label: 2e-9 * n_products * each.find_rate(key, "processor") for each in contenders if each.is_peak for key in each.took}
    peak = next(iter(peaks.values()))
    print(f"\n{n_threads} threads; " + ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in peaks.items()))
    print(f"{'segments/s, and times the reference':<52}{'clock':>16}{'processor':>16}{'GFLOP/s':>11}{'of fp32':>9}{'deviation':>11}")
    for workload, (n_products, n_weights, n_activations) in work.items():
        for batch in batches:
            n_bytes = n_weights / batch + n_activations
            print(f"{workload}, batches of {batch}: {n_products / 1e6:.0f} MMAC, {2 * n_products / n_bytes:.0f} FLOP a byte")
            for each in (one for one in contenders if not one.is_peak):
                line = f"  {each.label:<50}"
                for of in ("clock", "processor"):
                    rate, least = (one.find_rate((workload, batch), of) for one in (each, contenders[0]))
                    line += f"{batch * rate:9.1f}{rate / least:7.2f}"
                speed = 2e-9 * n_products * batch * n_threads * each.find_rate((workload, batch), "processor")
                print(f"{line}{speed:11.0f}{100 * speed / peak:8.0f}%{each.deviation:11.1e}")


def describe_computer() -> str:
    """The processor, what it can do, and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = {line.split(":")[1].strip() for line in lines if line.startswith("model name")}
    known = {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split()}
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if importlib.util.find_spec(name)]
    return f"{' '.join(names) or platform.machine()} ({', '.join(flag for flag in FLAGS if flag in known)}); {', '.join(versions)}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16], help="4: a decision of one machine; 16: the largest batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turn", type=float, default=0.7, help="seconds")
    parser.add_argument("--only", nargs="+", default=[], help="contenders whose name contains one of these, beside the reference")
    parser.add_argument("--graphs", type=Path, nargs="+", default=[], help="more folders with graphs, to compare with those of this code")
    parser.add_argument("--keep", type=Path, help="write the graphs of this code to this folder, and end")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generator, discriminator = make_networks()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        write_inputs(arguments.keep, generator, discriminator)
        return
    print(describe_computer())
    names = [name for name in OPEN if is_here(name)]
    kept = [name for name in names if name in (REFERENCE, *PEAKS) or not arguments.only or any(each in name for each in arguments.only)]
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch), generator, discriminator)
        for n_threads in arguments.threads:
            contenders = [Contender(name, Path(scratch), n_threads) for name in kept]
            others = [name for name in kept if name not in (REFERENCE, *PEAKS)]
            contenders += [Contender(name, folder, n_threads, f"{name}, {folder.name}") for folder in arguments.graphs for name in others]
            try:
                measure(contenders, arguments.batches, arguments.rounds, arguments.turn)
                print_table(contenders, arguments.batches, count_work(generator, discriminator), n_threads)
            finally:
                for each in contenders:
                    each.close()


if __name__ == "__main__":
    main()
