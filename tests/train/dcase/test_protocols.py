"""AUC, pAUC and their means against small sets worked out by hand, and against counting over pairs."""

import math
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.errors import DataError
from aegan_train.dcase.protocols import PROTOCOLS, Metrics, find_protocol, harmonic_mean, lay_out, measure
from aegan_train.recordings.folder import Clip, parse_name


def name_clips(*names: str) -> list[Clip]:
    """The clips with these names."""
    return [clip for name in names if (clip := parse_name(Path(f"{name}.wav"), "test"))]


def find_metrics(scored: dict[str, float], wanted: str | None = None) -> Metrics:
    """The metrics of clips with these scores, by name."""
    clips = name_clips(*scored)
    protocol = PROTOCOLS["dcase2020" if wanted == "dcase2020" else "dcase2022"]
    cells, left_out = lay_out(protocol, clips)
    assert not left_out
    return measure(protocol, cells, np.array(list(scored.values())))


def count_auc(normal: list[float], anomalous: list[float]) -> float:
    """The share of pairs in order; a tie counts half."""
    pairs = list(product(normal, anomalous))
    return sum(1.0 if one < other else 0.5 if one == other else 0.0 for one, other in pairs) / len(pairs)


def integrate_pauc(normal: list[float], anomalous: list[float], max_fpr: float = 0.1) -> float:
    """The area under the polygon of (false, true) positive rates up to `max_fpr`, standardised: 0.5 is chance, 1 perfect."""
    thresholds = [math.inf, *sorted({*normal, *anomalous}, reverse=True)]
    corners = [tuple(sum(v >= threshold for v in values) / len(values) for values in (normal, anomalous)) for threshold in thresholds]
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(corners):
        if x0 >= max_fpr or x1 == x0:
            continue
        end = min(x1, max_fpr)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    chance = max_fpr**2 / 2
    return 0.5 * (1 + (area - chance) / (max_fpr - chance))


def test_dcase2020_by_hand() -> None:
    """Two ids, the mean of all.

    id 00: normal 1 2 3 4, anomalies 3.5 5: 3.5 beats three of four, 5 all: 7 of 8 pairs. Up to a false positive rate of 0.1 (less
    than one normal clip of four) half of the anomalies are found: area 0.05, standardised 0.5 (1 + 0.045 / 0.095) = 14 / 19.
    id 02: normal 1 2, anomaly 3: all pairs, and a whole pAUC.
    """
    found = find_metrics(
        {
            "normal_id_00_0": 1, "normal_id_00_1": 2, "normal_id_00_2": 3, "normal_id_00_3": 4,
            "anomaly_id_00_0": 3.5, "anomaly_id_00_1": 5,
            "normal_id_02_0": 1, "normal_id_02_1": 2, "anomaly_id_02_0": 3,
            "id_05_0": 99,  # without a label: in no AUC
        },
        "dcase2020",
    )  # fmt: skip
    assert found.rows == {
        "00": {"AUC": pytest.approx(7 / 8), "pAUC": pytest.approx(14 / 19)},
        "02": {"AUC": pytest.approx(1), "pAUC": pytest.approx(1)},
    }
    assert found.auc == pytest.approx(15 / 16)
    assert found.pauc == pytest.approx(33 / 38)
    assert found.figure == pytest.approx((7 / 8 + 14 / 19 + 1 + 1) / 4) == pytest.approx((found.auc + found.pauc) / 2)


def test_dcase2022_by_hand() -> None:
    """A domain's AUC is that of its normal clips and the anomalies of both domains; pAUC is over all; the harmonic mean of all.

    Section 00: source normal 1 4, target normal 2 6, source anomaly 5, target anomaly 3.
    Source: 5 beats both, 3 beats one: 3 of 4. Target: 5 beats one, 3 beats one: 2 of 4.
    pAUC: the highest score is normal, and no anomaly is found up to a false positive rate of 0.1 (less than one of four): area 0.
    """
    found = find_metrics(
        {
            "section_00_source_test_normal_0000_a": 1, "section_00_source_test_normal_0001_a": 4,
            "section_00_target_test_normal_0000_a": 2, "section_00_target_test_normal_0001_a": 6,
            "section_00_source_test_anomaly_0000_a": 5, "section_00_target_test_anomaly_0000_a": 3,
            "section_01_source_test_normal_0000_a": 0, "section_01_target_test_normal_0000_a": 1,
            "section_01_source_test_anomaly_0000_a": 2, "section_01_target_test_anomaly_0000_a": 2,
            "section_03_test_0000": 0, "section_03_source_test_0001": 0,
        }
    )  # fmt: skip
    no_pauc = 0.5 * (1 - 0.005 / 0.095)  # 9 / 19
    assert found.rows == {
        "00": {"AUC source": pytest.approx(3 / 4), "AUC target": pytest.approx(1 / 2), "pAUC": pytest.approx(no_pauc)},
        "01": {"AUC source": pytest.approx(1), "AUC target": pytest.approx(1), "pAUC": pytest.approx(1)},
    }
    assert found.auc == pytest.approx(4 / (4 / 3 + 2 + 1 + 1)) == pytest.approx(3 / 4)
    assert found.pauc == pytest.approx(2 / (19 / 9 + 1)) == pytest.approx(9 / 14)
    assert found.figure == pytest.approx(6 / (4 / 3 + 2 + 19 / 9 + 3)) == pytest.approx(54 / 76)


