"""The golden check passes with correct arithmetic and fails at the stage that is wrong."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle, write_record
from aegan_monitor.detection.fusion import score_names
from aegan_monitor.detection.golden import TOLERANCES, check_golden, compute_stages, require_golden, write_golden
from aegan_monitor.detection.network import Session
from aegan_monitor.detection.record import FusionTerm, Normalisation
from aegan_monitor.errors import BundleError
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.types import FloatArray, SegmentOutputs

FUSION = "F_mean"


class SpoiledSession:
    """ONNX Runtime with one output slightly changed."""

    def __init__(self, session: OrtSession, field: str) -> None:
        self._session, self._field = session, field

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        outputs = self._session.infer(segments)
        fields = {name: getattr(outputs, name) for name in SegmentOutputs.FIELDS}
        fields[self._field] = fields[self._field] + 0.05 * np.abs(fields[self._field]).max()
        return SegmentOutputs(**fields)


def test_every_stage_is_near_the_record(bundle_folder: Path) -> None:
    """On this processor every stage is far below its tolerance."""
    bundle = load_bundle(bundle_folder)
    checks = check_golden(bundle, OrtSession(bundle))
    assert [check.stage for check in checks] == list(TOLERANCES)
    assert all(check.deviation < check.tolerance / 10 for check in checks)


@pytest.mark.parametrize("field", SegmentOutputs.FIELDS)
def test_a_wrong_stage_is_named(bundle_folder: Path, field: str) -> None:
    """A network with other results is refused, with the stage."""
    bundle = load_bundle(bundle_folder)
    with pytest.raises(BundleError, match=f"golden check failed at {field}: expected a deviation of at most"):
        require_golden(bundle, SpoiledSession(OrtSession(bundle), field))


class NoisySession:
    """ONNX Runtime with a random relative error on the embedding, by `seed`."""

    def __init__(self, session: Session, error: float, seed: int) -> None:
        self._session, self._error, self._seed = session, error, seed

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        outputs = self._session.infer(segments)
        noise = np.random.default_rng(self._seed).normal(size=outputs.embedding.shape).astype(np.float32)
        return replace(outputs, embedding=outputs.embedding * (1 + self._error * noise))


@pytest.fixture(scope="module")
def fused_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The demo bundle with F_mean deciding: about 0 on the golden recording, alarm above 0.7."""
    folder = shutil.copytree(demo_bundle(), tmp_path_factory.mktemp("golden") / "bundle")
    bundle = load_bundle(folder)
    record, calibration = bundle.record, bundle.record.calibration["recorded"]
    with np.load(bundle.golden_path) as golden:
        samples, scores = golden["samples"], dict(zip(score_names(record), golden["scores"].T, strict=True))
    quantiles = [float(value) for value in np.linspace(-0.25, 0.25, len(calibration.probabilities))]
    fields = record.model_copy(
        update={
            "score": FUSION,
            "fused": FUSION,
            "fusion": {name: FusionTerm(centre=float(np.log(scores[name]).mean()), scale=1.0) for name in ("D_near", "D_maha")},
            "normalisation": {**record.normalisation, FUSION: Normalisation(mean=0, std=0.3)},
            "calibration": {"recorded": calibration.model_copy(update={"quantiles": {**calibration.quantiles, FUSION: quantiles}})},
        }
    )
    write_golden(bundle.golden_path, samples, compute_stages(fields, bundle.reference, OrtSession(bundle), samples))
    write_record(folder, fields)
    return load_bundle(folder)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("score", [None, FUSION])
def test_what_the_embedding_may_deviate_the_scores_may(fused_bundle: Bundle, score: str | None, seed: int) -> None:
    """An embedding error of 0.3 % (as with TF32) passes: F_mean moves by under 5 % of its distance to the threshold."""
    session = NoisySession(OrtSession(fused_bundle), 0.003, seed)
    found = {check.stage: check for check in require_golden(fused_bundle, session, score)}
    assert 0.001 < found["embedding"].deviation < found["embedding"].tolerance
    with np.load(fused_bundle.golden_path) as golden:
        samples, fused = golden["samples"], golden["scores"][:, score_names(fused_bundle.record).index(FUSION)]
    stages = compute_stages(fused_bundle.record, fused_bundle.reference, session, samples, [FUSION])
    assert np.abs(stages["scores"][:, 0] - fused).max() > 0.03 * np.abs(fused).max()


@pytest.mark.parametrize("error", [0.05, 0.3])
@pytest.mark.parametrize("score", [None, FUSION])
def test_a_provider_that_computes_something_else_is_refused(fused_bundle: Bundle, score: str | None, error: float) -> None:
    """A wrong provider is refused, with all scores or the deciding score alone."""
    with pytest.raises(BundleError, match="golden check failed at embedding"):
        require_golden(fused_bundle, NoisySession(OrtSession(fused_bundle), error, 0), score)


def test_scores_that_are_wrong_behind_a_right_network_are_refused(fused_bundle: Bundle) -> None:
    """Scores that deviate by over 5 % of the distance to the threshold are refused; here by another reference set."""
    reference = replace(fused_bundle.reference, embedding_near=1.2 * fused_bundle.reference.embedding_near)
    wrong = replace(fused_bundle, reference=reference)
    with pytest.raises(BundleError, match="golden check failed at scores"):
        require_golden(wrong, OrtSession(wrong), FUSION)


def test_a_session_is_proved_on_the_graphs_that_it_has(fused_bundle: Bundle) -> None:
    """The session that monitors is checked, without stages of graphs that its score does not need."""
    checks = require_golden(fused_bundle, OrtSession(fused_bundle, ["embedding"]), FUSION)
    assert [check.stage for check in checks] == ["db", "segments", "embedding", "scores"]
    alone = require_golden(fused_bundle, OrtSession(fused_bundle, []), "C_mel_near")
    assert [check.stage for check in alone] == ["db", "segments", "scores"]


def test_a_golden_recording_of_another_length_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    """A golden recording of a wrong length is refused before any computation."""
    bundle = load_bundle(shutil.copytree(bundle_folder, tmp_path / "bundle"))
    with np.load(bundle.golden_path) as arrays:
        golden = {name: arrays[name] for name in arrays}
    np.savez(bundle.golden_path, **{**golden, "samples": golden["samples"][:-1]})
    n_expected = len(golden["samples"])
    line = rf"golden\.npz: samples: expected shape \({n_expected},\), found \({n_expected - 1},\); export the bundle again$"
    with pytest.raises(BundleError, match=line):
        check_golden(bundle, OrtSession(bundle))


def test_nan_is_no_match(bundle_folder: Path) -> None:
    """A network that gives NaN is refused."""

    class NanSession(SpoiledSession):
        def infer(self, segments: FloatArray) -> SegmentOutputs:
            outputs = self._session.infer(segments)
            return SegmentOutputs(outputs.embedding * np.nan, outputs.z, outputs.z_errors, outputs.x_errors)

    bundle = load_bundle(bundle_folder)
    with pytest.raises(BundleError, match="golden check failed at embedding"):
        require_golden(bundle, NanSession(OrtSession(bundle), "embedding"))
