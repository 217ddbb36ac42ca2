"""FLAC files of 16 bits, as `record` and evidence write them."""

import errno
import os

import numpy as np
import soundfile

from aegan_monitor.audio.recording import CLIP_SOFTWARE
from aegan_monitor.types import FloatArray


def quantise(samples: FloatArray) -> np.ndarray:
    """Samples of 16 bits, without dither: what a 16-bit device gave comes back bit for bit."""
    scaled: np.ndarray = np.clip(np.round(samples.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    return scaled


def encode_clip(pcm: np.ndarray, sample_rate_hz: int, recording: str, time: str) -> bytes:
    """FLAC of int16 `[n_samples]`, with the recording that it was cut from as its title and its begin (if known) as its date.

    It is written to a file descriptor in memory: for a Python file, soundfile makes code at run time, which the systemd unit forbids.

    Raises:
        OSError: It is larger than the process may write.
    """
    with os.fdopen(os.memfd_create("clip"), "r+b") as buffer:
        try:
            with soundfile.SoundFile(buffer.fileno(), "w", sample_rate_hz, 1, "PCM_16", format="FLAC", closefd=False) as file:
                file.title, file.software = recording, CLIP_SOFTWARE
                if time:  # libsndfile refuses an empty tag
                    file.date = time
                file.write(pcm)
        except soundfile.LibsndfileError as error:  # which does not say why
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG)) from error
        buffer.seek(0)
        return buffer.read()
