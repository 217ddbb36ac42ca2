"""Adapter for libsndfile: opens a file by its descriptor, reads it from its begin to its end, and repairs unfinished headers."""

import os
from typing import BinaryIO

import soundfile

from aegan_monitor.audio.wav_header import find_data_chunk


class NotSoundError(Exception):
    """libsndfile does not know what the file is."""


class CutOffError(Exception):
    """The header promises more than the file holds."""


class SequentialSound(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A sound file that is never asked to seek: some codecs cannot, and FLACs without a total fail at it."""

    def seekable(self) -> bool:
        """Never, so that soundfile reads on from where it is."""
        return False


class _Part:
    """A file from `start` to its end, for libsndfile's virtual I/O."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start
        self.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset + (self._start if whence == os.SEEK_SET else 0), whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def read(self, n_bytes: int) -> bytes:
        return self._file.read(n_bytes)


def open_sound(file: BinaryIO) -> tuple[SequentialSound, str, bool]:
    """The sound in a file, its format as libsndfile names it, and whether its header was never finished.

    The name of the file does not matter; it need not be UTF-8. The file stays open when the sound is closed.

    Raises:
        NotSoundError: It is no sound file.
        CutOffError: Its header was finished, but the end of the file is missing.
    """
    chunk = find_data_chunk(file)
    file.seek(0)
    try:
        sound = SequentialSound(file.fileno(), closefd=False)
        name = sound.format
        if chunk and chunk.is_unfinished and sound.frames == 0:  # libsndfile believes a size of 0
            layout = (sound.samplerate, sound.channels, sound.subtype)
            sound = SequentialSound(_Part(file, chunk.start), "r", *layout, "LITTLE", "RAW")
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        raise NotSoundError(describe(error)) from error
    if chunk and chunk.is_cut_off:
        sound.close()
        raise CutOffError(f"its header promises {chunk.promised_bytes} bytes of sound, found {chunk.held_bytes}")
    return sound, name, bool(chunk and chunk.is_unfinished)


def describe(error: Exception) -> str:
    """What libsndfile says of an error, or its number."""
    text = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return text or f"libsndfile error {getattr(error, 'code', '')}".strip()
