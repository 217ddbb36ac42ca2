"""What `aegan-monitor check` says of a machine; all of it at work is in `tests/integration/test_run.py`."""

import pytest

from aegan_monitor.config.model import AlarmConfig
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.tools.check import tell_threshold


@pytest.mark.parametrize(
    ("n_copies", "alarm", "line"),
    [
        (0, {}, "alarm on D_knn above 6, cleared below 4; 36 normal clips gave 1 to 4, median 3"),
        (0, {"quantile": 0.75, "margin": 0}, "alarm on D_knn above 3.5, cleared below 3.5; 36 normal clips gave 1 to 4, median 3"),
        (
            *(144, {"margin": 1000}),
            (
                "alarm on D_knn above 1004, cleared below 4; "
                "36 normal clips and their 144 copies before other backgrounds gave 1 to 4, median 3"
            ),
        ),
    ],
)
def test_a_threshold_is_told_beside_what_normal_sound_gave(n_copies: int, alarm: dict[str, float], line: str) -> None:
    """One that nothing reaches is seen, be it the configuration's or the bundle's."""
    record = load_bundle(demo_bundle()).record
    told = {"n_copies": n_copies, "quantile": 1.0, "margin": 2.0, "probabilities": [0.0, 0.5, 1.0], "quantiles": {"D_knn": [1.0, 3.0, 4.0]}}
    record = record.model_copy(update={"calibration": record.calibration.model_copy(update=told)})
    assert tell_threshold(record, "D_knn", AlarmConfig.model_validate(alarm)) == line
