"""What is written about the messages is made of their definition, and no field is left without a word."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import PAYLOADS
from aegan_monitor.messages.topics import QOS_AND_RETAINED
from marked_parts import escape, fill, make_table
from message_tables import describe, make_example, topics_table
from schemas import make_schema, schema_texts
from write import generated_texts


def test_generated_files_are_those_of_the_code(repository: Path) -> None:
    """A change of a message or of the configuration shows in schemas and docs in the same commit."""
    for name, text in generated_texts(repository).items():
        assert (repository / name).read_text(encoding="utf-8") == text, f"{name} is not what the code says: run `make generate`"
    assert {path.name for path in (repository / "docs" / "schemas").iterdir()} == set(schema_texts())


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.KIND)
def test_each_example_obeys_its_schema_and_its_model(payload: type[Payload]) -> None:
    """What a reader copies from the documentation is right, and says something in every field."""
    example, schema = make_example(payload), make_schema(payload)
    Draft202012Validator(schema).validate(example)
    assert list(example) == list(schema["properties"])
    assert json.loads(payload.model_validate(example).model_dump_json()) == example


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.KIND)
def test_each_field_is_described(payload: type[Payload]) -> None:
    """Also those of the models within."""
    schema = make_schema(payload)
    for model in (schema, *schema.get("$defs", {}).values()):
        assert not [name for name, field in model.get("properties", {}).items() if not field.get("description")]


def test_each_kind_has_a_row() -> None:
    """With topic, QoS, and whether the broker keeps it."""
    for kind, (qos, retained) in QOS_AND_RETAINED.items():
        assert f"| `{describe(kind)[0]}` | {qos} | {'yes' if retained else 'no'} | " in topics_table()


def test_what_is_written_by_hand_stays() -> None:
    """Only what lies between the marks is replaced; a page without them is refused."""
    text = "a\n<!-- generated: topics -->\nstale\n<!-- end of topics -->\nb\n"
    filled = fill(text, {"topics": "fresh\n"})
    assert filled == "a\n<!-- generated: topics -->\nfresh\n<!-- end of topics -->\nb\n"
    assert fill(filled, {"topics": "fresh\n"}) == filled
    with pytest.raises(ValueError, match="add them where the part belongs"):
        fill("nothing", {"topics": ""})


def test_a_cell_cannot_break_its_table() -> None:
    """A bar is escaped, and text in angle brackets is no HTML."""
    assert make_table(("a", "b"), [("x|y", escape("<node>"))]) == "| a | b |\n|---|---|\n| x\\|y | &lt;node> |\n"
