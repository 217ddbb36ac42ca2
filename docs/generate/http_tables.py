"""The endpoints of the HTTP interface and the models of its answers, from the daemon's own table."""

from pydantic import BaseModel

from aegan_monitor.messages.model import Payload
from aegan_monitor.web.answers import Problem
from aegan_monitor.web.app import ENDPOINTS
from aegan_monitor.web.endpoints import Endpoint
from marked_parts import escape, make_table
from message_tables import fields_table


def endpoints_table() -> str:
    """Every endpoint: its path, who may use it, what it takes and gives."""
    rows = [
        (
            f"`{each.method} {each.full_path}`",
            each.role or "anybody",
            ", ".join(f"[{model.__name__}]({_find_link(model)})" for model in (each.query, each.body) if model),
            f"`{each.answer}`" if isinstance(each.answer, str) else f"[{each.answer.__name__}]({_find_link(each.answer)})",
            each.words,
        )
        for each in ENDPOINTS
    ]
    return make_table(("endpoint", "role", "takes", "gives", "what"), [tuple(map(escape, row)) for row in rows])


def answers_tables() -> str:
    """One section a model that is no MQTT payload: what it is, and its fields."""
    models: list[type[BaseModel]] = [model for each in ENDPOINTS for model in _find_models(each) if not issubclass(model, Payload)]
    models.append(Problem)
    return "\n".join(_section(model) for index, model in enumerate(models) if model not in models[:index])


def _find_models(endpoint: Endpoint) -> list[type[BaseModel]]:
    answer = [] if isinstance(endpoint.answer, str) else [endpoint.answer]
    return [model for model in (endpoint.query, endpoint.body, *answer) if model]


def _find_link(model: type[BaseModel]) -> str:
    return f"mqtt.md#{model.KIND}" if issubclass(model, Payload) else f"#{model.__name__.lower()}"


def _section(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(mode="serialization")
    return f"### {model.__name__}\n{schema['description']}\n\n{fields_table(schema)}\n"
