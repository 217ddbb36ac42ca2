"""The arithmetic of the bench, on results that were made up."""

import numpy as np
import pytest

from aegan_monitor.errors import DataError
from aegan_train.bench.disturbances import Lasting
from aegan_train.bench.figures import Figure, Pooled, SeedFigures, bootstrap, find_figures, pool, summarise
from aegan_train.bench.measure import Measured, ScoredClip


def make_unit(
    scores: dict[str, list[float]], faults: list[str], *, seed: int = 0, threshold: float = 2.5, score: str = "D_near"
) -> Measured:
    """A result whose clips, two a recording, have these scores and faults."""
    clips = [
        ScoredClip(fault=fault, recording=f"r{place // 2}", scores={name: values[place] for name, values in scores.items()})
        for place, fault in enumerate(faults)
    ]
    lasting = Lasting(
        faults={fault: [0.9, 0.2] for fault in dict.fromkeys(filter(None, faults))}, disturbances={"taps": [0.1], "dog": [0.5]}
    )
    return Measured(
        key="k",
        unit="u",
        seed=seed,
        fit_s=60,
        n_clips=8,
        score=score,
        thresholds={"recorded": threshold, "any": threshold + 2},
        clips=clips,
        lasting=lasting,
    )


FAULTS = ["", "", "", "", "hot", "hot", "cold", "cold"]
UNIT = make_unit(
    {"D_near": [1, 2, 3, 4, 5, 6, 0, 3.5], "C_a": [4, 3, 2, 1, 5, 6, 7, 8], "C_b": [1] * 8, "F_mean": [1, 2, 3, 4, 5, 6, 7, 3.5]}, FAULTS
)


def test_a_row_has_its_choice_the_best_baseline_and_the_oracle() -> None:
    """Counted by hand: of 16 pairs `D_near` orders 4 + 4 + 0 + 3."""
    found = find_figures([UNIT])
    assert (found.label_free.score, found.label_free.auc) == ("D_near", 11 / 16)
    assert (found.baseline.score, found.baseline.auc) == ("C_a", 1.0)
    assert (found.oracle.score, found.oracle.auc) == ("C_a", 1.0)
    assert found.regret == 5 / 16
    assert {name: each.auc for name, each in found.fusions.items()} == {"F_mean": 15 / 16}
    assert found.by_fault == {"hot": 1.0, "cold": 3 / 8}
    assert found.by_disturbance == {"all": 0.75, "taps": 1.0, "dog": 0.5}
    assert found.over == (0.5, 0.75)
    assert found.over_by_fault == {"hot": 1.0, "cold": 0.5}
    assert (found.n_further, found.n_further_over) == (0, 0)
    assert (found.fit_s, found.n_clips) == (60, 8)
    assert str(found.baseline) == "1.000 / 1.000"


def test_further_normal_clips_are_counted_over_the_threshold() -> None:
    """A clip at the threshold is not over it."""
    found = find_figures([UNIT.model_copy(update={"further": [1.0, 2.5, 2.6, 9.0]})])
    assert (found.n_further, found.n_further_over) == (4, 2)


def test_clips_count_over_the_threshold_of_the_place_of_the_row() -> None:
    """The threshold for any place is higher; where a training has none, the other one holds."""
    assert find_figures([UNIT], place="any").over == (0, 0.5)
    recorded = UNIT.model_copy(update={"thresholds": {"recorded": 2.5}})
    assert find_figures([recorded], place="any").over == find_figures([UNIT]).over == (0.5, 0.75)


def test_a_fusion_that_decides_is_no_further_column() -> None:
    """It is the label-free choice."""
    found = find_figures([UNIT.model_copy(update={"score": "F_mean"})])
    assert found.label_free.score == "F_mean"
    assert found.fusions == {}


def test_only_the_faults_of_a_row_count() -> None:
    """All normal clips stay."""
    found = find_figures([UNIT], ["hot"])
    assert found.label_free.auc == 1.0
    assert found.by_fault == {"hot": 1.0}
    with pytest.raises(DataError, match=r"no faulty test clips \(warm\)"):
        find_figures([UNIT], ["warm"])


