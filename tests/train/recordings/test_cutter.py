"""Recordings cut into clips, and short files of one recording joined."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.recording import read_recording
from aegan_train.recordings.cutter import Cutter, cut
from aegan_train.recordings.folder import Clip
from aegan_train.run_folder import WriteError
from synthetic import RATE_HZ, write_wav

RNG = np.random.default_rng(0)
N = 40  # samples of a piece
SILENT = 5  # equal samples of a block without sound


def make_cutter(folder: Path, *, channel: int | None = None, any_rate: bool = True) -> Cutter:
    """A cutter of clips of 5 s, of which 4 s can be trained on."""
    return Cutter(folder / "cut", RATE_HZ, 5 * RATE_HZ, 4 * RATE_HZ, channel, any_rate)


def make_files(*paths: Path, recording: str = "") -> list[Clip]:
    """The files of a recording."""
    return [Clip(path, "train", "00", False, number, recording) for number, path in enumerate(paths)]


def read_all(clips: list[Clip]) -> np.ndarray:
    """The joined samples of some clips."""
    return np.concatenate([read_recording(clip.path, RATE_HZ) for clip in clips])


@given(lengths=st.lists(st.integers(0, 3 * N), min_size=1, max_size=12))
def test_pieces_are_all_of_the_sound_however_it_is_split(lengths: list[int]) -> None:
    """Pieces have the wanted length, the last one what is left over, and nothing is lost, doubled or moved."""
    sound = np.arange(1, 1 + sum(lengths), dtype=np.float32)
    blocks = np.split(sound, np.cumsum(lengths)[:-1])
    found = list(cut(blocks, N, SILENT))
    np.testing.assert_array_equal(np.concatenate([np.zeros(0), *(piece for _, piece in found)]), sound)
    assert all(len(piece) == N for _, piece in found[:-1])
    assert all(len(piece) < 2 * N and (len(piece) >= N or len(found) == 1) for _, piece in found[-1:])
    assert all(piece[0] == first + 1 for first, piece in found)


@given(lengths=st.lists(st.integers(SILENT, 3 * N), min_size=2, max_size=8), silent=st.lists(st.booleans(), min_size=8, max_size=8))
def test_no_piece_spans_silence(lengths: list[int], silent: list[bool]) -> None:
    """All of the sound is in pieces, none of the silence, and each piece is one stretch of the recording."""
    ends = np.cumsum(lengths)
    sound = np.arange(1, 1 + ends[-1], dtype=np.float32)
    blocks = [
        np.zeros(n, np.float32) if is_silent else part
        for part, n, is_silent in zip(np.split(sound, ends[:-1]), lengths, silent, strict=False)
    ]
    found = list(cut(blocks, N, SILENT))
    assert [x for _, piece in found for x in piece.tolist()] == [x for block in blocks for x in block.tolist() if x]
    for first, piece in found:
        np.testing.assert_array_equal(piece, np.arange(first + 1, first + 1 + len(piece)))


def test_a_channel_of_a_file_of_another_rate(tmp_path: Path) -> None:
    """The clips are the chosen channel as soxr resamples it, named by file and place; without a channel the file is skipped."""
    sound = 0.1 * RNG.standard_normal((44_100 * 23, 2))
    path = write_wav(tmp_path / "Aufnahme 1.WAV", sound, 44_100, subtype="FLOAT")
    clips = make_cutter(tmp_path, channel=1).cut_recording(make_files(path))
    assert [clip.path.name for clip in clips] == [f"Aufnahme 1.WAV at 0.00.{second:02d}.flac" for second in (0, 5, 10, 15)]
    assert [(clip.recording, clip.begins_s) for clip in clips] == [(str(path), begins_s) for begins_s in (0, 5, 10, 15)]
    expected = soxr.resample(sound[:, 1].astype(np.float32), 44_100, RATE_HZ)
    np.testing.assert_allclose(read_all(clips), expected, atol=1e-6)
    cutter = make_cutter(tmp_path)
    assert cutter.cut_recording(make_files(path)) == []
    ((skipped, reason),) = cutter.skipped
    assert skipped == path
    assert "choose one with --channel N (fit, " in reason


@pytest.mark.full
def test_an_hour_in_one_file(tmp_path: Path) -> None:
    """An hour of 44.1 kHz in stereo is all there, on one channel, in a memory of a few clips."""
    second = np.stack([np.zeros(44_100), 0.1 * RNG.standard_normal(44_100)], axis=1)
    path = write_wav(tmp_path / "hour.wav", np.tile(second, (3600, 1)).astype(np.float32), 44_100)
    clips = make_cutter(tmp_path, channel=1).cut_recording(make_files(path))
    assert len(clips) == 720
    lengths = [len(read_recording(clip.path, RATE_HZ)) for clip in clips]
    assert sum(lengths) == pytest.approx(3600 * RATE_HZ, abs=2)
    assert np.abs(read_recording(clips[-1].path, RATE_HZ)).max() > 0.1


def test_short_files_are_joined_bit_for_bit(tmp_path: Path) -> None:
    """Files of 3 s become clips of 5 s with the same samples; a clip is named by the file and the place where it begins."""
    parts = [np.round(3000 * RNG.standard_normal(3 * RATE_HZ)) / 32768 for _ in range(4)]
    paths = [write_wav(tmp_path / f"{number}.wav", part) for number, part in enumerate(parts)]
    clips = make_cutter(tmp_path, any_rate=False).cut_recording(make_files(*paths, recording="flight 1"))
    np.testing.assert_array_equal(read_all(clips), np.concatenate(parts).astype(np.float32))
    assert [(clip.path.name, clip.recording) for clip in clips] == [
        ("0.wav at 0.00.00.flac", "flight 1"),
        ("1.wav at 0.00.02.flac", "flight 1"),
    ]
    assert [clip.begins_s for clip in clips] == [0, 5]


def spoil(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that give no clip, and the begin of the reason."""
    good = write_wav(folder / "good.wav", 0.1 * RNG.standard_normal(6 * RATE_HZ))
    yield good, ""
    (folder / "copy.wav").write_bytes(good.read_bytes())
    yield folder / "copy.wav", "the same samples as good.wav; remove one of them"
    yield write_wav(folder / "short.wav", 0.1 * RNG.standard_normal(RATE_HZ)), "expected at least 4.00 s of sound, found less; "
    yield write_wav(folder / "silent.wav", np.zeros(9 * RATE_HZ)), "expected at least 4.00 s of sound, found less; "
    yield folder / "missing.wav", "expected a WAV or FLAC recording, found: No such file or directory"
    (folder / "text.wav").write_text("hello")
    yield folder / "text.wav", "expected a WAV or FLAC recording, found a file that cannot be read as one"
    damaged = 0.1 * RNG.standard_normal(9 * RATE_HZ)
    damaged[6 * RATE_HZ :] = np.nan
    yield (
        write_wav(folder / "damaged.wav", damaged, subtype="FLOAT"),
        "expected samples from -1 to 1, found nan at sample 96000 (6.000 s); ",
    )


