"""The files of the page: small, without a build step, without inline code, and with all words in one file."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "daemon" / "aegan_monitor" / "web" / "page"
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
MOST_BYTES, MOST_LINES = 200_000, 250
SILENT = {"texts.js"}


def name_of(path: Path) -> str:
    """The path below the page's folder."""
    return path.relative_to(PAGE).as_posix()


def test_the_page_is_small() -> None:
    """It loads at once over the radio of a hall."""
    assert sum(path.stat().st_size for path in FILES) < MOST_BYTES
    assert {name_of(path): n for path in FILES if (n := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES} == {}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_names_another_host_or_the_root(path: Path) -> None:
    """All addresses are relative, so the page works below any path, and without the internet."""
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|wss?://|@import|url\(", text)
    assert not re.search(r"""(src|href|import|from)\s*=?\s*\(?["']/""", text)


def test_the_document_has_no_inline_code_or_style() -> None:
    """The policy of the server forbids both."""
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_no_script_makes_markup_or_style_from_text(path: Path) -> None:
    """What a machine is called never becomes code."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(.style|style: ", text)


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.name not in SILENT], ids=name_of)
def test_words_stand_in_one_file(path: Path) -> None:
    """A script has no text with a blank that begins with a capital letter: it would not be translated."""
    code = re.sub(r"//.*|/\*.*?\*/", "", path.read_text(encoding="utf-8"))
    assert re.findall(r"""["'`]([A-Z][a-z]+ [^"'`]*)["'`]""", code) == []


def test_every_text_is_used() -> None:
    """A key of texts.js that no script names is left over."""
    keys = set(re.findall(r"(?m)^\s{2,4}(\w+):", (PAGE / "texts.js").read_text(encoding="utf-8")))
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS if path.name not in SILENT)
    assert {key for key in keys if not re.search(rf"\b{key}\b", scripts)} == set()