def test_data_sets_are_standardised_by_their_normal_clips() -> None:
    """Another scale and offset of a data set's scores changes no figure of the row; their durations and clips add up."""
    moved = make_unit(
        {
            name: [100 + 7 * each for each in values]
            for name, values in zip(
                UNIT.clips[0].scores, ([clip.scores[name] for clip in UNIT.clips] for name in UNIT.clips[0].scores), strict=True
            )
        },
        FAULTS,
        threshold=117.5,
    )
    alone, pooled = find_figures([UNIT]), find_figures([UNIT, moved])
    assert pooled.label_free.auc == pytest.approx(alone.label_free.auc)
    assert pooled.over == alone.over
    assert (pooled.fit_s, pooled.n_clips) == (120, 16)
    for values in pool([UNIT, moved], (), "any").scores.values():
        normal = values[[not clip.fault for clip in UNIT.clips] * 2]
        assert normal.mean() == pytest.approx(0, abs=1e-12)
        assert normal.std() == pytest.approx(1) or not normal.any()


def test_data_sets_may_decide_by_other_scores() -> None:
    """Each by its own, and the row names them."""
    other = UNIT.model_copy(update={"score": "C_a"})
    found = find_figures([UNIT, other])
    assert found.label_free.score == "D_near or C_a"


def make_pooled(n_recordings: int, n_clips: int, shift: float) -> Pooled:
    """Normal and faulty recordings whose clips are all alike."""
    rng = np.random.default_rng(1)
    values = np.repeat(rng.normal(size=2 * n_recordings) + np.repeat([0, shift], n_recordings), n_clips)
    faults = [""] * (n_recordings * n_clips) + ["hot"] * (n_recordings * n_clips)
    recordings = [f"r{place // n_clips}" for place in range(len(faults))]
    return Pooled(faults, recordings, values, np.zeros_like(values), {"D_near": values})


def test_the_interval_is_one_over_recordings() -> None:
    """It is reproducible, contains the AUC, and more clips of the same recordings do not narrow it."""
    few, many = make_pooled(8, 1, 1.0), make_pooled(8, 25, 1.0)
    assert bootstrap(few) == bootstrap(few)
    assert bootstrap(few) == pytest.approx(bootstrap(many))
    assert bootstrap(few) != bootstrap(few, seed=1)
    low, high = bootstrap(few)
    normal, faulty = few.decided[:8], few.decided[8:]
    assert low < np.mean(faulty[:, None] > normal) < high
    assert high - low > 0.2
    wide, narrow = (np.diff(bootstrap(make_pooled(n, 1, 1.0))) for n in (8, 200))
    assert narrow < wide / 3
    assert bootstrap(make_pooled(4, 3, 50.0)) == (1.0, 1.0)


def make_figures(seed: int, auc: float, pauc: float, best: float) -> SeedFigures:
    """A row with these figures."""
    figure, oracle = Figure("D_near", auc, pauc), Figure("C_a", best, best)
    return SeedFigures(
        seed, figure, (auc, auc), {"hot": auc}, "recorded", (0, 1), oracle, oracle, {}, {"all": auc, "taps": auc}, 1, 8, {"hot": 1}, 0, 0
    )


def test_the_summary_has_mean_worst_and_spread() -> None:
    """The worst row by its mean, the spread of the mean over the rows."""
    rows = {
        "a": [make_figures(0, 0.9, 0.8, 0.9), make_figures(1, 1.0, 0.9, 1.0)],
        "b": [make_figures(0, 0.6, 0.5, 0.8), make_figures(1, 0.6, 0.5, 0.8)],
    }
    found = summarise(rows)
    assert (found.auc, found.pauc) == pytest.approx((0.775, 0.675))
    assert (found.worst_auc, found.worst_pauc) == pytest.approx((0.6, 0.5))
    assert (found.spread_auc, found.spread_pauc) == pytest.approx((0.05, 0.05))
    assert found.regret == pytest.approx(0.1)
