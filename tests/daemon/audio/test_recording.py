"""Recordings from many recorders: which samples are read, and with which note."""

import logging
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegan_monitor.audio.file import FileCapture
from aegan_monitor.audio.recording import Recording, find_rate_hz, read_recording
from aegan_monitor.errors import CaptureError
from sound_files import RATE_HZ, noise, set_data_size, set_flac_total, write

UNFINISHED = "its header was never finished"


@pytest.mark.parametrize("extension", ["wav", "flac", "rf64", "w64", "WAV"])
def test_samples_are_those_that_were_written(tmp_path: Path, extension: str) -> None:
    """A recording is read exactly, as float32 with full scale 1, without a note."""
    samples = read_recording(write(tmp_path / f"pump.{extension}", noise(20_000), subtype="PCM_16"), RATE_HZ)
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, noise(20_000))


@pytest.mark.parametrize("promised_bytes", [0, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x80000000, 0x7FFFF000, 0x7FFFFFFF])
def test_an_unfinished_header_costs_nothing(tmp_path: Path, promised_bytes: int, caplog: pytest.LogCaptureFixture) -> None:
    """After an unfinished header everything up to the end of the file is read, with a note."""
    path = set_data_size(write(tmp_path / "pump.wav", noise(20_000)), promised_bytes)
    np.testing.assert_array_equal(read_recording(path, RATE_HZ), noise(20_000))
    read_recording(path, RATE_HZ)
    assert [record.getMessage() for record in caplog.records] == [f"{path}: {UNFINISHED}; it is read to the end of the file"]


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT", "ULAW", "PCM_U8"])
def test_an_unfinished_header_is_read_in_any_sample_format(tmp_path: Path, subtype: str) -> None:
    """A data size of 0 gives the samples of the same file with its true size."""
    path = write(tmp_path / "pump.wav", noise(5000), subtype=subtype)
    expected = soundfile.read(path, dtype="float32")[0]
    np.testing.assert_array_equal(read_recording(set_data_size(path, 0), RATE_HZ), expected)


def test_rf64_and_w64_of_a_pipe_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """RF64 with sizes of zero and W64 with the largest size, as from a pipe, are read."""
    rf64, w64 = (write(tmp_path / f"pump.{each}", noise(20_000), subtype="PCM_16") for each in ("rf64", "w64"))
    content = rf64.read_bytes()
    at = content.index(b"ds64") + 8
    rf64.write_bytes(content[:at] + bytes(24) + content[at + 24 :])
    content = w64.read_bytes()
    at = content.index(b"data\xf3") + 16
    w64.write_bytes(content[:at] + (2**63 - 1).to_bytes(8, "little") + content[at + 8 :])
    for path in (rf64, w64):
        np.testing.assert_array_equal(read_recording(path, RATE_HZ), noise(20_000))
    assert [UNFINISHED in record.getMessage() for record in caplog.records] == [True, True]


def test_an_empty_data_chunk_is_not_filled_with_what_follows(tmp_path: Path) -> None:
    """A text chunk after an empty data chunk is not read as sound."""
    path = write(tmp_path / "pump.wav", noise(0))
    path.write_bytes(path.read_bytes() + b"LIST\x1a\x00\x00\x00INFOISFT\x0e\x00\x00\x00Lavf59.27.100\x00")
    with pytest.raises(CaptureError, match=r": expected sound, found 0 samples; "):
        read_recording(path, RATE_HZ)


@pytest.mark.parametrize("total", [0, 240_000])
def test_the_frames_of_a_flac_decide_how_long_it_is(tmp_path: Path, total: int, caplog: pytest.LogCaptureFixture) -> None:
    """A FLAC with an unknown or a wrong total is read completely."""
    path = set_flac_total(write(tmp_path / "pump.flac", noise(20_000)), total)
    np.testing.assert_array_equal(read_recording(path, RATE_HZ), noise(20_000))
    notes = [f"{path}: its header promises 15.0 s, 1.2 s are there and are read"] if total else []
    assert [record.getMessage() for record in caplog.records] == notes


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0.45, 1, exclude_max=True))
def test_a_flac_that_ends_early_is_read_up_to_its_last_frame(tmp_path: Path, part: float) -> None:
    """A truncated FLAC gives the samples of all complete frames, and no others."""
    path = write(tmp_path / "pump.flac", noise(20_000))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    samples = read_recording(path, RATE_HZ)
    assert len(samples) >= part * 20_000 - 2 * 4096  # a frame has 4096
    np.testing.assert_array_equal(samples, noise(20_000)[: len(samples)])


@pytest.mark.process
@pytest.mark.ffmpeg
def test_the_segments_of_ffmpeg_join_to_the_recording(tmp_path: Path) -> None:
    """All segments of `ffmpeg -f segment` are read and join to the recording."""
    write(tmp_path / "all.wav", noise(15 * RATE_HZ))
    command = ["ffmpeg", "-v", "error", "-i", "all.wav", "-f", "segment", "-segment_time", "6", "-c:a", "flac", "s_%02d.flac"]
    subprocess.run(command, check=True, cwd=tmp_path, stdin=subprocess.DEVNULL)
    segments = [read_recording(path, RATE_HZ) for path in sorted(tmp_path.glob("s_*.flac"))]
    assert len(segments) > 1
    np.testing.assert_array_equal(np.concatenate(segments), noise(15 * RATE_HZ))


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "NMS_ADPCM_16", "NMS_ADPCM_32", "IMA_ADPCM", "MS_ADPCM"])
def test_a_codec_that_cannot_seek_is_read(tmp_path: Path, subtype: str) -> None:
    """Codecs without seeking are read from begin to end."""
    path = write(tmp_path / "pump.wav", 0.1 * noise(16_000), subtype=subtype)
    assert abs(len(read_recording(path, RATE_HZ)) - 16_000) < 500  # whole blocks of the codec
    capture = FileCapture([path, path], RATE_HZ, "fast")
    capture.open()
    assert sum(len(block.samples) for block in iter(capture.read, None)) == 2 * len(read_recording(path, RATE_HZ))


