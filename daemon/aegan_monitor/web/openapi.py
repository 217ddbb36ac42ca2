"""The OpenAPI description, made from the table of endpoints and the models."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from aegan_monitor import __version__
from aegan_monitor.web.answers import Problem
from aegan_monitor.web.endpoints import Endpoint

REFERENCE = "#/components/schemas/{model}"


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The description, as JSON values."""
    endpoints = list(endpoints)
    taken = {model for each in endpoints for model in (each.body, each.query) if model}
    given: set[type[BaseModel]] = {Problem, *(each.answer for each in endpoints if not isinstance(each.answer, str))}
    wanted = [(model, "serialization") for model in given] + [(model, "validation") for model in taken - given]
    wanted.sort(key=lambda pair: pair[0].__name__)
    names, schemas = models_json_schema(wanted, ref_template=REFERENCE)  # type: ignore[arg-type] # of literals
    found: dict[object, Any] = {model: schema for (model, _), schema in names.items()}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(f"/{endpoint.full_path}", {})[endpoint.method.lower()] = _operation(endpoint, found, schemas["$defs"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "aegan-monitor", "version": __version__, "description": "The interface of the daemon's page."},
        "servers": [{"url": "../../"}],  # of api/v1/openapi.json, wherever a proxy puts it
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "aegan_<node>"},
            },
        },
    }


def _operation(endpoint: Endpoint, found: dict[object, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    answer = endpoint.answer
    content = {answer: {}} if isinstance(answer, str) else {"application/json": {"schema": found[answer]}}
    refused = {"description": "Refused, or failed.", "content": {"application/json": {"schema": found[Problem]}}}
    operation: dict[str, Any] = {
        "summary": endpoint.words,
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint.query, found, schemas)],
        "responses": {"200": {"description": "Done.", "content": content}, "4XX": refused},
        "security": [] if endpoint.role is None else [{"token": []}, {"session": []}],
    }
    if endpoint.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": found[endpoint.body]}}}
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"{(\w+)}", path)]


def _query_parameters(model: type[BaseModel] | None, found: dict[object, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = schemas[found[model]["$ref"].rpartition("/")[2]]
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": field}
        for name, field in schema["properties"].items()
    ]
