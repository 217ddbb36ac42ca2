"""Bad recordings: each is refused in one line that says what was expected, what was found and what to do."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegan_monitor.audio.file import FileCapture, read_recording
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import FloatArray

RATE_HZ = 16_000

Make = Callable[[Path], str]


def noise(n_samples: int, seed: int = 0) -> FloatArray:
    """Samples that 16 bits hold without loss."""
    values = np.random.default_rng(seed).integers(-32768, 32768, n_samples)
    return (values / 32768).astype(np.float32)


def write(path: Path, samples: FloatArray, rate_hz: int = RATE_HZ, **options: str) -> Path:
    """Write a recording whose format follows from its name."""
    soundfile.write(path, samples, rate_hz, **options)
    return path


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
    """Two channels."""
    write(path, noise(200).reshape(100, 2))
    return (
        "expected 1 channel at 16000 Hz, found 2 at 16000 Hz; "
        "nothing is resampled or mixed in silence, convert it: ffmpeg -i IN -ac 1 -ar 16000 OUT"
    )


def other_rate(path: Path) -> str:
    """The rate of a compact disc."""
    write(path, noise(100), 44_100)
    return (
        "expected 1 channel at 16000 Hz, found 1 at 44100 Hz; "
        "nothing is resampled or mixed in silence, convert it: ffmpeg -i IN -ac 1 -ar 16000 OUT"
    )


def empty(path: Path) -> str:
    """A header, and no sample behind it."""
    write(path, noise(0))
    return "expected sound, found 0 samples; record it again or remove it"


def cut_off_wav(path: Path) -> str:
    """The last 100 of 1000 samples are missing, as after a broken copy."""
    write(path, noise(1000))
    path.write_bytes(path.read_bytes()[:-200])
    return "is cut off: its header promises 2000 bytes of sound, found 1800; copy it again, or keep what it holds: ffmpeg -i IN OUT"


def endless_wav(path: Path) -> str:
    """A header that promises all that it can, as a recorder leaves it that could not go back to it."""
    write(path, noise(1000))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"data" + (2000).to_bytes(4, "little"), b"data\xff\xff\xff\xff"))
    return "is cut off: its header promises 4294967295 bytes of sound, found 2000; copy it again, or keep what it holds: ffmpeg -i IN OUT"


def cut_off_flac(path: Path) -> str:
    """The end of a FLAC file is missing."""
    write(path, noise(20_000), format="FLAC")
    path.write_bytes(path.read_bytes()[:-200])
    return "is cut off: its header promises 20000 samples, the last is not there; copy it again, or keep what it holds: ffmpeg -i IN OUT"


BAD_HEADERS: list[Make] = [missing, folder, text, no_bytes, ogg, stereo, other_rate, empty, cut_off_wav, endless_wav, cut_off_flac]


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
    """Changed bytes, which libsndfile's decoder notices, are told as damage, whole or block by block."""
    path = write(tmp_path / "pump.flac", noise(40_000))
    content = bytearray(path.read_bytes())
    content[20_000:20_016] = bytes(16)
    path.write_bytes(content)
    words = r": is damaged behind sample \d+ \(.+\); copy it again, or keep what it holds: ffmpeg -i IN OUT$"
    with pytest.raises(CaptureError, match=re.escape(str(path)) + words):
        read_recording(path, RATE_HZ)
    with pytest.raises(CaptureError, match=re.escape(str(path)) + words):
        read_to_the_end(path)


def test_no_recording_is_refused() -> None:
    """A capture of nothing says so."""
    with pytest.raises(CaptureError) as caught:
        FileCapture([], RATE_HZ).open()
    assert str(caught.value) == "no recording was named; name at least one WAV or FLAC file"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["wav", "flac"]), st.floats(0, 1, exclude_max=True))
def test_every_cut_is_noticed(tmp_path: Path, extension: str, part: float) -> None:
    """Wherever a recording is cut off, it is refused."""
    path = write(tmp_path / f"pump.{extension}", noise(20_000))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(CaptureError):
        read_recording(path, RATE_HZ)
