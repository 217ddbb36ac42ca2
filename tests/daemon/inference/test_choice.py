"""What was found for this computer is used here alone, and the CPU in fp32 in place of whatever fails."""

import json
import logging
from pathlib import Path

import pytest

from aegan_monitor.config.model import InferenceConfig
from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from aegan_monitor.detection.network import Graph
from aegan_monitor.errors import InferenceError
from aegan_monitor.inference.box import describe_box
from aegan_monitor.inference.choice import list_choices, open_wanted
from aegan_monitor.inference.gate import GateFigures
from aegan_monitor.inference.prepared import FILE, N_KEPT, Finding, Prepared
from aegan_monitor.inference.providers import STRICT, Choice

FINDINGS = [
    Finding("cpu", "fp32", segments_per_s=100.0),
    Finding("cuda", "fp32", segments_per_s=150.0, golden=0.1),
    Finding("openvino", "bf16", segments_per_s=300.0, gate=GateFigures(42, 0.999, 0.01, 0.0, 1.0)),
    Finding("tensorrt", "fp16", segments_per_s=900.0, problem="gate: rank correlation: expected at least 0.99, found 0.9"),
]
GRAPHS: tuple[Graph, ...] = ("embedding",)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The demo bundle."""
    return load_bundle(demo_bundle())


@pytest.fixture
def prepared(tmp_path: Path, bundle: Bundle) -> Prepared:
    """What was found for it, read again."""
    Prepared(tmp_path).remember(bundle, bundle.record.score, 1, FINDINGS)
    return Prepared(tmp_path)


@pytest.mark.parametrize(
    ("inference", "expected"),
    [
        ({}, [Choice("openvino", "bf16"), STRICT]),
        ({"precision": "fp32"}, [Choice("cuda"), STRICT]),
        ({"providers": ["cuda", "auto"]}, [Choice("cuda"), Choice("openvino", "bf16"), STRICT]),
        ({"providers": ["openvino"], "precision": "fp32"}, [Choice("openvino"), STRICT]),
        ({"providers": ["cpu"]}, [STRICT]),
        ({"precision": "fp16"}, [STRICT]),
        ({"policy": "require"}, [Choice("openvino", "bf16")]),
        ({"providers": ["tensorrt", "cpu"], "policy": "require"}, [Choice("tensorrt")]),
    ],
)
def test_the_fastest_that_passed_and_fits_is_tried_first(
    inference: dict[str, object], expected: list[Choice], bundle: Bundle, prepared: Prepared
) -> None:
    """The configuration chooses among what passed; fp32 needs no finding; strict fp32 is the last, unless a provider is required."""
    assert list_choices(bundle, InferenceConfig(**inference), prepared, bundle.record.score, GRAPHS) == expected  # type: ignore[arg-type]


def test_a_precision_that_did_not_pass_is_not_used(bundle: Bundle, prepared: Prepared) -> None:
    """It is one line that names the command, or an error where it is required."""
    lines: list[str] = []
    wanted = {"providers": ["tensorrt"], "precision": "fp16"}
    list_choices(bundle, InferenceConfig(**wanted), prepared, bundle.record.score, GRAPHS, lines.append)  # type: ignore[arg-type]
    assert len(lines) == 1
    assert "tensorrt in fp16 has not passed golden check and gate on this computer" in lines[0]
    assert lines[0].endswith("run aegan-monitor prepare")
    with pytest.raises(InferenceError, match="run aegan-monitor prepare, or set inference.policy: prefer$"):
        list_choices(bundle, InferenceConfig(**wanted, policy="require"), prepared, bundle.record.score, GRAPHS)  # type: ignore[arg-type]


def test_a_finding_holds_for_its_score_and_number_of_threads(bundle: Bundle, prepared: Prepared, tmp_path: Path) -> None:
    """Another score, another number of threads and another bundle have findings of their own."""
    assert [each.choice for each in prepared.find(bundle, bundle.record.score, 1)][:3] == [
        Choice("openvino", "bf16"), Choice("cuda"), STRICT,
    ]  # fmt: skip
    assert prepared.find(bundle, "D_maha", 1) == prepared.find(bundle, bundle.record.score, 2) == []
    prepared.remember(bundle, "D_maha", 1, FINDINGS[:1])
    again = Prepared(tmp_path)
    assert [len(again.find(bundle, score, 1)) for score in (bundle.record.score, "D_maha")] == [4, 1]


@pytest.mark.parametrize("place", range(len(describe_box())))
def test_a_finding_holds_for_its_computer_and_runtimes(place: int, bundle: Bundle, prepared: Prepared, tmp_path: Path) -> None:
    """Another processor, other flags, another version of the program or of a runtime: one line says so, and strict fp32 is used."""
    box = describe_box()
    box[place] += "1"
    other = Prepared(tmp_path, box)
    assert (bool(prepared.find(bundle, bundle.record.score, 1)), other.find(bundle, bundle.record.score, 1)) == (True, [])
    lines: list[str] = []
    assert list_choices(bundle, InferenceConfig(), other, bundle.record.score, GRAPHS, lines.append) == [STRICT]
    assert ["auto was tried before a runtime, the bundle" in line and line.endswith("; run aegan-monitor prepare") for line in lines] == [
        True
    ]


def test_a_new_finding_is_seen(bundle: Bundle, prepared: Prepared, tmp_path: Path) -> None:
    """What another process has found since makes the file another one."""
    assert prepared.is_current()
    Prepared(tmp_path).remember(bundle, bundle.record.score, 1, FINDINGS[:1])
    assert not prepared.is_current()


def test_only_the_newest_findings_are_kept(bundle: Bundle, tmp_path: Path) -> None:
    """The file does not grow for ever."""
    (tmp_path / FILE).write_text(json.dumps({str(number): [] for number in range(N_KEPT + 2)}))
    Prepared(tmp_path).remember(bundle, bundle.record.score, 1, FINDINGS)
    kept = list(json.loads((tmp_path / FILE).read_text()))
    assert kept[:-1] == [str(number) for number in range(3, N_KEPT + 2)]
    assert Prepared(tmp_path).find(bundle, bundle.record.score, 1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": [{"provider": "abacus", "precision": "fp32"}]}', b"\xff\x00"])
def test_a_damaged_file_is_no_finding(content: bytes, bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is reported in one line (an empty one is none), and can be written again."""
    (tmp_path / FILE).write_bytes(content)
    prepared = Prepared(tmp_path)
    assert prepared.find(bundle, bundle.record.score, 1) == []
    assert [f"{FILE}: is damaged" in record.message for record in caplog.records] == [True] * bool(content)
    prepared.remember(bundle, bundle.record.score, 1, FINDINGS)
    assert Prepared(tmp_path).find(bundle, bundle.record.score, 1)


