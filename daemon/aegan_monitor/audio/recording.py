"""Reads one recording from begin to end: WAV, RF64, W64 or FLAC, also as crashed recorders and pipes leave them."""

import contextlib
import functools
import logging
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import soundfile

from aegan_monitor.audio.resampling import ResampledSound, count_resampled
from aegan_monitor.audio.sound_file import CutOffError, NotSoundError, SequentialSound, describe, open_sound
from aegan_monitor.audio.source import find_bad_sample
from aegan_monitor.errors import CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.types import FloatArray

log = logging.getLogger(__name__)

CLIP_SOFTWARE = "aegan-monitor record"  # tag of the clips that this program writes
LONGEST_CLIP_S = 4 * 3600  # 0.9 GB of samples at 16 kHz; a FLAC of 1 MB can hold a month of silence
SLOWEST_HZ, FASTEST_HZ = 1000, 1_000_000  # beyond, a header is damaged
_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "FLAC")
_RAW_SUFFIXES = (".raw", ".pcm", ".s16", ".f32")
_UNKNOWN_FRAMES = 2**62  # libsndfile has 2^63 - 1 for a FLAC without a total
_VALUES_AT_ONCE = 2**20  # of all channels together
_WANTED = "expected a WAV or FLAC recording"
_REWRITE = "copy it again, or keep what it holds: ffmpeg -i IN OUT"