SCORES = st.lists(st.integers(0, 12), min_size=1, max_size=12)


@given(source=SCORES, target=SCORES, source_anomalies=SCORES, target_anomalies=SCORES)
def test_metrics_are_those_of_counted_pairs(
    source: list[float], target: list[float], source_anomalies: list[float], target_anomalies: list[float]
) -> None:
    """Ties, one clip or many: AUC by counting pairs, pAUC by the polygon's area."""
    kinds = (("source", "normal", source), ("target", "normal", target), ("source", "anomaly", source_anomalies),
             ("target", "anomaly", target_anomalies))  # fmt: skip
    scored = {
        f"section_00_{domain}_test_{label}_{number:04d}_x": float(value)
        for domain, label, values in kinds
        for number, value in enumerate(values)
    }
    found, anomalies = find_metrics(scored), [*source_anomalies, *target_anomalies]
    expected = {
        "AUC source": count_auc(source, anomalies),
        "AUC target": count_auc(target, anomalies),
        "pAUC": integrate_pauc([*source, *target], anomalies),
    }
    assert found.rows["00"] == pytest.approx(expected, abs=1e-12)
    each = list(expected.values())
    harmonic = 3 / sum(1 / value for value in each) if min(each) > 0 else 0.0
    assert found.figure == pytest.approx(harmonic, abs=1e-9)
    assert find_metrics(scored, "dcase2020").rows["00"] == pytest.approx(
        {"AUC": count_auc([*source, *target], anomalies), "pAUC": expected["pAUC"]}, abs=1e-12
    )


def test_a_harmonic_mean_with_a_zero_is_no_error() -> None:
    """A zero gives a harmonic mean near 0 without a warning."""
    assert harmonic_mean([0.0, 1.0]) == pytest.approx(0, abs=1e-12)
    assert harmonic_mean([0.5, 1.0]) == pytest.approx(2 / 3)
    assert math.isfinite(harmonic_mean([0.0]))


def test_rows_without_both_kinds_are_left_out_and_reported() -> None:
    """A row without normal or anomalous clips is left out, with a line."""
    names = ["normal_id_00_0", "anomaly_id_02_0", "normal_id_04_0", "anomaly_id_04_0", "id_01_0"]
    cells, left_out = lay_out(PROTOCOLS["dcase2020"], name_clips(*names))
    assert {cell.row for cell in cells} == {"04"}
    assert left_out == [
        "id 00: no anomalous test clip, so it has no AUC",
        "id 02: no normal test clip, so it has no AUC",
    ]
    names = ["section_00_source_test_normal_0_x", "section_00_source_test_anomaly_0_x"]
    assert lay_out(PROTOCOLS["dcase2022"], name_clips(*names)) == ([], ["section 00: no normal target test clip, so it has no AUC"])


def test_the_protocol_follows_the_names() -> None:
    """The protocol follows the names; mixed names need a choice, and ids have no domains."""
    old, new = name_clips("normal_id_00_0"), name_clips("section_00_source_test_normal_0_x", "section_03_test_0000")
    assert [find_protocol(clips, None).name for clips in (old, new)] == ["dcase2020", "dcase2022"]
    assert find_protocol(new, "dcase2020").name == "dcase2020"
    with pytest.raises(DataError, match=r"^the test clips are named by both schemes \(\.\.\._id_00_\.\.\. and section_00_\.\.\.\); choose"):
        find_protocol([*old, *new], None)
    with pytest.raises(
        DataError,
        match=r"^normal_id_00_0\.wav: --protocol dcase2022: expected a name with source or target in it, found normal_id_00_0\.wav$",
    ):
        find_protocol(old, "dcase2022")
