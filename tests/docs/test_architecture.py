"""The picture of the folders in docs/architecture.md is the tree that there is."""

import re
from pathlib import Path

PACKAGE = "aegan_monitor"
SKIPPED = {"__init__", "__pycache__"}


def find_picture(text: str) -> str:
    """The fenced block whose first line begins with the package's folder."""
    found = re.search(rf"^```[a-z]*\n({PACKAGE}/.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/architecture.md: expected a fenced block that begins with {PACKAGE}/, found none"
    return found[1]


def parse_picture(picture: str) -> set[str]:
    """Folders (with a / behind) and modules that a picture names, as paths below the package.

    A line is indented deeper than that of its folder and names modules, a folder, or a folder and its modules, separated by spaces; what
    follows a `#` is a remark: `  audio/   source ring level   # where sound comes from`.
    """
    named: set[str] = set()
    folders: list[tuple[int, str]] = []
    for line in picture.removeprefix(f"{PACKAGE}/").splitlines():
        names = line.partition("#")[0].split()
        indent = len(line) - len(line.lstrip())
        while folders and folders[-1][0] >= indent:
            folders.pop()
        place = "".join(folder for _, folder in folders)
        for name in names:
            if name.endswith("/"):
                place += name
                folders.append((indent, name))
            named.add(place if name.endswith("/") else place + name.removesuffix(".py"))
    return named


def list_package(package: Path) -> set[str]:
    """Folders and modules that there are, named as `parse_picture` does."""
    paths = [path.relative_to(package) for path in package.rglob("*.py") if path.stem not in SKIPPED]
    folders = {f"{parent.as_posix()}/" for path in paths for parent in path.parents if parent != Path()}
    return folders | {path.with_suffix("").as_posix() for path in paths}


def test_the_picture_is_the_tree(repository: Path) -> None:
    """Every folder and every module of the daemon stands in it, and nothing else."""
    named = parse_picture(find_picture((repository / "docs" / "architecture.md").read_text(encoding="utf-8")))
    there = list_package(repository / "daemon" / PACKAGE)
    missing, gone = sorted(there - named), sorted(named - there)
    assert (missing, gone) == ([], []), f"docs/architecture.md, picture of the folders: add {missing}, remove {gone}"
