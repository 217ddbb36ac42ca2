"""The settings of a training."""

from pathlib import Path

import pytest

from aegan_monitor.detection.scores import SPACE_SCORES
from aegan_monitor.errors import ConfigError
from aegan_train.budget import find_learning_rate
from aegan_train.config import PRESETS, TrainConfig, load_config


def test_the_cosine_schedule_begins_at_the_rate_and_falls_to_nearly_nothing() -> None:
    """The cosine schedule falls from the full rate over one half to nearly 0; a constant one stays."""
    config = load_config("edge", None, "robust", n_epochs=40, learning_rate=1e-3)
    assert find_learning_rate(config, 0, 40) == 1e-3
    assert find_learning_rate(config, 20, 40) == pytest.approx(5e-4)
    assert 0 < find_learning_rate(config, 39, 40) < 2e-6
    assert {find_learning_rate(load_config("edge", None), epoch, 60) for epoch in (0, 30, 59)} == {2e-4}


@pytest.mark.parametrize("content", ["", "# nothing differs\n"])
def test_a_file_that_changes_nothing_is_a_configuration(tmp_path: Path, content: str) -> None:
    """An empty file, or one of comments alone, is accepted."""
    (tmp_path / "c.yaml").write_text(content)
    assert load_config("paper", tmp_path / "c.yaml") == TrainConfig()


def test_presets_are_the_documented_ones() -> None:
    """ndf, nz, batch and hop of each."""
    found = {
        name: (c.ndf, c.nz, c.batch_segments, c.segment_hop_frames, c.network.n_embedding)
        for name in PRESETS
        for c in [load_config(name, None)]
    }
    assert found == {"paper": (32, 256, 512, 1, 512), "edge": (16, 256, 32, 16, 256), "tiny": (8, 64, 32, 16, 128)}


def test_f_tail_refuses_what_cannot_be_cross_fitted() -> None:
    """Scores of the generator are no members of F_joint, and may be of F_mean."""
    members = ["D_maha", "G_z_2_sum"]
    line = "fusion: F_joint joins scores of embeddings and of bands, not G_z_2_sum; take it out, or set score: F_mean"
    with pytest.raises(ConfigError, match=line):
        load_config("edge", None, score="F_joint", fusion=members)
    assert load_config("edge", None, score="F_mean", fusion=members).fused == "F_mean"
    assert [load_config("edge", None, score="D_near", fusion=each).fused for each in (members, ["D_maha"])] == ["F_mean", "F_joint"]
    with pytest.raises(ConfigError, match="score: 'F_joint' is none of D_maha, "):
        load_config("edge", None, score="F_joint")


def test_a_file_with_fusion_has_the_last_word(tmp_path: Path) -> None:
    """The recipe's members for a rhythm hold only where the file does not name members of its own."""
    (tmp_path / "own.yaml").write_text("fusion: [D_near, C_flux]\n")
    own = load_config("edge", tmp_path / "own.yaml", "robust")
    assert (own.fusion, own.rhythm_fusion) == (["D_near", "C_flux"], [])
    assert "C_moments" in load_config("edge", None, "robust").rhythm_fusion
    with pytest.raises(ConfigError, match="'C_beat' is none of"):
        load_config("edge", None, "robust", rhythm_fusion=["C_beat"])


def test_each_recipe_says_how_its_score_is_made() -> None:
    """`robust` decides by F_joint of embeddings and bands, a file may say F_mean, and the sentence for the bundle names the members."""
    robust, own = (load_config("edge", None, "robust", **each) for each in ({}, {"score": "F_mean", "fusion": ["D_near", "D_maha"]}))
    assert (robust.score, robust.fusion, own.score) == ("F_joint", list(SPACE_SCORES), "F_mean")
    assert own.choice.startswith("F_mean, the mean of D_near, D_maha: each as log ratio to held-out normal sound, ")
    assert robust.choice.startswith("F_joint of D_density, D_near_density, C_linear_maha, ")
    assert "in units of its spread over recordings, joined by their correlations" in robust.choice