def test_a_name_need_not_be_utf_8(tmp_path: Path) -> None:
    """A name that is not UTF-8 is read, and escaped in messages."""
    path = write(tmp_path / os.fsdecode(b"L\xfcfter\n1.wav"), noise(100), format="WAV")
    np.testing.assert_array_equal(read_recording(path, RATE_HZ), noise(100))
    with pytest.raises(CaptureError, match=r"L\\udcfcfter\\n1\.wav: expected a rate of at least 32000 Hz"):
        read_recording(path, 32_000)
    assert FileCapture([path], RATE_HZ).describe().isprintable()


@pytest.mark.parametrize("channel", [0, 1, 7])
def test_one_channel_of_many(tmp_path: Path, channel: int) -> None:
    """One channel is read alone, as a file or a capture, without mixing."""
    samples = noise(20_000, n_channels=8)
    path = write(tmp_path / "array.wav", samples)
    np.testing.assert_array_equal(read_recording(path, RATE_HZ, channel), samples[:, channel])
    capture = FileCapture([path], RATE_HZ, "fast", channel=channel)
    capture.open()
    np.testing.assert_array_equal(np.concatenate([block.samples for block in iter(capture.read, None)]), samples[:, channel])
    with Recording(path, channel=channel) as recording:
        assert (recording.n_channels, recording.sample_rate_hz, recording.n_samples) == (8, RATE_HZ, 20_000)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([8000, 22_050, 44_100, 48_000, 96_000]), st.integers(1, 120_000), st.lists(st.integers(1, 30_000), min_size=1))
def test_another_rate_is_resampled(tmp_path: Path, rate_hz: int, n_samples: int, sizes: list[int]) -> None:
    """Reads of any sizes join to the samples that soxr gives in one call, as many as the header announces."""
    path = write(tmp_path / "pump.wav", noise(n_samples), rate_hz)
    expected = soxr.resample(noise(n_samples), rate_hz, RATE_HZ)
    with Recording(path, RATE_HZ, any_rate=True) as recording:
        assert (recording.sample_rate_hz, recording.n_samples) == (RATE_HZ, len(expected))
        parts = [recording.read(size) for size in sizes]
        parts.append(recording.read(len(expected) + 1))
        assert len(recording.read(1)) == 0
    for size, part in zip(sizes, parts[:-1], strict=True):
        assert len(part) == size or not len(parts[-1])
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-6)


def test_low_rates_that_are_taken_are_noted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Several recordings of a low rate give one note that says what is missing."""
    paths = [write(tmp_path / f"{number}.wav", noise(9000), 9000) for number in range(2)]
    for path in paths:
        with Recording(path, RATE_HZ, any_rate=True) as recording:
            assert len(recording.read(2 * RATE_HZ)) == RATE_HZ
    (note,) = (record.getMessage() for record in caplog.records)
    assert note.startswith("a recording at 9000 Hz has no sound above 4500 Hz, ")


def test_a_note_is_in_seconds_of_the_recording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The lengths in a note, and the place of a bad sample, are those of the file and not of the resampled sound."""
    path = set_flac_total(write(tmp_path / "pump.flac", noise(48_000), 48_000), 96_000)
    assert len(read_recording(path, RATE_HZ)) == RATE_HZ
    assert [record.getMessage() for record in caplog.records] == [f"{path}: its header promises 2.0 s, 1.0 s are there and are read"]
    sound = noise(96_000)
    sound[72_000] = np.nan
    with pytest.raises(CaptureError, match=r"found nan at sample 72000 \(1\.500 s\); "):
        read_recording(write(tmp_path / "pump.wav", sound, 48_000, subtype="FLOAT"), RATE_HZ)


def test_find_rate(tmp_path: Path) -> None:
    """The rate is found for any number of channels; None where the file is no recording."""
    assert find_rate_hz(write(tmp_path / "a.wav", noise(100, n_channels=2), 44_100)) == 44_100
    assert find_rate_hz(tmp_path / "none.wav") is None


def test_a_flac_cannot_fill_the_memory(tmp_path: Path) -> None:
    """A recording longer than the bound is refused when the bound is reached."""
    path = write(tmp_path / "long.flac", np.zeros(100 * 4 * 3600 + 200, np.float32), 100)
    assert path.stat().st_size < 50_000
    with pytest.raises(CaptureError, match=r": expected at most 4 h, found more; cut it: aegan-monitor record --from"):
        read_recording(path, 100)


def test_notes_are_warnings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Notes are printed on stderr by a command without logging."""
    read_recording(set_data_size(write(tmp_path / "pump.wav", noise(100)), 0), RATE_HZ)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
