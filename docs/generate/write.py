"""Writes the files that are generated from code: `python docs/generate/write.py`, in a checkout."""

import sys
from pathlib import Path

from aegan_monitor.config.model import schema_text
from message_tables import fill
from schemas import schema_texts

DOCUMENT = "docs/mqtt.md"


def generated_texts(root: Path) -> dict[str, str]:
    """Each generated file, by its path in the checkout; of the document only what lies between its marks."""
    return {
        "configs/monitor.schema.json": schema_text(),
        **{f"docs/schemas/{name}": text for name, text in schema_texts().items()},
        DOCUMENT: fill((root / DOCUMENT).read_text(encoding="utf-8")),
    }


def main() -> int:
    """Write them below the current folder."""
    for name, text in generated_texts(Path()).items():
        Path(name).write_text(text, encoding="utf-8")
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
