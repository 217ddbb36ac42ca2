"""Adapter for libsndfile: opens a file by its descriptor, reads it without seeking, and repairs unfinished headers."""

import os
from typing import BinaryIO

import soundfile

from aegan_monitor.audio.wav_header import find_data_chunk


class NotSoundError(Exception):
    """libsndfile does not know the format of the file."""


class CutOffError(Exception):
    """The header promises more than the file holds."""


class SequentialSound(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A sound file that soundfile reads without seeking: some codecs cannot seek, and FLACs without a total fail at it."""

    def seekable(self) -> bool:
        """Always False."""
        return False


class _Part:
    """A file from `start` to its end, for libsndfile's virtual I/O."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start
        self.read, self.tell = file.read, lambda: file.tell() - start
        file.seek(start)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset + (self._start if whence == os.SEEK_SET else 0), whence) - self._start


def open_sound(file: BinaryIO) -> tuple[SequentialSound, str, bool]:
    """The sound in a file, its format by libsndfile's name, and whether its header is unfinished. Closing the sound leaves the file open.

    Raises:
        NotSoundError, CutOffError: It cannot be read.
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
    """The message or the number of an error of libsndfile."""
    text = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return text or f"libsndfile error {getattr(error, 'code', '')}".strip()
