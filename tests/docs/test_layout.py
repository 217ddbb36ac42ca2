"""The listing is the architecture: folders and files that can be seen whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest

LARGEST_FILE_LINES, LARGEST_FOLDER_FILES = 250, 15
ROOTS = ("daemon", "train", "export", "tests", "docs/generate")
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "core", "base", "misc"}


def modules(repository: Path, root: str) -> Iterator[Path]:
    """Every Python file below a folder of the checkout."""
    yield from sorted(path for path in (repository / root).rglob("*.py") if "__pycache__" not in path.parts)


@pytest.mark.parametrize("root", ROOTS)
def test_no_file_is_too_long(repository: Path, root: str) -> None:
    """A longer one holds a second concept: split it."""
    found = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(repository, root)}
    too_long = {str(path.relative_to(repository)): n_lines for path, n_lines in found.items() if n_lines > LARGEST_FILE_LINES}
    assert not too_long, f"over {LARGEST_FILE_LINES} lines, split them: {too_long}"


@pytest.mark.parametrize("root", ROOTS)
def test_no_folder_is_too_full(repository: Path, root: str) -> None:
    """A fuller one hides what is in it: group its modules."""
    counts: dict[str, int] = {}
    for path in modules(repository, root):
        if path.name != "__init__.py":
            folder = path.parent.relative_to(repository).as_posix()
            counts[folder] = counts.get(folder, 0) + 1
    too_full = {folder: n_files for folder, n_files in counts.items() if n_files > LARGEST_FOLDER_FILES}
    assert not too_full, f"over {LARGEST_FOLDER_FILES} modules, group them: {too_full}"


@pytest.mark.parametrize("root", ROOTS)
def test_no_module_has_a_name_that_says_nothing(repository: Path, root: str) -> None:
    """A module or folder is named for its one concept."""
    named = {part.removesuffix(".py") for path in modules(repository, root) for part in path.relative_to(repository).parts}
    assert not named & FORBIDDEN_NAMES
