"""The rows of the published tables: settings and figures."""

from pathlib import Path

import pytest

from aegan_monitor.detection.segments import cut_segments
from aegan_train.config import TrainConfig, load_config
from aegan_train.dcase.published import PUBLISHED, find_row_config

# set, machine: sets, generator norm, match, weight, beta1, first norm, epochs, score, figure, as the method's description has them
TABLE = """
dcase2020 fan         dev      ln mu       1    0.5 yes 50 D_lof       77.01
dcase2020 pump        dev+eval ln mu+sigma 1    0.5 yes 50 D_lof       81.26
dcase2020 slider      dev+eval bn mu       1    0.5 yes 50 G_x_2_sum   86.50
dcase2020 ToyCar      dev+eval ln mu+sigma 1    0.5 yes 50 D_knn       86.62
dcase2020 ToyConveyor dev+eval ln mu       0.05 0.5 yes 50 G_z_2_min   73.27
dcase2020 valve       dev+eval bn mu       0.05 0.5 yes 50 G_z_cos_sum 77.60
dcase2022 bearing     dev+eval ln mu       0.1  0.5 no  60 G_z_1_sum   76.03
dcase2022 fan         dev+eval ln mu       0.1  0.5 no  60 G_z_cos_min 65.83
dcase2022 gearbox     dev      bn mu+sigma 0.1  0.5 yes 60 G_z_cos_min 75.27
dcase2022 slider      dev      ln mu       0.1  0.5 yes 60 D_lof       74.06
dcase2022 ToyCar      dev      ln mu       0.1  0   no  60 G_z_1_sum   78.46
"""
ROWS = [line.split() for line in TABLE.split("\n") if line]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "_".join(row[:2]))
def test_a_row_is_the_published_one(row: list[str], repository: Path) -> None:
    """Each setting that the table has, and every other as the method has it."""
    naming, machine_type, sets, norm, match, weight, beta1, first_norm, n_epochs, score, figure = row
    path = repository / "configs" / "train" / f"{naming}_{machine_type}.yaml"
    expected = {
        "sets": sets.split("+"),
        "generator_norm": norm,
        "match": match,
        "match_weight": float(weight),
        "beta1": float(beta1),
        "first_norm": first_norm == "yes",
        "n_epochs": int(n_epochs),
        "score": score,
        "score_by_labels": True,
        "top_db": 80.0,
    }
    the_same_for_all = TrainConfig(
        ndf=32, nz=256, discriminator_norm="ln", learning_rate=2e-4, n_critic=1, batch_segments=512, segment_hop_frames=1, clip_frames=313,
        band_scale="mel", n_backgrounds=0, fusion=[], n_redraws=0, arithmetic="fp32", precision="fp32",
    )  # fmt: skip
    assert load_config("paper", path, "reference") == the_same_for_all.model_copy(update=expected)
    published = {name: PUBLISHED[name] for name in ("dcase2020", "dcase2022")}[naming][machine_type]
    assert (published.score_id, published.figure) == (score, float(figure))


def test_every_row_has_a_file_and_every_file_a_row(repository: Path) -> None:
    """All eleven rows have a configuration file, and every file has a row."""
    named = {find_row_config(naming, machine_type).name for naming, each in PUBLISHED.items() for machine_type in each}
    assert named == {path.name for path in (repository / "configs" / "train").iterdir()}
    assert len(named) == len(ROWS) == 11


def test_the_rows_score_all_segments_and_add_them_up(repository: Path) -> None:
    """Hop 1: 186 segments of 128 in 313 frames, so that mean times segments is the plain sum; and the score names its labels."""
    import numpy as np

    from aegan_monitor.detection.scores import POOLS

    config = load_config("paper", repository / "configs" / "train" / "dcase2020_slider.yaml", "reference")
    segments = cut_segments(np.arange(128 * 313, dtype=np.float32).reshape(128, 313), config.clip)
    assert segments.shape == (186, 1, 128, 128)
    assert [int(segment[0, 0, 0]) for segment in segments] == list(range(186))
    errors = np.random.default_rng(0).uniform(size=len(segments))
    assert POOLS["sum"](errors, config.clip.n_segments) == pytest.approx(sum(errors.tolist()), rel=1e-12)
    assert config.features.top_db == 80
    assert config.choice.startswith("G_x_2_sum, as published: ")
