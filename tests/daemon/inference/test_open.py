"""The table of providers, and what this computer can try of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aegan_monitor.detection.bundle import demo_bundle, load_bundle, write_record
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.detection.network import GRAPHS
from aegan_monitor.errors import BundleError, InferenceError
from aegan_monitor.inference.box import describe_box, may_compile, read_processor
from aegan_monitor.inference.open import find_obstacle, offered, open_session
from aegan_monitor.inference.providers import PROVIDERS, STRICT, Choice, Precision, ProviderName

X86 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\nmodel name\t: other\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimdhp\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"


def test_strict_fp32_is_always_offered() -> None:
    """The CPU in fp32 is among the choices, and each that is offered is in the table."""
    found = offered(load_bundle(demo_bundle()))
    assert STRICT in found
    assert all(choice.precision in PROVIDERS[choice.provider].ways for choice in found)


@pytest.mark.parametrize(
    ("provider", "precision", "words"),
    [
        ("cuda", "fp32", r"no CUDAExecutionProvider; pip install 'aegan-monitor\[gpu\]'"),
        ("tensorrt", "fp16", r"no TensorrtExecutionProvider; pip install 'aegan-monitor\[gpu\]'"),
        ("cpu", "bf16", "cpu has no bf16; it has fp32, int8"),
        ("cpu", "int8", "has no graphs in int8; export it again"),
    ],
)
def test_what_cannot_be_tried_has_a_reason(provider: ProviderName, precision: Precision, words: str) -> None:
    """A choice that this computer or bundle lacks is refused in one line with its remedy."""
    bundle = load_bundle(demo_bundle())
    with pytest.raises(InferenceError, match=f"^{provider} in {precision} cannot be used: .*{words}"):
        open_session(bundle, GRAPHS, Choice(provider, precision))
    assert Choice(provider, precision) not in offered(bundle)


def test_a_missing_runtime_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenVINO the obstacle is the command that installs it."""
    monkeypatch.setattr("sys.path", [path for path in sys.path if not (Path(path) / "openvino").is_dir()])
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    found = find_obstacle(Choice("openvino"), load_bundle(demo_bundle()))
    assert found == "OpenVINO is not installed; pip install 'aegan-monitor[openvino]'"


@pytest.mark.parametrize(("text", "model", "flag"), [(X86, "AMD EPYC", "avx512_bf16"), (ARM, "0xd0b 0x41", "asimdhp")])
def test_the_processor_is_read_from_the_kernel(text: str, model: str, flag: str, tmp_path: Path) -> None:
    """Model and flags of the first processor, on x86 and ARM."""
    (tmp_path / "cpuinfo").write_text(text)
    found, flags = read_processor(tmp_path / "cpuinfo")
    assert (found, flag in flags) == (model, True)


def test_a_kernel_that_hides_the_processor_is_no_failure(tmp_path: Path) -> None:
    """Without /proc/cpuinfo no flag is known, and the description still has a line."""
    assert read_processor(tmp_path / "none")[1] == frozenset()
    assert any("cores" in line for line in describe_box())
    assert may_compile()


def test_every_provider_has_a_way_in_fp32() -> None:
    """Every set of options is text, as the runtimes want it, and no provider is without a way in fp32."""
    for provider in PROVIDERS.values():
        assert "fp32" in provider.ways
        for way in provider.ways.values():
            assert way.options
            assert all(isinstance(value, str) for values in way.options for value in values.values())


def test_a_graph_in_int8_is_run_where_the_bundle_has_it(tmp_path: Path) -> None:
    """The optional file makes int8 a choice for scores of its graph, and is the file that runs."""
    folder = shutil.copytree(demo_bundle(), tmp_path / "bundle")
    shutil.copy(folder / "embedding.onnx", folder / "embedding.int8.onnx")
    write_record(folder, load_bundle(demo_bundle()).record)
    bundle, choice = load_bundle(folder), Choice("cpu", "int8")
    assert choice in offered(bundle, ["embedding"])
    assert choice not in offered(bundle, ["generator"])
    require_golden(bundle, open_session(bundle, ["embedding"], choice), bundle.record.score)
    (folder / "embedding.int8.onnx").write_bytes(b"no graph")
    with pytest.raises(InferenceError, match=r"embedding\.int8\.onnx: ONNX Runtime cannot load this graph on cpu"):
        open_session(bundle, ["embedding"], choice)


def test_a_damaged_graph_in_int8_is_found_when_the_bundle_is_loaded(tmp_path: Path) -> None:
    """Optional files are under the bundle's digests, too; a file that the record does not name is not read."""
    folder = shutil.copytree(demo_bundle(), tmp_path / "bundle")
    (folder / "embedding.int8.onnx").write_bytes(b"no graph")
    assert Choice("cpu", "int8") not in offered(load_bundle(folder))
    write_record(folder, load_bundle(demo_bundle()).record)
    (folder / "embedding.int8.onnx").write_bytes(b"no grape")
    with pytest.raises(BundleError, match=r"embedding\.int8\.onnx: expected sha256"):
        load_bundle(folder)


@pytest.mark.process
def test_a_sandbox_that_forbids_machine_code_is_noticed() -> None:
    """As with systemd's MemoryDenyWriteExecute; kernels before 6.3 cannot forbid it by prctl."""
    code = (
        "import ctypes; from aegan_monitor.inference.box import may_compile; "
        "forbidden = ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0; print(forbidden, may_compile())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["True", "False"], ["False", "True"])
