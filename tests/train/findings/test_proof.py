"""What the amount of normal sound proves."""

from pathlib import Path

import pytest

from aegan_train.findings.proof import Proof, describe_rate, find_proof
from aegan_train.recordings.folder import Clip


def make_clips(*recordings: str) -> list[Clip]:
    """A file of each recording."""
    return [Clip(Path(f"{number}.wav"), "train", "00", False, number, recording) for number, recording in enumerate(recordings)]


def prove(n_scored: int, n_over: int = 0, recordings: tuple[str, ...] = ("a", "a", "b")) -> Proof:
    """The proof of `n_scored` held-out clips of 10 s, `n_over` of them over the threshold."""
    scores = [2.0] * n_over + [1.0] * (n_scored - n_over)
    return find_proof(make_clips("c", "c", "d", "e"), 40.0, make_clips(*recordings), n_scored * 10.0, scores, 1.5, 10.0)


def test_no_alarm_proves_three_over_the_time() -> None:
    """Without an alarm in an hour there may be three an hour (rule of three); in 504 hours one a week."""
    assert prove(360).most_an_hour == pytest.approx(3, rel=0.01)
    assert prove(504 * 360).most_an_hour * 168 == pytest.approx(1, rel=0.01)


def test_alarms_prove_less() -> None:
    """With two clips over the threshold the limit is that of a table of Poisson limits, 6.30 over the time."""
    proof = prove(360, 2)
    assert proof.n_over == 2
    assert proof.most_an_hour == pytest.approx(6.30, abs=0.01)
    assert "false alarms: 2 of 360 held-out clips (60 min) over the threshold; that proves at most 6 an hour" in proof.describe()[1]


def test_recordings_count_not_clips() -> None:
    """The lines name recordings beside files, the hours for one alarm a week, and how many recordings a proof takes."""
    lines = prove(12).describe()
    assert lines[0] == "normal sound: 40 s (4 files of 3 recordings) to train on; 2 min (3 files of 2 recordings) held out"
    assert "none of 12 held-out clips (2 min) over the threshold; that proves at most 90 an hour, with 95 % confidence" in lines[1]
    assert "504 h" in lines[2]
    assert "59 recordings of different days" in lines[-1]
    assert not any("manifest" in line for line in lines)


def test_unknown_recordings_are_no_proof_of_days() -> None:
    """Files whose recording is not known are not counted as recordings, and a line says so."""
    proof = prove(12, recordings=("a", ""))
    assert (proof.n_fitted_recordings, proof.n_held_out_recordings) == (3, None)
    lines = proof.describe()
    assert "(2 files) held out" in lines[0]
    assert any("not known (no tags, no manifest.csv)" in line for line in lines)


def test_long_files_are_scored_in_part() -> None:
    """Held-out sound counts as far as it was scored."""
    proof = find_proof(make_clips("a"), 10.0, make_clips("b"), 7200.0, [1.0] * 180, 1.5, 10.0)
    assert proof.scored_s == 1800
    assert proof.most_an_hour == pytest.approx(6, rel=0.01)


@pytest.mark.parametrize(("an_hour", "words"), [(90.0, "90 an hour"), (0.5, "12 a day"), (1 / 168, "1.0 a week")])
def test_rates_are_in_words(an_hour: float, words: str) -> None:
    """A rate is given an hour, a day or a week."""
    assert describe_rate(an_hour) == words
