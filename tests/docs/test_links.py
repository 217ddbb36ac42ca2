"""Links between the pages lead somewhere."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = (REPOSITORY, REPOSITORY / "docs", REPOSITORY / "configs")
PAGES = sorted({page for folder in FOLDERS for page in folder.glob("*.md" if folder == REPOSITORY else "**/*.md")})
LARGEST_FOLDER = 15  # pages


def anchors(page: Path) -> set[str]:
    """The anchors that a Markdown viewer gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).strip().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_relative_links_exist(page: Path) -> None:
    """Each names a file or folder of the repository, and a heading that is there."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def test_every_page_is_linked_from_another() -> None:
    """A reader finds each page from the README."""
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:|#", target)
    }
    lonely = [page for page in PAGES if page.name != "README.md" and page not in linked]
    assert lonely == []


def test_no_folder_has_too_many_pages() -> None:
    """So that its listing is read at a glance."""
    folders = {page.parent for page in PAGES}
    assert [folder for folder in folders if len([each for each in folder.iterdir() if each.is_file()]) > LARGEST_FOLDER] == []
