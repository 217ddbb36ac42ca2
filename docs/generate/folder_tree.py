"""The folders and modules of the daemon as `docs/architecture.md` shows them, bottom layer first."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "daemon" / "aegan_monitor"
INDENT = "  "
NAME_WIDTH = 16


def folder_tree() -> str:
    """A fenced block with one line a folder."""
    folders: list[str] = []
    modules: list[str] = []
    for layer in reversed(read_layers()):
        (folders if (PACKAGE / layer).is_dir() else modules).append(layer)
    lines = [f"aegan_monitor/{'':<{NAME_WIDTH - 12}}{' '.join(modules)}"]
    for folder in folders:
        lines += _describe(PACKAGE / folder, 1)
    return "\n".join(["```", *lines, "```", ""])


def read_layers() -> list[str]:
    """The layers of the import contract, top first; siblings of one layer one after the other."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each.get("containers") == ["aegan_monitor"]]
    return [name.strip() for layer in layers for name in layer.split(":")]


def _describe(folder: Path, depth: int) -> Iterator[str]:
    modules = sorted(path.stem for path in folder.glob("*.py") if path.name != "__init__.py")
    name = f"{INDENT * depth}{folder.name}/"
    yield f"{name:<{NAME_WIDTH}}  {' '.join(modules)}"
    for inner in sorted(folder.iterdir()):
        if inner.is_dir() and list(inner.glob("*.py")):
            yield from _describe(inner, depth + 1)
