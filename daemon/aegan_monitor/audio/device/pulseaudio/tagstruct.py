"""Values of PulseAudio's protocol: a letter for the type, then the value, big-endian.

Source: `src/pulsecore/tagstruct.c` of PulseAudio. Of the integers only `u32` is written: no request needs another.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias


class SampleSpec(NamedTuple):
    """Format of a stream; `encoding` is PulseAudio's number (5: float32, little-endian)."""

    encoding: int
    n_channels: int
    sample_rate_hz: int


class ChannelMap(NamedTuple):
    """Position of each channel, by PulseAudio's numbers."""

    positions: bytes


Value: TypeAlias = str | bytes | bool | int | SampleSpec | ChannelMap | dict[str, bytes] | tuple[int, ...] | None


def pack(*values: Value) -> bytes:
    """The bytes of the values."""
    return b"".join(_WRITERS[type(value)](value) for value in values)


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
    """All values in `content`.

    Raises:
        ValueError: They end too early, or a letter is unknown.
    """
    reader, found = _Reader(content), []
    while not reader.is_at_end():
        found.append(reader.value())
    return found


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def is_at_end(self) -> bool:
        return self._at >= len(self._content)

    def value(self) -> Value:
        letter = chr(self.take(1)[0])
        if letter not in _READERS:
            raise ValueError(f"unknown type {letter!r} at byte {self._at - 1}")
        return _READERS[letter](self)

    def take(self, n_bytes: int) -> bytes:
        part = self._content[self._at : self._at + n_bytes]
        if len(part) < n_bytes:
            raise ValueError(f"expected {n_bytes} bytes at byte {self._at}, found {len(part)}")
        self._at += n_bytes
        return part

    def number(self, n_bytes: int) -> int:
        return int.from_bytes(self.take(n_bytes), "big")

    def text(self) -> str:
        end = self._content.find(b"\0", self._at)
        if end < 0:
            raise ValueError(f"expected text with its end at byte {self._at}, found none")
        return self.take(end + 1 - self._at)[:-1].decode(errors="replace")

    def properties(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        while isinstance(key := self.value(), str):
            self.value()  # the length, which comes with the content again
            content = self.value()
            found[key] = content if isinstance(content, bytes) else b""
        return found


_READERS: dict[str, Callable[[_Reader], Value]] = {
    **dict.fromkeys("RrUT", lambda reader: reader.number(8)),
    **dict.fromkeys("LV", lambda reader: reader.number(4)),
    "B": lambda reader: reader.number(1),
    "t": _Reader.text,
    "N": lambda _: None,
    "1": lambda _: True,
    "0": lambda _: False,
    "x": lambda reader: reader.take(reader.number(4)),
    "a": lambda reader: SampleSpec(reader.number(1), reader.number(1), reader.number(4)),
    "m": lambda reader: ChannelMap(reader.take(reader.number(1))),
    "v": lambda reader: tuple(reader.number(4) for _ in range(reader.number(1))),
    "P": _Reader.properties,
}
