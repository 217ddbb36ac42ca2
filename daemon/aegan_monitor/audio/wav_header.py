"""Finds the samples in a WAV, RF64 or W64 file, and the number of bytes that the header promises.

Sources: Microsoft, Multimedia Programming Interface 1.0 (RIFF); EBU Tech 3306 (RF64); Sonic Foundry, Wave64 specification.
"""

import os
import struct
from typing import BinaryIO, NamedTuple

MAX_CHUNKS = 1000  # before the data chunk; a damaged header may hold millions
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db")
STREAM_SIZES = (0xFFFFFFFF, 0x80000000, 0x7FFFF000, 2**63)  # ffmpeg and others, arecord, sox, ffmpeg in W64
NEARBY_BYTES = 256  # some programs subtract the size of their header


class DataChunk(NamedTuple):
    """The chunk of samples: offset of the first, size by the header, and bytes from there to the end of the file."""

    start: int
    promised_bytes: int
    held_bytes: int

    @property
    def is_unfinished(self) -> bool:
        """The writer did not know the size: it wrote into a pipe, or ended before it could correct the header."""
        is_stream_size = any(abs(self.promised_bytes - size) < NEARBY_BYTES for size in STREAM_SIZES)
        return self.held_bytes > 0 and (self.promised_bytes == 0 or (is_stream_size and self.promised_bytes > self.held_bytes))

    @property
    def is_cut_off(self) -> bool:
        """The header was finished, but the end of the file is missing."""
        return self.promised_bytes > self.held_bytes and not self.is_unfinished


def find_data_chunk(file: BinaryIO) -> DataChunk | None:
    """The data chunk of a WAV, RF64 or W64 file; None in any other file, or without one. Moves the position of the file."""
    file_bytes, magic = os.fstat(file.fileno()).st_size, _read_at(file, 0, 12)
    is_w64 = magic == W64_RIFF
    if not is_w64 and (magic[:4] not in (b"RIFF", b"RF64") or magic[8:] != b"WAVE"):
        return None
    at, form, padding = (40, struct.Struct("<16sQ"), 8) if is_w64 else (12, struct.Struct("<4sI"), 2)
    rf64_bytes = None
    for _ in range(MAX_CHUNKS):
        head = _read_at(file, at, form.size) if at < file_bytes else b""
        if len(head) < form.size:
            break
        name, n_bytes = form.unpack(head)
        n_bytes, start = max(0, n_bytes - form.size) if is_w64 else n_bytes, at + form.size  # W64 counts the chunk's own header
        if name == b"ds64":
            rf64_bytes = int.from_bytes(_read_at(file, start + 8, 8), "little")
        if name[:4] == b"data":
            is_empty = n_bytes == 0 and _is_chunk(_read_at(file, start, 8), file_bytes - start - 8)
            return DataChunk(start, n_bytes if rf64_bytes is None else rf64_bytes, 0 if is_empty else max(0, file_bytes - start))
        at = start + n_bytes + -n_bytes % padding
    return None


def _read_at(file: BinaryIO, at: int, n_bytes: int) -> bytes:
    file.seek(at)
    return file.read(n_bytes)


def _is_chunk(head: bytes, n_left: int) -> bool:
    """Whether another chunk follows, not sound: the data chunk is really empty."""
    return len(head) == 8 and head[:4].isalnum() and int.from_bytes(head[4:], "little") <= n_left
