"""Recordings as a capture, and the one place that decides which recordings are fit to be heard."""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import soundfile

from aegan_monitor.audio.source import find_bad_sample
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block, FloatArray

Pace = Literal["realtime", "fast"]

_FORMATS = ("WAV", "WAVEX", "FLAC")
_CUT_OFF_WAV = re.compile(r"^data\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)  # libsndfile's log: promised, held
_REWRITE = "copy it again, or keep what it holds: ffmpeg -i IN OUT"


class FileCapture:
    """Recordings, one behind the other, as one stream; at the pace of a microphone, or as fast as they are read."""

    def __init__(
        self,
        paths: Sequence[Path],
        sample_rate_hz: int,
        pace: Pace = "realtime",
        block_samples: int = 8000,
        loop: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Store; a block may be shorter than `block_samples` (8000 are 0.5 s at 16 kHz) where a recording ends."""
        self.sample_rate_hz = sample_rate_hz
        self._paths = [Path(path) for path in paths]
        self._pace = pace
        self._block_samples = block_samples
        self._loop = loop
        self._clock = clock
        self._sleep = sleep
        self._place = 0  # of the recording that is open, in paths
        self._recording: soundfile.SoundFile | None = None
        self._next_sample = 0
        self._first_opened_s: float | None = None
        self._resumed = False

    def describe(self) -> str:
        """The first recording's path, and how many more there are."""
        more = len(self._paths) - 1
        return f"{self._paths[0]} and {more} more" if more > 0 else ", ".join(map(str, self._paths))

    def open(self) -> None:
        """Begin with the first recording, once all of them were looked at.

        Raises:
            CaptureError: A recording is missing, cut off, empty, no WAV or FLAC, or not mono at the rate asked for.
        """
        if not self._paths:
            raise CaptureError("no recording was named; name at least one WAV or FLAC file")
        for path in self._paths:
            _open(path, self.sample_rate_hz).close()
        if self._first_opened_s is None:
            self._first_opened_s = self._clock()
        else:
            self._resumed = True
            if self._pace == "realtime":
                passed_s = self._clock() - self._first_opened_s
                self._next_sample = max(self._next_sample, round(passed_s * self.sample_rate_hz))
        self._begin(0)

    def read(self) -> Block | None:
        """The next block, at `realtime` pace when its last sample is due; None behind the last recording.

        Raises:
            CaptureError: A recording is damaged, or holds NaN or what is far beyond full scale.
        """
        while self._recording is not None:
            path, at = self._paths[self._place], self._recording.tell()
            samples = _read(self._recording, path, self._block_samples)
            if len(samples):
                _check_samples(samples, path, at, self.sample_rate_hz)
                return self._deliver(samples)
            self._begin(self._place + 1)
        return None

    def close(self) -> None:
        """Let go of the recording."""
        if self._recording is not None:
            self._recording.close()
            self._recording = None

    def _begin(self, place: int) -> None:
        self.close()
        self._place = place % len(self._paths) if self._loop else place
        if self._place < len(self._paths):
            self._recording = _open(self._paths[self._place], self.sample_rate_hz)

    def _deliver(self, samples: FloatArray) -> Block:
        block = Block(samples, self._next_sample, overflowed=self._resumed)
        self._resumed = False
        self._next_sample += len(samples)
        if self._pace == "realtime" and self._first_opened_s is not None:
            due_s = self._first_opened_s + self._next_sample / self.sample_rate_hz
            self._sleep(max(0.0, due_s - self._clock()))
        return block


def find_rate_hz(path: Path) -> int | None:
    """A recording's own rate; None where it is none."""
    try:
        return int(soundfile.info(path).samplerate)
    except (OSError, soundfile.LibsndfileError):
        return None


def read_recording(path: Path, sample_rate_hz: int) -> FloatArray:
    """A whole recording, float32 `[n_samples]`.

    Raises:
        CaptureError: It is missing, damaged, cut off, empty, no WAV or FLAC, not mono at that rate, or holds what is no sound.
    """
    with _open(path, sample_rate_hz) as recording:
        samples = _read(recording, path, recording.frames)
    _check_samples(samples, path, 0, sample_rate_hz)
    return samples


def _open(path: Path, sample_rate_hz: int) -> soundfile.SoundFile:
    """Open a recording whose header is as it should be and whose last sample is there."""
    wanted = f"{path}: expected a WAV or FLAC recording"
    try:
        path.open("rb").close()  # says what is wrong, where libsndfile says "System error"
        recording = soundfile.SoundFile(path)
    except OSError as error:
        raise CaptureError(f"{wanted}, found: {error.strerror}; check the path") from error
    except soundfile.LibsndfileError as error:
        raise CaptureError(f"{wanted}, found a file that cannot be read as one ({_reason(error)}); convert or remove it") from error
    try:
        _check_header(recording, path, sample_rate_hz)
        _check_complete(recording, path)
    except CaptureError:
        recording.close()
        raise
    return recording


def _check_header(recording: soundfile.SoundFile, path: Path, sample_rate_hz: int) -> None:
    if recording.format not in _FORMATS:
        raise CaptureError(f"{path}: expected a WAV or FLAC recording, found {recording.format}; convert it: ffmpeg -i IN OUT.wav")
    if (recording.channels, recording.samplerate) != (1, sample_rate_hz):
        raise CaptureError(
            f"{path}: expected 1 channel at {sample_rate_hz} Hz, found {recording.channels} at {recording.samplerate} Hz; "
            f"nothing is resampled or mixed in silence, convert it: ffmpeg -i IN -ac 1 -ar {sample_rate_hz} OUT"
        )
    if recording.frames == 0:
        raise CaptureError(f"{path}: expected sound, found 0 samples; record it again or remove it")


def _check_complete(recording: soundfile.SoundFile, path: Path) -> None:
    """Refuse a recording whose header promises more than the file holds."""
    if cut_off := _CUT_OFF_WAV.search(recording.extra_info):
        promised, held = cut_off.groups()
        raise CaptureError(f"{path}: is cut off: its header promises {promised} bytes of sound, found {held}; {_REWRITE}")
    if recording.format == "FLAC":  # its header is believed until the sound ends
        try:
            recording.seek(recording.frames - 1)
            n_found = len(recording.read(1, dtype="float32"))
            recording.seek(0)
        except soundfile.LibsndfileError:
            n_found = 0
        if n_found == 0:
            raise CaptureError(f"{path}: is cut off: its header promises {recording.frames} samples, the last is not there; {_REWRITE}")


def _read(recording: soundfile.SoundFile, path: Path, n_samples: int) -> FloatArray:
    """The next samples; fewer than `n_samples` only at the end."""
    at, n_left = recording.tell(), recording.frames - recording.tell()
    try:
        samples: FloatArray = recording.read(n_samples, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise CaptureError(f"{path}: is damaged behind sample {at} ({_reason(error)}); {_REWRITE}") from error
    if len(samples) < min(n_samples, n_left):
        raise CaptureError(f"{path}: is damaged: expected {recording.frames} samples, found {at + len(samples)}; {_REWRITE}")
    return samples


def _check_samples(samples: FloatArray, path: Path, at: int, sample_rate_hz: int) -> None:
    place = find_bad_sample(samples)
    if place is not None:
        bad = at + place
        raise CaptureError(
            f"{path}: expected samples from -1 to 1, found {samples[place]:g} at sample {bad} ({bad / sample_rate_hz:.3f} s); "
            "cut it out, scale it or record it again"
        )


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).strip().rstrip(".") or f"libsndfile error {error.code}"
