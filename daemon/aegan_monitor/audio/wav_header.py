"""Where the samples of a WAV, RF64 or W64 file begin, and how many bytes of them its header promises.

Sources: Microsoft, Multimedia Programming Interface 1.0 (RIFF); EBU Tech 3306 (RF64); Sonic Foundry, Wave64 specification.
"""

import os
import struct
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

MAX_CHUNKS = 1000  # ahead of the data chunk; a damaged header may hold millions
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_DATA = b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
STREAM_SIZES = (0xFFFFFFFF, 0x80000000, 0x7FFFF000, 2**63)  # ffmpeg and others, arecord, sox, ffmpeg in W64
NEARBY_BYTES = 256  # some programs subtract their header from it


class DataChunk(NamedTuple):
    """The chunk that holds the samples.

    Attributes:
        start: Offset of its first sample in bytes.
        promised_bytes: Its size according to the header.
        held_bytes: What the file holds from `start` to its end.
    """

    start: int
    promised_bytes: int
    held_bytes: int

    @property
    def is_unfinished(self) -> bool:
        """The writer never knew the size: it wrote into a pipe, or ended before it could correct its header."""
        is_stream_size = any(abs(self.promised_bytes - size) < NEARBY_BYTES for size in STREAM_SIZES)
        return self.held_bytes > 0 and (self.promised_bytes == 0 or (is_stream_size and self.promised_bytes > self.held_bytes))

    @property
    def is_cut_off(self) -> bool:
        """The header was finished, but the end of the file is missing."""
        return self.promised_bytes > self.held_bytes and not self.is_unfinished


def find_data_chunk(file: BinaryIO) -> DataChunk | None:
    """The data chunk of a WAV, RF64 or W64 file; None where there is none or the file is none of these.

    It moves the file's position.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    magic = file.read(12)
    if magic[:4] in (b"RIFF", b"RF64") and magic[8:] == b"WAVE":
        return _walk(file, size, 12, _read_riff_chunk)
    if magic == W64_RIFF[:12]:
        return _walk(file, size, 40, _read_w64_chunk)
    return None


def _read_riff_chunk(header: bytes, at: int) -> tuple[bool, int, int, int]:
    """Whether it is the data chunk, where its content begins, its size, and where the next chunk begins."""
    n_bytes: int = struct.unpack("<I", header[4:8])[0]
    return header[:4] == b"data", at + 8, n_bytes, at + 8 + n_bytes + n_bytes % 2


def _read_w64_chunk(header: bytes, at: int) -> tuple[bool, int, int, int]:
    """As `_read_riff_chunk`; a size of W64 includes the chunk's own header of 24 bytes and is padded to 8."""
    n_bytes: int = max(24, struct.unpack("<Q", header[16:24])[0])
    return header[:16] == W64_DATA, at + 24, n_bytes - 24, at + n_bytes + -n_bytes % 8


def _walk(file: BinaryIO, size: int, at: int, read_chunk: Callable[[bytes, int], tuple[bool, int, int, int]]) -> DataChunk | None:
    data_bytes = None  # as RF64's chunk ds64 has it
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        header = file.read(24)
        if len(header) < 8 or (read_chunk is _read_w64_chunk and len(header) < 24):
            return None
        is_data, start, n_bytes, following = read_chunk(header, at)
        if header[:4] == b"ds64" and len(header) == 24:
            data_bytes = struct.unpack("<Q", header[16:24])[0]
        if is_data:
            if n_bytes == 0 and _is_chunk(file, start, size):
                return DataChunk(start, 0, 0)
            return DataChunk(start, n_bytes if data_bytes is None else data_bytes, max(0, size - start))
        if following >= size:
            return None
        at = following
    return None


def _is_chunk(file: BinaryIO, at: int, size: int) -> bool:
    """Whether another chunk follows, as behind a data chunk that really is empty, and not sound."""
    file.seek(at)
    header = file.read(8)
    return len(header) == 8 and header[:4].isalnum() and at + 8 + struct.unpack("<I", header[4:])[0] <= size
