"""The golden check: passes where the arithmetic is right, fails at the stage that is wrong."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.golden import TOLERANCES, check_golden, require_golden
from aegan_monitor.detection.network import OrtSession
from aegan_monitor.errors import BundleError
from aegan_monitor.types import FloatArray, SegmentOutputs


class SpoiledSession:
    """ONNX Runtime with one output turned a little."""

    def __init__(self, session: OrtSession, field: str) -> None:
        self._session, self._field = session, field

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        outputs = self._session.infer(segments)
        fields = {name: getattr(outputs, name) for name in SegmentOutputs.FIELDS}
        fields[self._field] = fields[self._field] + 0.05 * np.abs(fields[self._field]).max()
        return SegmentOutputs(**fields)


def test_every_stage_is_near_the_record(bundle_folder: Path) -> None:
    """On this processor, far below the bounds."""
    bundle = load_bundle(bundle_folder)
    checks = check_golden(bundle, OrtSession(bundle))
    assert [check.stage for check in checks] == list(TOLERANCES)
    assert all(check.deviation < check.tolerance / 10 for check in checks)


@pytest.mark.parametrize("field", SegmentOutputs.FIELDS)
def test_a_wrong_stage_is_named(bundle_folder: Path, field: str) -> None:
    """A network that computes something else is refused."""
    bundle = load_bundle(bundle_folder)
    with pytest.raises(BundleError, match=f"golden check failed at {field}: expected a deviation of at most"):
        require_golden(bundle, SpoiledSession(OrtSession(bundle), field))


def test_a_golden_recording_of_another_length_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    """Before anything is computed on it."""
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
