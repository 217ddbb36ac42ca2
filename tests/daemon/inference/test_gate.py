"""The gate lets pass what does not change the deciding score, and nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import GATE, Bundle, demo_bundle, load_bundle, write_record
from aegan_monitor.detection.network import Session
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.errors import BundleError
from aegan_monitor.inference.gate import GateClips, GateFigures, compare, correlate_ranks, load_gate, make_gate, score_gate, write_gate
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.types import DoubleArray, FloatArray, SegmentOutputs

RATE_HZ = 16_000
N_NORMAL, N_ALTERED = 7, 3
VALUES = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=2, max_size=30)


class RoundedSession:
    """ONNX Runtime whose embedding is rounded to steps of a part of its largest value."""

    def __init__(self, session: Session, step: float) -> None:
        self._session, self._step = session, step

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        outputs = self._session.infer(segments)
        step = self._step * np.abs(outputs.embedding).max()
        return replace(outputs, embedding=np.round(outputs.embedding / step) * step)


def make_clips() -> list[tuple[FloatArray, bool]]:
    """Pumps of several days, and the same with a tone."""
    normal = [Pump(seed).read(10 * RATE_HZ) for seed in range(N_NORMAL)]
    tone = (0.02 * np.sin(2 * np.pi * 3000 * np.arange(10 * RATE_HZ) / RATE_HZ)).astype(np.float32)
    return [(each, False) for each in normal] + [(each + tone, True) for each in normal[:N_ALTERED]]


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The demo bundle with a gate."""
    folder = shutil.copytree(demo_bundle(), tmp_path_factory.mktemp("gate") / "bundle")
    bundle = load_bundle(folder)
    write_gate(folder / GATE, make_gate(bundle.record, bundle.reference, make_clips()))
    write_record(folder, bundle.record)
    return load_bundle(folder)


@pytest.fixture(scope="module")
def gate(gated: Bundle) -> GateClips:
    """Its clips."""
    found = load_gate(gated)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def expected(gated: Bundle, gate: GateClips) -> DoubleArray:
    """Their deciding score in fp32."""
    return score_gate(gated, gate, OrtSession(gated, ["embedding"]), gated.record.score)


def judge(gated: Bundle, gate: GateClips, expected: DoubleArray, step: float) -> GateFigures:
    """The figures of a session that rounds."""
    session = RoundedSession(OrtSession(gated, ["embedding"]), step)
    return compare(gated.record, gated.record.score, gate, expected, score_gate(gated, gate, session, gated.record.score))


def test_the_score_of_the_gate_is_the_one_that_decides(gated: Bundle, expected: DoubleArray) -> None:
    """From stored frames and members comes the score that the pipeline gives for the sound, up to the rounding of the frames."""
    score = gated.record.score
    pipeline = Pipeline(gated.record, gated.reference, OrtSession(gated, ["embedding"]), [score])
    of_sound = np.array([pipeline.score_clip(samples)[score] for samples, _ in make_clips()])
    np.testing.assert_allclose(expected, of_sound, atol=0.02 * of_sound.max())


def test_the_same_arithmetic_passes(gated: Bundle, gate: GateClips, expected: DoubleArray) -> None:
    """The same session again changes no figure."""
    figures = compare(gated.record, gated.record.score, gate, expected, expected)
    assert figures == GateFigures(N_NORMAL + N_ALTERED, figures.rank_correlation, 0.0, 0.0, 1.0)
    assert figures.rank_correlation == pytest.approx(1.0)
    assert figures.find_problem() == ""


def test_little_rounding_passes(gated: Bundle, gate: GateClips, expected: DoubleArray) -> None:
    """A rounding as that of bf16, 0.4 % of the largest value, passes."""
    figures = judge(gated, gate, expected, 0.004)
    assert figures.largest_change > 0
    assert figures.find_problem() == ""


@pytest.mark.parametrize("step", [0.3, 2.0])
def test_much_rounding_is_refused(gated: Bundle, gate: GateClips, expected: DoubleArray, step: float) -> None:
    """A rounding that changes the deciding score is refused, with the figure and its bound."""
    figures = judge(gated, gate, expected, step)
    assert any(
        words in figures.find_problem() for words in ("rank correlation: expected at least 0.99", "largest change: expected at most 0.05")
    )
    assert f"{N_NORMAL + N_ALTERED} clips" in figures.describe()


def test_each_figure_has_a_limit_and_nan_is_beyond_it() -> None:
    """Every figure alone can refuse, also as NaN."""
    good = GateFigures(42, 1.0, 0.0, 0.0, 1.0)
    assert good.find_problem() == ""
    for name, bad in (("rank_correlation", 0.98), ("largest_change", 0.06), ("auc_change", 0.02), ("false_alarm_factor", 1.3)):
        assert f"found {bad:.4g}" in replace(good, **{name: bad}).find_problem()  # type: ignore[arg-type]
        assert "found nan" in replace(good, **{name: float("nan")}).find_problem()  # type: ignore[arg-type]


def test_a_rise_of_all_normal_scores_counts_as_false_alarms(gated: Bundle, gate: GateClips, expected: DoubleArray) -> None:
    """Normal scores that all rise by the same keep their ranks, and are refused for the change and the false alarms."""
    figures = compare(gated.record, gated.record.score, gate, expected, expected + 0.5)
    assert figures.rank_correlation == pytest.approx(1.0)
    assert figures.false_alarm_factor > 1
    assert figures.find_problem()


@settings(max_examples=50)
@given(VALUES)
def test_rank_correlation_counts_ties_by_their_mean_rank(pairs: list[tuple[int, int]]) -> None:
    """As ranks that are counted one by one; two constant rows are alike."""
    a, b = (np.array(values, float) for values in zip(*pairs, strict=True))
    if len(set(a)) > 1 and len(set(b)) > 1:
        ranks = [[sum(other < value for other in each) + sum(other == value for other in each) / 2 for value in each] for each in (a, b)]
        assert correlate_ranks(a, b) == pytest.approx(np.corrcoef(np.array(ranks))[0, 1], abs=1e-12)
    else:
        assert correlate_ranks(a, b) == float(len(set(a)) == len(set(b)) == 1)


def test_a_bundle_without_a_gate_has_none() -> None:
    """Bundles of older versions have no clips."""
    bundle = load_bundle(demo_bundle())
    files = {name: each for name, each in bundle.record.files.items() if name != GATE}
    assert load_gate(replace(bundle, record=bundle.record.model_copy(update={"files": files}))) is None


@pytest.mark.parametrize("name", ["frames", "altered", "members"])
def test_a_gate_of_another_shape_is_refused(gated: Bundle, gate: GateClips, name: str, tmp_path: Path) -> None:
    """Arrays that do not fit each other or the bundle are refused before any computation."""
    folder = shutil.copytree(gated.folder, tmp_path / "bundle")
    write_gate(folder / GATE, replace(gate, **{name: getattr(gate, name)[..., :-1][..., :5]}))
    write_record(folder, gated.record)
    with pytest.raises(BundleError, match=rf"gate\.npz: {name}: unexpected shape .*; export the bundle again$"):
        load_gate(load_bundle(folder))


def test_a_gate_that_was_changed_is_refused(gated: Bundle, tmp_path: Path) -> None:
    """The clips are under the bundle's digests, as every file."""
    folder = shutil.copytree(gated.folder, tmp_path / "bundle")
    (folder / GATE).write_bytes((folder / GATE).read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"gate\.npz: expected sha256"):
        load_bundle(folder)
