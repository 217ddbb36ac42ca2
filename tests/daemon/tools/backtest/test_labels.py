"""Labels of a backtest."""

from pathlib import Path

import pytest

from aegan_monitor.errors import AeganError
from aegan_monitor.tools.backtest.labels import Label, read_labels

RECORDINGS = [Path("/r/mon/a.wav"), Path("/r/tue/a.wav"), Path("/r/tue/b.wav")]


def test_a_file_is_named_by_the_end_of_its_path(tmp_path: Path) -> None:
    """A name that is unique is enough; otherwise its folder is needed."""
    path = tmp_path / "labels.csv"
    path.write_text("\ufefffile,start_s,end_s,what\nb.wav,1,2.5,bearing\nmon/a.wav, 0, 9, belt\n")
    assert read_labels(path, RECORDINGS) == [Label(RECORDINGS[2], 1.0, 2.5, "bearing"), Label(RECORDINGS[0], 0.0, 9.0, "belt")]


def test_each_wrong_line_is_named(tmp_path: Path) -> None:
    """All wrong lines are reported together, with what was expected."""
    path = tmp_path / "labels.csv"
    path.write_text(
        "file,start_s,end_s,what\nb.wav,5,2,x\nc.wav,1,2,x\na.wav,1,2,x\nb.wav,1,2\nb.wav,one,2,x\nb.wav,1,inf,x\nb.wav,1,2,x\n"
    )
    with pytest.raises(AeganError) as failed:
        read_labels(path, RECORDINGS)
    lines = str(failed.value).splitlines()
    assert [line.removeprefix(f"{path}: ").split(":")[0] for line in lines] == [f"line {n}" for n in (2, 3, 4, 5, 6, 7)]
    for line, words in zip(
        lines,
        (
            "0 <= start_s < end_s",
            "name one that is given",
            "2 have this name",
            "expected the columns",
            "found one and 2",
            "found 1 and inf",
        ),
        strict=True,
    ):
        assert words in line


@pytest.mark.parametrize("content", [None, "", "file,start_s,end_s,what\n", "when,what\n", b"\xff\xfe\x00"])
def test_a_file_without_labels_is_one_line(tmp_path: Path, content: str | bytes | None) -> None:
    """A missing, empty or odd file is refused with the columns that are expected."""
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(AeganError, match=r"labels\.csv: .*file,start_s,end_s,what") as failed:
        read_labels(path, RECORDINGS)
    assert str(failed.value).count("\n") == 0
