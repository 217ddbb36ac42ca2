"""Nothing that a user can set, subscribe to, scrape or type is left out of the reference pages."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from aegan_export.cli import make_parser as make_export_parser
from aegan_monitor.arguments import make_parser as make_monitor_parser
from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.errors import EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE
from aegan_monitor.messages.topics import QOS_AND_RETAINED
from aegan_monitor.program import EXIT_INTERRUPTED
from aegan_monitor.service.metrics import OF_MACHINE, OF_NODE
from aegan_train.cli import make_parser as make_train_parser
from aegan_train.config import TrainConfig
from command_tables import find_parsers_of, shared_groups
from message_tables import describe


def read(repository: Path, page: str) -> str:
    """A page of the reference."""
    return (repository / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")


def models_below(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that a type mentions, itself included."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_below(field.annotation)
    for argument in get_args(annotation):
        yield from models_below(argument)


def test_every_key_of_the_configuration_has_a_row(repository: Path) -> None:
    """Of every section, and of a training; a section itself has a heading."""
    page, training = read(repository, "configuration"), read(repository, "training")
    models = dict.fromkeys(models_below(MonitorConfig))
    assert len(models) > 10
    missing = [
        f"{model.__name__}.{key}"
        for model in models
        for key, field in model.model_fields.items()
        if f"\n| `{key}` | " not in page and not (list(models_below(field.annotation)) and f"{key}" in page)
    ]
    assert missing == []
    assert [key for key in TrainConfig.model_fields if f"\n| `{key}` | " not in training] == []


def test_every_topic_has_a_row(repository: Path) -> None:
    """By its pattern."""
    page = read(repository, "mqtt")
    assert [kind for kind in QOS_AND_RETAINED if f"| `{describe(kind)[0]}` | " not in page] == []


def test_every_metric_has_a_row(repository: Path) -> None:
    """By its name."""
    page = read(repository, "metrics")
    assert [row.name for row in (*OF_NODE, *OF_MACHINE) if f"| `{row.name}` | " not in page] == []


def test_every_exit_code_has_a_row(repository: Path) -> None:
    """By its number."""
    page = read(repository, "exit-codes")
    assert [code for code in (0, EXIT_FAILED, EXIT_USAGE, EXIT_CONFIG, EXIT_INTERRUPTED) if f"\n| {code} | " not in page] == []


@pytest.mark.parametrize("parser", [make_monitor_parser(), make_train_parser(), make_export_parser()], ids=lambda parser: parser.prog)
def test_every_command_and_option_has_a_row(repository: Path, parser: argparse.ArgumentParser) -> None:
    """A section a command, and in it, or in that of a shared group, a row an option, with words behind it."""
    page = read(repository, "commands")
    for command in [each for each in find_parsers_of(parser) if each is not parser] or [parser]:
        _, found, rest = page.partition(f"## {command.prog}\n")
        assert found, command.prog
        section = rest.partition("\n## ")[0]
        for group in shared_groups(command):
            assert f"[{group.title}]" in section
            section += page.partition(f"## {group.title}\n")[2].partition("\n## ")[0]
        assert "for example: " in section, f"{command.prog} has no example"
        for action in command._actions:
            for option in [name for name in action.option_strings if name.startswith("--") and name not in ("--help", "--version")]:
                rows = [line for line in section.splitlines() if line.startswith((f"| `{option}`", f"| `{option} "))]
                assert len(rows) == 1, f"{command.prog} {option}"
                assert rows[0].split(" | ")[-1].strip(" |"), f"{command.prog} {option} has no words"
