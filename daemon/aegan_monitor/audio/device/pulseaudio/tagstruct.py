"""How PulseAudio's protocol writes values down: a letter that names the type, then the value, big-endian.

Source: `src/pulsecore/tagstruct.c` of PulseAudio. Integers that are not `u32` are read, but never written: no request needs them.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias


class SampleSpec(NamedTuple):
    """Form of a stream; `encoding` is PulseAudio's number (5: float32, little-endian)."""

    encoding: int
    n_channels: int
    sample_rate_hz: int


class ChannelMap(NamedTuple):
    """What each channel is, by PulseAudio's numbers."""

    positions: bytes


Value: TypeAlias = str | bytes | bool | int | SampleSpec | ChannelMap | dict[str, bytes] | tuple[int, ...] | None


def pack(*values: Value) -> bytes:
    """The values, one behind the other."""
    return b"".join(map(_pack_one, values))


def _pack_one(value: Value) -> bytes:
    return _WRITERS[type(value)](value)


def _pack_properties(value: dict[str, bytes]) -> bytes:
    return b"P" + b"".join(pack(key, len(content), content) for key, content in value.items()) + b"N"


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"1" if value else b"0",
    int: lambda value: b"L" + struct.pack(">I", value),
    str: lambda value: b"t" + value.encode() + b"\0",
    bytes: lambda value: b"x" + struct.pack(">I", len(value)) + value,
    SampleSpec: lambda value: b"a" + struct.pack(">BBI", *value),
    ChannelMap: lambda value: b"m" + bytes([len(value.positions)]) + value.positions,
    dict: _pack_properties,
}


def unpack(content: bytes) -> list[Value]:
    """All values that are there.

    Raises:
        ValueError: They end too early, or a letter is unknown.
    """
    return list(_Reader(content))


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def __iter__(self) -> Iterator[Value]:
        while self._at < len(self._content):
            yield self._read_value()

    def _read_value(self) -> Value:
        letter = chr(self._take(1)[0])
        if letter not in _READERS:
            raise ValueError(f"unknown type {letter!r} at byte {self._at - 1}")
        return _READERS[letter](self)

    def _take(self, n_bytes: int) -> bytes:
        part = self._content[self._at : self._at + n_bytes]
        if len(part) < n_bytes:
            raise ValueError(f"expected {n_bytes} bytes at byte {self._at}, found {len(part)}")
        self._at += n_bytes
        return part

    def u8(self) -> int:
        return self._take(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def u64(self) -> int:
        return int.from_bytes(self._take(8), "big")

    def text(self) -> str:
        end = self._content.find(b"\0", self._at)
        if end < 0:
            raise ValueError(f"expected text with its end at byte {self._at}, found none")
        return self._take(end + 1 - self._at)[:-1].decode(errors="replace")

    def content(self) -> bytes:
        return self._take(self.u32())

    def sample_spec(self) -> SampleSpec:
        return SampleSpec(self.u8(), self.u8(), self.u32())

    def channel_map(self) -> ChannelMap:
        return ChannelMap(self._take(self.u8()))

    def volumes(self) -> tuple[int, ...]:
        return tuple(self.u32() for _ in range(self.u8()))

    def properties(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        while isinstance(key := self._read_value(), str):
            self._read_value()  # the length, which comes with the content again
            content = self._read_value()
            found[key] = content if isinstance(content, bytes) else b""
        return found


_READERS: dict[str, Callable[[_Reader], Value]] = {
    "t": _Reader.text,
    "N": lambda _: None,
    "L": _Reader.u32,
    "B": _Reader.u8,
    "R": _Reader.u64,
    "r": _Reader.u64,
    "U": _Reader.u64,
    "T": _Reader.u64,
    "V": _Reader.u32,
    "1": lambda _: True,
    "0": lambda _: False,
    "x": _Reader.content,
    "a": _Reader.sample_spec,
    "m": _Reader.channel_map,
    "v": _Reader.volumes,
    "P": _Reader.properties,
}
