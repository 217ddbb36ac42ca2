"""FLAC files of 16 bits, as `record` and evidence write them."""

import io

import numpy as np
import soundfile

from aegan_monitor.audio.recording import CLIP_SOFTWARE
from aegan_monitor.types import FloatArray


def quantise(samples: FloatArray) -> np.ndarray:
    """Samples of 16 bits, without dither: what a 16-bit device gave comes back bit for bit."""
    scaled: np.ndarray = np.clip(np.round(samples.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    return scaled


def encode_clip(pcm: np.ndarray, sample_rate_hz: int, recording: str, time: str) -> bytes:
    """FLAC of int16 `[n_samples]`, with the recording that it was cut from as its title and its begin (if known) as its date."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", sample_rate_hz, 1, "PCM_16", format="FLAC") as file:
        file.title, file.software = recording, CLIP_SOFTWARE
        if time:  # libsndfile refuses an empty tag
            file.date = time
        file.write(pcm)
    return buffer.getvalue()
