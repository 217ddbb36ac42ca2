"""Any content and name of a file is read, or refused in one line, in bounded time and memory."""

import functools
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aegan_monitor.audio.file import FileCapture
from aegan_monitor.audio.recording import Recording, read_recording
from aegan_monitor.errors import CaptureError
from sound_files import RATE_HZ, noise, write

N_EXAMPLES = 300  # of headers; the other two properties take a third each
LONGEST_S = 5.0  # a file of 8 kB takes a millisecond
MOST_BYTES = 400_000_000  # that the process may grow: one block of 1024 channels, and what the allocator keeps
FORMATS = {"WAV": "PCM_16", "WAVEX": "PCM_24", "RF64": "PCM_16", "W64": "FLOAT", "FLAC": "PCM_16", "AIFF": "PCM_16", "AU": "PCM_16"}
RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

Mutation = tuple[int, bytes, bool]  # where, what, and whether it is inserted (else written over)
Mutations = st.lists(st.tuples(st.integers(0, 160), st.binary(min_size=1, max_size=8), st.booleans()), max_size=4)


@functools.cache
def make_template(name: str) -> bytes:
    """A complete file of a format, with two channels."""
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / name, noise(2000, n_channels=2), format=name, subtype=FORMATS[name]).read_bytes()


def mutate(content: bytes, mutations: list[Mutation], part: float) -> bytes:
    """Change some bytes of a header and truncate the file."""
    for at, new, is_inserted in mutations:
        content = content[:at] + new + content[at + (0 if is_inserted else len(new)) :]
    return content[: round(part * len(content))]


def read_or_refuse(path: Path) -> int:
    """The number of samples read, or -1 for a refusal in one printable line."""
    began_s = time.monotonic()
    n_samples, refused = 0, ""
    try:
        with Recording(path, channel=0) as recording:
            while len(samples := recording.read(5000)):
                assert np.isfinite(samples).all()
                n_samples += len(samples)
                if n_samples > 1_000_000:  # a header of one value a megabyte of silence
                    break
    except CaptureError as error:
        n_samples, refused = -1, str(error)
    assert refused.isprintable(), refused
    assert time.monotonic() - began_s < LONGEST_S
    return n_samples


@settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=RELAXED)
@given(st.sampled_from(sorted(FORMATS)), Mutations, st.floats(0, 1))
def test_any_header_is_read_or_refused(tmp_path: Path, name: str, mutations: list[Mutation], part: float) -> None:
    """Changed, extended and truncated headers give no traceback, hang or growing memory."""
    path = tmp_path / "pump.wav"
    path.write_bytes(mutate(make_template(name), mutations, part))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read_or_refuse(path)
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < MOST_BYTES


@settings(max_examples=N_EXAMPLES // 3, deadline=None, suppress_health_check=RELAXED)
@given(st.binary(max_size=4000), st.sampled_from([b"", b"RIFF\xff\xff\xff\xffWAVE", b"RF64\xff\xff\xff\xffWAVEds64", b"fLaC", b"riff."]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, magic: bytes) -> None:
    """Any bytes, with or without the first bytes of a format, are read or refused."""
    path = tmp_path / "pump.flac"
    path.write_bytes(magic + content)
    read_or_refuse(path)


@settings(max_examples=N_EXAMPLES // 3, deadline=None, suppress_health_check=RELAXED)
@given(st.binary(min_size=1, max_size=200))
@example(b"L\xfcfter.wav")
@example(b"two\nlines.wav")
@example(b"x.raw")
def test_any_name_is_read(tmp_path: Path, name: bytes) -> None:
    """A file is read under any name, UTF-8 or not, printable or not."""
    name = name.replace(b"/", b"_").replace(b"\0", b"_")
    if name in (b".", b".."):
        return
    path = tmp_path / os.fsdecode(name)
    write(path, noise(100), format="WAV")
    try:
        assert len(read_recording(path, RATE_HZ)) == 100
        capture = FileCapture([path], RATE_HZ, "fast")
        capture.open()
        capture.close()
        assert capture.describe().isprintable()
        with pytest.raises(CaptureError) as caught:
            read_recording(path, 32_000)
        assert str(caught.value).isprintable()
    finally:
        path.unlink()


def test_a_header_of_a_million_chunks_does_not_hold_up(tmp_path: Path) -> None:
    """A sparse file of 4 GB of empty chunks is refused in time."""
    path = tmp_path / "pump.wav"
    content = write(tmp_path / "whole.wav", noise(100)).read_bytes()
    with path.open("wb") as file:
        file.write(content[:36])  # up to the data chunk
        file.truncate(4_000_000_000)
    assert read_or_refuse(path) == -1
