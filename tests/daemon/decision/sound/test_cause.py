"""The cause of an alarm: kind, beginning, the score that is most unlike normal sound, and the sentence."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aegan_monitor.decision.sound.cause import (
    KINDS,
    N_KEPT,
    NORMAL_AGAIN,
    REST_USUAL,
    UNKNOWN_STATE,
    UNLIKE,
    Cause,
    Kind,
    SoundHistory,
    describe_cause,
    find_kind,
)
from aegan_monitor.decision.sound.changed_bands import Change, measure_usual
from aegan_monitor.detection.record import BundleFields, FusionTerm, UsualBands
from aegan_monitor.detection.scores import SCORE_IDS
from aegan_monitor.types import ClipScore, DoubleArray
from fakes import make_fields, make_reference

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
HOP_S, N_PIECES, PIECES_PER_S = 1.024, 152, 15.625
ROWS_DB = np.random.default_rng(3).normal(-40, 0.5, (20, 128))
REFERENCE = replace(make_reference(), baseline_clips=np.stack([ROWS_DB, ROWS_DB], axis=1), baseline_std=np.stack([ROWS_DB.std(axis=0)] * 2))
TONE = Change(4465.1, 4899.2, 14.2, 13.1, is_unheard=True)
LOUD = "4.47 to 4.90 kHz louder than ever, by 14 dB, 13 times the usual deviation"
LESS = "0.37 to 0.50 kHz quieter than usual, by 3 dB, 5 times the usual deviation"
ORDER = "the order of sounds within two seconds is unusual (a beat missing, late, weak or double)"
QUIET = Change(372.1, 496.1, -3.2, 5.4, is_unheard=False)


def make_known() -> BundleFields:
    """The fields of a bundle that knows the usual bands."""
    usual_db = measure_usual(ROWS_DB - ROWS_DB.mean(axis=0))
    usual = UsualBands(deviation_db=usual_db.tolist(), lowest_db=ROWS_DB.min(axis=0).tolist(), highest_db=ROWS_DB.max(axis=0).tolist())
    return make_fields().model_copy(update={"usual_bands": usual})


KNOWN = make_known()


def play(history: SoundHistory, levels_db: Iterable[float]) -> ClipScore:
    """Add a clip a hop, whose bands 70 to 77 are so much louder than normal sound; the last clip."""
    for place, level_db in enumerate(levels_db):
        bands_db = ROWS_DB[place % len(ROWS_DB)].copy()
        bands_db[70:78] += level_db
        clip = ClipScore(place, {"D_maha": 1.0}, -30.0, bands_db=bands_db)
        history.add(clip, NOW + timedelta(seconds=place * HOP_S))
    return clip


def pulses(*starts_s: float, length_s: float = 0.15, duration_s: float = 9.73) -> DoubleArray:
    """The excess of pieces with a loud sound at each time, over faint noise."""
    excess = 0.3 * np.random.default_rng(0).random(round(duration_s * PIECES_PER_S))
    for start_s in starts_s:
        excess[round(start_s * PIECES_PER_S) : round((start_s + length_s) * PIECES_PER_S)] += 4
    return excess


@pytest.mark.parametrize(
    ("levels_db", "first"),
    [
        ([0] * 10 + [12] * 5, 10),
        ([0] * 10 + list(range(13)), 12),  # it grows: from 1 to 2 dB on it is over half of the least change
        ([0] * 5 + [12] * 5 + [0] * 5 + [12] * 5, 15),  # the first run is another one
        ([12] * 4, 0),
        ([0] * 10 + [12] * (N_KEPT + 50), 60),  # the memory is bounded
    ],
)
def test_the_beginning_is_that_of_the_unbroken_run(levels_db: list[float], first: int) -> None:
    """`since` is the first decision of the run up to now in which the band was already changed."""
    history = SoundHistory(KNOWN, "D_maha", REFERENCE)
    clip = play(history, levels_db)
    cause = history.explain(clip, NOW - timedelta(hours=1))
    assert cause.since is not None
    assert abs((cause.since - NOW).total_seconds() / HOP_S - first) <= 1
    assert (cause.changes[0].from_hz < 4_500, cause.changes[0].to_hz > 4_800) == (True, True)


@pytest.mark.parametrize(("fields", "reference"), [(make_fields(), REFERENCE), (KNOWN, None)])
def test_without_usual_bands_none_is_named(fields: BundleFields, reference: object) -> None:
    """A bundle of format 2 has none: the cause says since when the score rose, and which score it is."""
    history = SoundHistory(fields, "D_maha", None if reference is None else REFERENCE)
    cause = history.explain(play(history, [12]), NOW)
    assert cause == Cause((), None, NOW, "D_maha")
    assert describe_cause(cause) == "no band stands out; the network finds the sound unlike normal sound; since 08:15 UTC"


@pytest.mark.parametrize(
    ("kind", "excess"),
    [
        ("lasting", np.full(N_PIECES, 0.5)),
        ("lasting", pulses(2, length_s=3)),
        ("lasting", pulses(*np.arange(0.1, 9, 1.15), length_s=0.8)),  # most of the time, whatever its rhythm
        ("transient", pulses(5)),
        ("transient", pulses(5, 5.3, 5.55)),  # claps
        ("rhythm", pulses(*np.arange(0.2, 9, 0.7))),
        ("rhythm", pulses(*np.arange(0.5, 9, 1.15), length_s=0.4)),
    ],
)
def test_a_sound_lasts_or_returns_or_passes(kind: Kind, excess: DoubleArray) -> None:
    """The kind follows from the pieces of one clip."""
    assert find_kind(excess, excess) == kind


@pytest.mark.parametrize(("starts_s", "kind"), [([53], "transient"), ([10, 53], "transient"), ([10, 31, 53], "rhythm")])
def test_a_short_sound_that_comes_again_within_a_minute_returns(starts_s: list[float], kind: Kind) -> None:
    """Three short sounds in the last minute are no single one, although each clip holds one at most."""
    recent = pulses(*starts_s, duration_s=60)
    assert find_kind(recent[-N_PIECES:], recent) == kind


def test_the_member_of_the_score_that_is_most_unlike_is_named() -> None:
    """Members count in units of normal sound, not by their values; a score without members is its own."""
    terms = {"D_maha": FusionTerm(centre=2.0, scale=1.0), "C_moments": FusionTerm(centre=-1.0, scale=0.1)}
    fields = make_fields().model_copy(update={"fusion": terms, "fused": "F_joint"})
    clip = ClipScore(1, {"F_joint": 3.0}, -30.0, members={"D_maha": 20.0, "C_moments": 0.6})
    found = [SoundHistory(fields, score).explain(clip, NOW).unlike for score in ("F_joint", "D_maha")]
    assert found == ["C_moments", "D_maha"]


def test_each_score_has_words() -> None:
    """A score that is added needs words, or the first letter of its id has them."""
    assert all(name in UNLIKE or name[0] in UNLIKE for name in (*SCORE_IDS, "F_joint", "F_mean"))
    assert set(UNLIKE) <= {*SCORE_IDS, *"CDGF"}


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (Cause((TONE,), "lasting", NOW, "D_maha"), f"{LOUD}; lasting; since 08:15 UTC"),
        (Cause((TONE, QUIET), "rhythm", None, "D_maha"), f"{LOUD}; {LESS}; comes again and again"),
        (Cause((), "rhythm", NOW, "C_moments"), f"no band stands out; {ORDER}; comes again and again; since 08:15 UTC"),
        (Cause((), "transient", None, "F_joint"), "no band stands out; the sound is unlike normal sound; a short sound"),
        (Cause((TONE,), "lasting", None, "D_maha", in_unknown_state=True), f"{UNKNOWN_STATE}; {LOUD}; lasting"),
        (Cause((TONE,), "lasting", None, "D_maha", rest_is_usual=True), f"{LOUD}; {REST_USUAL}; lasting"),
        (None, NORMAL_AGAIN),
    ],
)
def test_sentences(cause: Cause | None, words: str) -> None:
    """The sentence is made of the published fields alone."""
    assert describe_cause(cause) == words


def test_each_kind_has_words() -> None:
    """The table of kinds is complete."""
    assert set(KINDS) == {"transient", "rhythm", "lasting"}
