"""The providers: one table of what can run the networks, with the options of each precision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from aegan_monitor.detection.network import INT8

Precision = Literal["fp32", "bf16", "fp16", "int8"]
ProviderName = Literal["cpu", "openvino", "cuda", "tensorrt"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class Choice(NamedTuple):
    """A provider, and the precision in which it computes."""

    provider: ProviderName
    precision: Precision = "fp32"

    def __str__(self) -> str:
        """As in a log line."""
        return f"{self.provider} in {self.precision}"


STRICT = Choice("cpu", "fp32")  # with what every bundle was made; always allowed


@dataclass(frozen=True, slots=True)
class Way:
    """How a provider computes in one precision.

    Attributes:
        options: Sets of the runtime's options; the first that loads is used. `{cache}`, `{least}` and `{most}` stand for the folder of
            engines, and for the shapes of the smallest and largest batch.
        flags: The processor needs one of these flags (`/proc/cpuinfo`); none means any processor.
        graphs: Ending of the graph files that are run where the bundle has them; in place of those that it lacks the plain ones are run.
        needs_graphs: Whether it needs one such file at least.
    """

    options: tuple[Mapping[str, str], ...] = ({},)
    flags: frozenset[str] = frozenset()
    graphs: str = ""
    needs_graphs: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Attributes:
        runtime: The package that runs it.
        names: What the runtime calls it, and what runs the operators that it does not have.
        remedy: How to get it.
        ways: How it computes, by precision.
        device: Where its inputs and outputs stay, in buffers of a fixed batch; empty: in the arrays of the caller.
        compiles: Whether it writes machine code into memory, which a sandbox may forbid.
        builds: Whether it builds an engine for the graphs and this device, which takes minutes, and keeps it in the folder of engines.
    """

    runtime: Literal["onnxruntime", "openvino"]
    names: tuple[str, ...]
    remedy: str
    ways: Mapping[Precision, Way]
    device: str = ""
    compiles: bool = False
    builds: bool = False


GPU_REMEDY = "pip install 'aegan-monitor[gpu]' with its libraries, in an environment without the extra cpu"
# kSameAsRequested: the arena holds what the graphs need, not the next power of two. Without TF32 fp32 is what its name says.
CUDA = {"cudnn_conv_algo_search": "EXHAUSTIVE", "arena_extend_strategy": "kSameAsRequested", "use_tf32": "0"}
TENSORRT = {
    "trt_engine_cache_enable": "1",
    "trt_engine_cache_path": "{cache}",
    "trt_timing_cache_enable": "1",
    "trt_timing_cache_path": "{cache}",
    "trt_profile_min_shapes": "segments:{least}",
    "trt_profile_max_shapes": "segments:{most}",
    "trt_profile_opt_shapes": "segments:{most}",
}
# One stream and its threads for one request at a time. Threads that are pinned to cores would share those of a second daemon. A mapped
# file would end the process when another program cuts it.
OPENVINO = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "ENABLE_CPU_PINNING": "NO", "ENABLE_MMAP": "NO"}

PROVIDERS: dict[ProviderName, Provider] = {
    "cpu": Provider(
        "onnxruntime",
        ("CPUExecutionProvider",),
        "pip install 'aegan-monitor[cpu]'",
        {"fp32": Way(), "int8": Way(graphs=INT8, needs_graphs=True)},
    ),
    "openvino": Provider(
        "openvino",
        ("CPU",),
        "pip install 'aegan-monitor[openvino]'",
        {
            "fp32": Way(({**OPENVINO, "INFERENCE_PRECISION_HINT": "f32"},)),
            "bf16": Way(({**OPENVINO, "INFERENCE_PRECISION_HINT": "bf16"},), flags=frozenset({"avx512_bf16", "amx_bf16"})),
            "fp16": Way(({**OPENVINO, "INFERENCE_PRECISION_HINT": "f16"},), flags=frozenset({"avx512_fp16", "amx_fp16", "asimdhp"})),
            "int8": Way(({**OPENVINO, "INFERENCE_PRECISION_HINT": "f32"},), graphs=INT8, needs_graphs=True),
        },
        compiles=True,
    ),
    "cuda": Provider(
        "onnxruntime",
        ("CUDAExecutionProvider", "CPUExecutionProvider"),
        GPU_REMEDY,
        {"fp32": Way(({**CUDA, "enable_cuda_graph": "1"}, {**CUDA, "enable_cuda_graph": "0"}))},
        device="cuda",
        compiles=True,
    ),
    "tensorrt": Provider(
        "onnxruntime",
        ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
        GPU_REMEDY,
        {
            "fp32": Way((TENSORRT,)),
            "fp16": Way(({**TENSORRT, "trt_fp16_enable": "1"},)),
            "int8": Way(({**TENSORRT, "trt_int8_enable": "1"},), graphs=INT8, needs_graphs=True),
        },
        compiles=True,
        builds=True,
    ),
}