class Recording:
    """One channel of an open recording, resampled where another rate is wanted than its own.

    Attributes:
        sample_rate_hz: Rate of the samples that are read.
        n_samples: Number of samples at this rate by the header; None if it does not say.
        recording_id: The recording that a clip of `aegan-monitor record` was cut from; empty for other files.
    """

    def __init__(self, path: Path, sample_rate_hz: int | None = None, channel: int | None = None, *, any_rate: bool = False) -> None:
        """Open it and check its header. Name and extension do not matter.

        Args:
            path: The file.
            sample_rate_hz: Wanted rate; None reads at its own.
            channel: Channel to read, from 0; None expects a recording of one channel.
            any_rate: Whether a recording of a lower rate than wanted is taken, too. Its upper bands hold no sound.

        Raises:
            CaptureError: It is missing, cut off, no WAV or FLAC, or has too low a rate or another number of channels.
        """
        self.path = path
        self._name = show_path(path)
        self._n_read = 0
        self._file = self._open_file()
        try:
            self._sound = self._open_sound()
            self._check_format(channel)
            self._check_rate(sample_rate_hz, any_rate)
        except CaptureError:
            self._file.close()
            raise
        own_rate_hz: int = self._sound.samplerate
        self.sample_rate_hz: int = sample_rate_hz or own_rate_hz
        self.n_channels: int = self._sound.channels
        self._n_promised: int | None = self._sound.frames if self._sound.frames < _UNKNOWN_FRAMES else None
        self.n_samples = None if self._n_promised is None else count_resampled(self._n_promised, own_rate_hz, self.sample_rate_hz)
        self._resampled = ResampledSound(self._read_own, own_rate_hz, self.sample_rate_hz) if self.sample_rate_hz != own_rate_hz else None
        self.recording_id: str = self._sound.title if self._sound.software.startswith(CLIP_SOFTWARE) else ""
        self._channel = channel or 0

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def read(self, n_samples: int) -> FloatArray:
        """The next samples, float32 `[n]`; fewer than `n_samples` only at the end.

        Raises:
            CaptureError: It is damaged or empty, or holds NaN or samples far beyond full scale.
        """
        return self._resampled.read(n_samples) if self._resampled else self._read_own(n_samples)

    def close(self) -> None:
        """Close the file."""
        self._sound.close()
        self._file.close()

    def _read_own(self, n_samples: int) -> FloatArray:
        """`read` at the recording's own rate."""
        parts: list[FloatArray] = [np.zeros(0, np.float32)]
        n_left = n_samples
        while n_left:
            part = self._read_some(min(n_left, max(1, _VALUES_AT_ONCE // self.n_channels)))
            if len(part) == 0:
                self._check_end()
                break
            parts.append(part)
            n_left -= len(part)
        return np.concatenate(parts)

    def _open_file(self) -> BinaryIO:
        try:
            file = open(self.path, "rb", buffering=0, opener=_open_without_waiting)  # noqa: SIM115 - Path.open has no opener; `close` closes it
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            raise CaptureError(f"{self._name}: {_WANTED}, found: {getattr(error, 'strerror', error)}; check the path") from error
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise CaptureError(f"{self._name}: {_WANTED}, found a pipe or a device; write it into a file first")
        return file

    def _open_sound(self) -> SequentialSound:
        try:
            sound, self._format, is_unfinished = open_sound(self._file)
        except NotSoundError as error:
            found = f"a file that cannot be read as one ({error}); convert or remove it"
            if self.path.suffix.lower() in _RAW_SUFFIXES:
                found = "raw samples, of unknown rate and format; convert it: ffmpeg -f s16le -ar 16000 -ac 1 -i IN OUT.wav"
            raise CaptureError(f"{self._name}: {_WANTED}, found {found}") from error
        except OSError as error:
            raise CaptureError(f"{self._name}: cannot be read: {error.strerror}; check the disk") from error
        except CutOffError as error:
            raise CaptureError(f"{self._name}: is cut off: {error}; {_REWRITE}") from error
        if is_unfinished:
            _note_once(f"{self._name}: its header was never finished; it is read to the end of the file")
        return sound

    def _check_format(self, channel: int | None) -> None:
        n_channels = self._sound.channels
        if self._format not in _FORMATS:
            raise CaptureError(f"{self._name}: {_WANTED}, found {self._format}; convert it: ffmpeg -i IN OUT.wav")
        if channel is not None and not 0 <= channel < n_channels:
            raise CaptureError(f"{self._name}: expected a channel from 0 to {n_channels - 1}, found {channel}; choose one of these")
        if channel is None and n_channels != 1:
            raise CaptureError(
                f"{self._name}: expected 1 channel, found {n_channels}; they are not mixed silently; "
                "choose one with --channel N (fit, replay, record --from) or channel: N (configuration), "
                "or take the first alone: ffmpeg -i IN -af 'pan=mono|c0=c0' OUT"
            )

    def _check_rate(self, wanted_hz: int | None, any_rate: bool) -> None:
        rate_hz = self._sound.samplerate
        if wanted_hz is None or rate_hz == wanted_hz:
            return
        if not SLOWEST_HZ <= rate_hz <= FASTEST_HZ:
            raise CaptureError(f"{self._name}: expected a rate from {SLOWEST_HZ} to {FASTEST_HZ} Hz, found {rate_hz}; record it again")
        if rate_hz < wanted_hz and not any_rate:
            raise CaptureError(
                f"{self._name}: expected a rate of at least {wanted_hz} Hz, found {rate_hz} Hz, so no sound above {rate_hz / 2:g} Hz; "
                f"record it again at {wanted_hz} Hz or more"
            )
        if rate_hz < wanted_hz:
            _note_once(
                f"a recording at {rate_hz} Hz has no sound above {rate_hz / 2:g} Hz, and the monitor refuses such a rate; "
                f"record at {wanted_hz} Hz or more"
            )

    def _read_some(self, n_samples: int) -> FloatArray:
        values = np.full((n_samples, self.n_channels), np.nan, np.float32)
        try:
            values = self._sound.read(out=values)
        except soundfile.LibsndfileError as error:
            if self._format != "FLAC" or os.lseek(self._file.fileno(), 0, os.SEEK_CUR) < os.fstat(self._file.fileno()).st_size:
                raise CaptureError(f"{self._name}: is damaged after sample {self._n_read} ({describe(error)}); {_REWRITE}") from error
            values = values[: np.count_nonzero(~np.isnan(values[:, 0]))]  # the file ends within a frame; those before it are whole
        samples: FloatArray = np.ascontiguousarray(values[:, self._channel])
        if (place := find_bad_sample(samples)) is not None:
            bad = self._n_read + place
            raise CaptureError(
                f"{self._name}: expected samples from -1 to 1, found {samples[place]:g} at sample {bad} "
                f"({bad / self._sound.samplerate:.3f} s); cut it out, scale it or record it again"
            )
        self._n_read += len(samples)
        return samples

    def _check_end(self) -> None:
        if self._n_read == 0:
            raise CaptureError(f"{self._name}: expected sound, found 0 samples; record it again or remove it")
        if self._format == "FLAC" and self._n_promised is not None and self._n_read < self._n_promised:
            promised_s, held_s = self._n_promised / self._sound.samplerate, self._n_read / self._sound.samplerate
            _note_once(f"{self._name}: its header promises {promised_s:.1f} s, {held_s:.1f} s are there and are read")


def find_rate_hz(path: Path) -> int | None:
    """The rate of a recording in Hz; None if it cannot be read."""
    with contextlib.suppress(CaptureError), Recording(path, channel=0) as recording:
        return recording.sample_rate_hz
    return None


def find_recording_id(path: Path) -> str:
    """The recording that a clip of `aegan-monitor record` was cut from; empty for other files, and for unreadable ones."""
    with contextlib.suppress(CaptureError), Recording(path, channel=0) as recording:
        return recording.recording_id
    return ""


def read_recording(path: Path, sample_rate_hz: int, channel: int | None = None) -> FloatArray:
    """A whole recording, float32 `[n_samples]`, at a rate; resampled if need be.

    Raises:
        CaptureError: As `Recording` and `Recording.read`, or it is longer than LONGEST_CLIP_S.
    """
    most = LONGEST_CLIP_S * sample_rate_hz
    with Recording(path, sample_rate_hz, channel) as recording:
        samples = recording.read(min(most + 1, recording.n_samples or most + 1))
    if len(samples) > most:
        raise CaptureError(
            f"{show_path(path)}: expected at most {LONGEST_CLIP_S / 3600:g} h, found more; cut it: aegan-monitor record --from IN --out DIR"
        )
    return samples


@functools.lru_cache(maxsize=1000)
def _note_once(text: str) -> None:
    """Log a warning once: a recording may be opened several times, and many recordings may have one rate."""
    log.warning(text)


def _open_without_waiting(name: str, flags: int) -> int:
    """Open a file; without O_NONBLOCK, a named pipe without a writer would block."""
    return os.open(name, flags | os.O_NONBLOCK)
