"""Unknown keys: each gives a line with the key that was probably meant."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from example_config import FULL, OWNED, Data, problems

FOREIGN = (
    "sample_rate_hz sample_rate n_fft hop hop_samples hop_length n_mels n_bands band_scale f_min_hz f_max_hz floor_power top_db "
    "segment_frames segment_hop_frames clip_frames decision_hop_frames centre_db half_range_db"
)


@pytest.mark.parametrize("key", FOREIGN.split())
def test_feature_parameters_are_refused_anywhere(tmp_path: Path, key: str) -> None:
    """A feature parameter is refused in every section, with the remedy."""
    data = copy.deepcopy(FULL)
    lines = []
    for path, section in sections(data):
        section[key] = 1
        lines.append(f"m.yaml: {path}{key}: {OWNED}")
    assert sorted(problems(tmp_path, data)) == sorted(lines)


def sections(data: Data, path: str = "") -> Iterator[tuple[str, Data]]:
    """Every mapping in `data`, with the prefix of its key paths."""
    yield path, data
    for key, value in list(data.items()):
        for index, inner in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(inner, dict):
                yield from sections(inner, f"{path}{key}[{index}]." if isinstance(value, list) else f"{path}{key}.")


PLACES = [(number, key) for number, (_, section) in enumerate(sections(FULL)) for key in section]


@given(
    place=st.sampled_from(PLACES),
    at=st.integers(0, 20),
    letter=st.sampled_from("abeilmnorst_xyz019"),
    how=st.sampled_from(["drop", "put", "swap"]),
)
def test_any_change_of_one_letter_of_a_key_is_refused(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[int, str], at: int, letter: str, how: str
) -> None:
    """A dropped, added or replaced letter gives a line with the path of the misspelt key."""
    number, key = place
    at = min(at, len(key) - 1)
    misspelt = key[:at] + ("" if how == "drop" else letter) + key[at if how == "put" else at + 1 :]
    assume(misspelt != key)
    data = copy.deepcopy(FULL)
    path, section = list(sections(data))[number]
    section[misspelt] = section.pop(key)
    lines = problems(tmp_path_factory.getbasetemp(), data)
    assert [line for line in lines if line.startswith(f"m.yaml: {path}{misspelt}: unknown key; ")]


@pytest.mark.parametrize(("number", "key"), PLACES)
def test_a_misspelt_key_is_recognised(tmp_path: Path, number: int, key: str) -> None:
    """Two swapped letters give a line that suggests the right key."""
    misspelt = key[0] + key[2] + key[1] + key[3:]
    if misspelt == key:
        misspelt = key[:-1]
    data = copy.deepcopy(FULL)
    path, section = list(sections(data))[number]
    section[misspelt] = section.pop(key)
    reported = [line for line in problems(tmp_path, data) if line.startswith(f"m.yaml: {path}{misspelt}: ")]
    assert reported == [f"m.yaml: {path}{misspelt}: unknown key; did you mean {key}?"]
