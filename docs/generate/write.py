"""Writes all files that are generated from code: `python docs/generate/write.py`, in a checkout (`make generate`)."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from command_tables import command_sections
from config_tables import configuration_tables, training_table
from folder_tree import folder_tree
from http_tables import answers_tables, endpoints_table
from man_pages import man_pages
from marked_parts import fill
from message_tables import payload_sections, topics_table
from metric_tables import metrics_table
from schemas import config_schema_text, schema_texts
from state_diagrams import states_section, states_table

PAGES: Mapping[str, Mapping[str, Callable[[], str]]] = {  # pages with generated parts, by the names in their marks
    "docs/alarms.md": {"states": states_section, "isa states": states_table},
    "docs/architecture.md": {"folders": folder_tree},
    "docs/reference/mqtt.md": {"topics": topics_table, "payloads": payload_sections},
    "docs/reference/configuration.md": {"configuration": configuration_tables},
    "docs/reference/commands.md": {"commands": command_sections},
    "docs/reference/metrics.md": {"metrics": metrics_table},
    "docs/reference/http.md": {"endpoints": endpoints_table, "models": answers_tables},
    "docs/reference/training.md": {"training": training_table},
}


def generated_texts(root: Path) -> dict[str, str]:
    """Each generated file, by its path in the checkout; a page keeps what lies outside its marks."""
    return {
        "configs/monitor.schema.json": config_schema_text(),
        **{f"docs/schemas/{name}": text for name, text in schema_texts().items()},
        **{f"docs/man/{name}": text for name, text in man_pages(root).items()},
        **{
            name: fill((root / name).read_text(encoding="utf-8"), {part: make() for part, make in parts.items()})
            for name, parts in PAGES.items()
        },
    }


def main() -> int:
    """Write them below the current folder."""
    for name, text in generated_texts(Path()).items():
        Path(name).write_text(text, encoding="utf-8")
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
