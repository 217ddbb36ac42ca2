"""Bad recordings: each is refused in one line that says what was expected, what was found and what to do."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegan_monitor.audio.file import FileCapture
from aegan_monitor.audio.recording import read_recording
from aegan_monitor.errors import CaptureError
from sound_files import RATE_HZ, noise, set_data_size, write

Make = Callable[[Path], str]


def read_to_the_end(path: Path, *more: Path) -> None:
    """Open recordings as a capture and read every block."""
    capture = FileCapture([path, *more], RATE_HZ, "fast")
    capture.open()
    try:
        while capture.read() is not None:
            pass
    finally:
        capture.close()


def missing(_: Path) -> str:
    """Nothing is there."""
    return "expected a WAV or FLAC recording, found: No such file or directory; check the path"


def folder(path: Path) -> str:
    """A folder, not a file."""
    path.mkdir()
    return "expected a WAV or FLAC recording, found: Is a directory; check the path"


def text(path: Path) -> str:
    """No sound at all."""
    path.write_text("pump 3, Monday\n" * 20)
    return "expected a WAV or FLAC recording, found a file that cannot be read as one (Format not recognised); convert or remove it"


def no_bytes(path: Path) -> str:
    """A file of length 0."""
    path.touch()
    return "expected a WAV or FLAC recording, found a file that cannot be read as one (Format not recognised); convert or remove it"


def ogg(path: Path) -> str:
    """Sound in a format that loses some of it."""
    write(path, noise(RATE_HZ), format="OGG", subtype="VORBIS")
    return "expected a WAV or FLAC recording, found OGG; convert it: ffmpeg -i IN OUT.wav"


def stereo(path: Path) -> str:
    """Two channels; the advice must not mix two microphones."""
    write(path, noise(100, n_channels=2))
    return (
        "expected 1 channel, found 2; they are not mixed silently; "
        "choose one with --channel N (fit, replay, record --from) or channel: N (configuration), "
        "or take the first alone: ffmpeg -i IN -af 'pan=mono|c0=c0' OUT"
    )


def low_rate(path: Path) -> str:
    """The rate of a telephone."""
    write(path, noise(100), 8000)
    return "expected a rate of at least 16000 Hz, found 8000 Hz, so no sound above 4000 Hz; record it again at 16000 Hz or more"


def no_rate(path: Path) -> str:
    """A rate that no recorder has."""
    write(path, noise(100), 999)
    return "expected a rate from 1000 to 1000000 Hz, found 999; record it again"


def empty(path: Path) -> str:
    """A header, and no sample behind it."""
    write(path, noise(0))
    return "expected sound, found 0 samples; record it again or remove it"


def cut_off_wav(path: Path) -> str:
    """The last 100 of 1000 samples are missing, as after a broken copy."""
    write(path, noise(1000))
    path.write_bytes(path.read_bytes()[:-200])
    return "is cut off: its header promises 2000 bytes of sound, found 1800; copy it again, or keep what it holds: ffmpeg -i IN OUT"


def cut_off_rf64(path: Path) -> str:
    """As `cut_off_wav`, with the size in another chunk."""
    write(path, noise(1000), format="RF64", subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:-200])
    return "is cut off: its header promises 2000 bytes of sound, found 1800; copy it again, or keep what it holds: ffmpeg -i IN OUT"


def cut_off_w64(path: Path) -> str:
    """As `cut_off_wav`, with a size of 64 bits."""
    write(path, noise(1000), format="W64", subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:-200])
    return "is cut off: its header promises 2000 bytes of sound, found 1800; copy it again, or keep what it holds: ffmpeg -i IN OUT"


def no_frame(path: Path) -> str:
    """A FLAC that ends within its first frame."""
    write(path, noise(20_000), format="FLAC")
    path.write_bytes(path.read_bytes()[:6000])
    return "expected sound, found 0 samples; record it again or remove it"


def pipe(path: Path) -> str:
    """A named pipe that nobody writes into; it must not be waited for."""
    os.mkfifo(path)
    return "expected a WAV or FLAC recording, found a pipe or a device; write it into a file first"


BAD_HEADERS: list[Make] = [
    missing,
    folder,
    text,
    no_bytes,
    ogg,
    stereo,
    low_rate,
    no_rate,
    empty,
    cut_off_wav,
    cut_off_rf64,
    cut_off_w64,
    no_frame,
    pipe,
]


def not_a_number(path: Path) -> str:
    """A NaN far behind the start."""
    samples = noise(20_000)
    samples[16_008] = np.nan
    write(path, samples, subtype="FLOAT")
    return "expected samples from -1 to 1, found nan at sample 16008 (1.000 s); cut it out, scale it or record it again"


def infinite(path: Path) -> str:
    """An infinity as the very first sample."""
    samples = noise(100)
    samples[0] = -np.inf
    write(path, samples, subtype="FLOAT")
    return "expected samples from -1 to 1, found -inf at sample 0 (0.000 s); cut it out, scale it or record it again"


def integers(path: Path) -> str:
    """Sixteen-bit values written as floats."""
    write(path, noise(20_000) * 0 + 12_000.0, subtype="FLOAT")
    return "expected samples from -1 to 1, found 12000 at sample 0 (0.000 s); cut it out, scale it or record it again"


BAD_SAMPLES: list[Make] = [not_a_number, infinite, integers]


@pytest.mark.parametrize("make", [*BAD_HEADERS, *BAD_SAMPLES])
def test_bad_recording_is_refused(tmp_path: Path, make: Make) -> None:
    """Each bad recording gives one line that says what was expected, what was found and what to do."""
    path = tmp_path / "pump.wav"
    expected = make(path)
    with pytest.raises(CaptureError) as caught:
        read_recording(path, RATE_HZ)
    assert str(caught.value) == f"{path}: {expected}"


@pytest.mark.parametrize("make", BAD_HEADERS)
def test_capture_refuses_at_open(tmp_path: Path, make: Make) -> None:
    """A capture looks at every recording before it begins, with the same words."""
    good, bad = write(tmp_path / "good.wav", noise(100)), tmp_path / "bad.wav"
    expected = make(bad)
    capture = FileCapture([good, bad], RATE_HZ, "fast")
    with pytest.raises(CaptureError) as caught:
        capture.open()
    assert str(caught.value) == f"{bad}: {expected}"


@pytest.mark.parametrize("make", BAD_SAMPLES)
def test_capture_refuses_while_it_reads(tmp_path: Path, make: Make) -> None:
    """Samples that are no numbers are found in the block that holds them, with their place in their recording."""
    good, bad = write(tmp_path / "good.wav", noise(12_000)), tmp_path / "bad.wav"
    expected = make(bad)
    with pytest.raises(CaptureError) as caught:
        read_to_the_end(good, bad)
    assert str(caught.value) == f"{bad}: {expected}"


def test_damage_within_flac_is_refused(tmp_path: Path) -> None:
    """Changed bytes, which libsndfile's decoder notices, are reported as damage, whole or block by block."""
    path = write(tmp_path / "pump.flac", noise(40_000))
    content = bytearray(path.read_bytes())
    content[20_000:20_016] = bytes(16)
    path.write_bytes(content)
    words = r": is damaged after sample \d+ \(.+\); copy it again, or keep what it holds: ffmpeg -i IN OUT$"
    with pytest.raises(CaptureError, match=re.escape(str(path)) + words):
        read_recording(path, RATE_HZ)
    with pytest.raises(CaptureError, match=re.escape(str(path)) + words):
        read_to_the_end(path)


