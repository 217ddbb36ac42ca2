"""The amount of normal sound."""

from pathlib import Path

from aegan_train.findings.amount import Amount, measure_amount
from aegan_train.recordings.folder import Clip


def make_clips(*recordings: str) -> list[Clip]:
    """A file of each recording."""
    return [Clip(Path(f"{number}.wav"), "train", "00", False, number, recording) for number, recording in enumerate(recordings)]


def measure(*recordings: str) -> Amount:
    """The amount with held-out clips of these recordings."""
    return measure_amount(make_clips("c", "c", "d", "e"), 40.0, make_clips(*recordings), 120.0)


def test_recordings_count_not_clips() -> None:
    """The lines name recordings beside files, and how many recordings a proof of days takes."""
    lines = measure("a", "a", "b").describe()
    assert lines[0] == "normal sound: 40 s (4 files of 3 recordings) to train on; 2 min (3 files of 2 recordings) held out"
    assert "59 recordings of different days" in lines[-1]
    assert not any("manifest" in line for line in lines)


def test_unknown_recordings_are_no_proof_of_days() -> None:
    """Files whose recording is not known are not counted as recordings, and a line says so."""
    found = measure("a", "")
    assert (found.n_fitted_recordings, found.n_held_out_recordings) == (3, None)
    lines = found.describe()
    assert "(2 files) held out" in lines[0]
    assert any("not known (no tags, no manifest.csv)" in line for line in lines)