def test_a_state_directory_that_cannot_be_used_is_one_line(bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Reading reports it and goes on; writing fails."""
    (tmp_path / "state").write_text("no folder")
    prepared = Prepared(tmp_path / "state")
    assert "cannot be read: Not a directory; run aegan-monitor prepare" in caplog.text
    with pytest.raises(OSError, match="Not a directory|File exists"):
        prepared.remember(bundle, bundle.record.score, 1, FINDINGS)


def test_a_remembered_choice_that_fails_is_one_line_and_strict_fp32(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A GPU that is gone since is reported, and the CPU in fp32 is used; where it is required, nothing starts."""
    prepared = Prepared(tmp_path)
    prepared.remember(bundle, bundle.record.score, 1, [FINDINGS[1], FINDINGS[0]])
    with caplog.at_level(logging.WARNING):
        session = open_wanted(bundle, InferenceConfig(), prepared, bundle.record.score)
    assert (session.provider, session.precision, session.requested) == ("cpu", "fp32", ("auto",))
    [line] = [record.message for record in caplog.records]
    assert "inference.providers: cuda in fp32 cannot be used: " in line
    assert line.endswith("; cpu in fp32 is used in its place")
    with pytest.raises(InferenceError, match="^inference.providers: cuda in fp32 cannot be used: .*; or set inference.policy: prefer$"):
        open_wanted(bundle, InferenceConfig(policy="require"), prepared, bundle.record.score)


def test_each_preferred_provider_that_is_missing_is_a_line(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    """The providers are tried in their order, and the CPU is used in the end."""
    with caplog.at_level(logging.WARNING):
        session = open_wanted(bundle, InferenceConfig(providers=["tensorrt", "cuda", "cpu"]), Prepared())
    assert (session.provider, session.requested) == ("cpu", ("tensorrt", "cuda", "cpu"))
    assert [record.message.partition("inference.providers: ")[2].partition(" in")[0] for record in caplog.records] == ["tensorrt", "cuda"]


def test_a_score_without_a_network_needs_no_provider(bundle: Bundle) -> None:
    """Then the provider is `none`, whatever is wanted."""
    session = open_wanted(bundle, InferenceConfig(providers=["cuda"], policy="require"), Prepared(), "C_mel_near")
    assert (session.provider, session.precision) == ("none", "none")


def test_engines_of_other_bundles_are_removed(bundle: Bundle, tmp_path: Path) -> None:
    """What was built for a bundle that is no longer used goes; other files of the state directory stay."""
    prepared = Prepared(tmp_path)
    own = prepared.find_engines(bundle, Choice("tensorrt", "fp16"))
    assert own is not None
    old = own.parents[1] / "0123" / own.name
    for folder in (own, old):
        folder.mkdir(parents=True)
        (folder / "a.engine").write_text("")
    (tmp_path / "outbox.sqlite").write_text("")
    prepared.remove_engines([bundle])
    assert (own / "a.engine").exists()
    assert not old.parent.exists()
    assert (tmp_path / "outbox.sqlite").exists()