def test_what_gives_no_clip_is_listed_with_the_reason(tmp_path: Path) -> None:
    """Each file is skipped with its reason; of a damaged one the sound before the damage is used, and that is said."""
    cutter = make_cutter(tmp_path)
    reasons = dict(spoil(tmp_path))
    n_clips = sum(len(cutter.cut_recording(make_files(path))) for path in reasons)
    skipped = dict(cutter.skipped)
    assert n_clips == 2  # of the good and of the damaged one
    assert cutter.n_left_out == 10 * RATE_HZ  # the short and the silent one
    assert skipped.keys() == {path for path, reason in reasons.items() if reason}
    for path, reason in skipped.items():
        assert reason.startswith(reasons[path]), path
    assert skipped[tmp_path / "damaged.wav"].endswith("(the 6 s before are used)")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A folder that cannot be written is one line with the remedy."""
    (tmp_path / "cut").touch()
    path = write_wav(tmp_path / "a.wav", 0.1 * RNG.standard_normal(6 * RATE_HZ))
    with pytest.raises(WriteError, match="cut: the clips cannot be stored: Not a directory; make it writable$"):
        make_cutter(tmp_path).cut_recording(make_files(path))


def test_names_of_any_length_fit(tmp_path: Path) -> None:
    """A file name of 250 bytes, and a second one with the same begin, give clips with different names."""
    paths = [write_wav(tmp_path / f"{'ü' * 120}{number}.wav", 0.1 * RNG.standard_normal(6 * RATE_HZ)) for number in range(2)]
    cutter = make_cutter(tmp_path)
    clips = [clip for path in paths for clip in cutter.cut_recording(make_files(path))]
    assert len({clip.path for clip in clips}) == len(clips) == 2
