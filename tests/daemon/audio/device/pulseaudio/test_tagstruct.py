"""PulseAudio's tagged values: written values are read back, and truncated ones are errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.device.pulseaudio.tagstruct import ChannelMap, SampleSpec, Value, pack, unpack

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    texts,
    st.binary(max_size=300),
    st.builds(SampleSpec, st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**32 - 1)),
    st.builds(ChannelMap, st.binary(max_size=32)),
    st.dictionaries(texts, st.binary(max_size=20), max_size=3),
)


@given(st.lists(values, max_size=6))
def test_values_are_read_as_they_were_written(written: list[Value]) -> None:
    """Any values are read back as they were written."""
    assert unpack(pack(*written)) == written


@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_a_part_is_never_taken_for_the_whole(written: list[Value], data: st.DataObject) -> None:
    """A truncated message gives fewer values or an error."""
    content = pack(*written)
    part = content[: data.draw(st.integers(0, len(content) - 1))]
    try:
        found = unpack(part)
    except ValueError:
        return
    assert found == written[: len(found)]
    assert len(found) < len(written)


def test_what_only_servers_write_is_read() -> None:
    """64-bit numbers, volumes and byte strings are read."""
    assert unpack(b"U" + bytes(7) + b"\5" + b"v\2" + bytes([0, 0, 1, 0, 0, 0, 2, 0]) + b"B\7") == [5, (256, 512), 7]


def test_an_unknown_letter_is_reported() -> None:
    """An unknown type tag gives an error with its position."""
    with pytest.raises(ValueError, match="unknown type '\\?' at byte 1"):
        unpack(b"N?")