def test_no_recording_is_refused() -> None:
    """A capture of nothing says so."""
    with pytest.raises(CaptureError) as caught:
        FileCapture([], RATE_HZ).open()
    assert str(caught.value) == "no recording was named; name at least one WAV or FLAC file"


@pytest.mark.parametrize("name", ["pump.raw", "pump.PCM"])
def test_raw_samples_are_refused_by_name(tmp_path: Path, name: str) -> None:
    """They do not say their rate."""
    (tmp_path / name).write_bytes(bytes(range(256)) * 10)
    with pytest.raises(CaptureError, match=r"expected a WAV or FLAC recording, found raw samples, .*: ffmpeg -f s16le -ar 16000 "):
        read_to_the_end(tmp_path / name)


def test_a_channel_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Channels count from 0."""
    path = write(tmp_path / "pump.wav", noise(100, n_channels=2))
    with pytest.raises(CaptureError, match=r": expected a channel from 0 to 1, found 2; choose one of these$"):
        read_recording(path, RATE_HZ, 2)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["wav", "rf64", "w64"]), st.floats(0, 1, exclude_max=True))
def test_every_cut_is_noticed(tmp_path: Path, extension: str, part: float) -> None:
    """Wherever a recording with a finished header is cut off, it is refused."""
    path = write(tmp_path / f"pump.{extension}", noise(20_000), subtype="PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(CaptureError):
        read_recording(path, RATE_HZ)


def test_a_size_that_no_program_writes_is_no_stream(tmp_path: Path) -> None:
    """Only the sizes of pipes and crashed recorders are excused."""
    path = set_data_size(write(tmp_path / "pump.wav", noise(1000)), 3_000_000_000)
    with pytest.raises(CaptureError, match=r": is cut off: its header promises 3000000000 bytes of sound, found 2000; "):
        read_recording(path, RATE_HZ)
