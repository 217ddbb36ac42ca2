"""The keys of the configuration and of a training, as tables, from the pydantic models."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.config.validation import describe_type
from aegan_train.config import PRESETS, RECIPES, TrainConfig
from marked_parts import escape, make_table

HEAD = ("key", "value", "default", "what")


def configuration_tables() -> str:
    """One section a model, in the order of the configuration."""
    return "\n".join(f"{'###' if '.' in path else '##'} {path or 'Top level'}\n{text}" for path, text in _sections(MonitorConfig, ""))


def training_table() -> str:
    """Every key of `aegan-train fit --config`, with what each preset and recipe makes of it."""
    changed: dict[str, dict[str, object]] = {}
    changed.update(PRESETS.items())
    changed.update(RECIPES.items())
    names = [name for name, settings in changed.items() if settings]
    rows = [
        (
            f"`{key}`",
            _expect(field),
            _show(field.default),
            *(_show(changed[name][key]) if key in changed[name] else "" for name in names),
            _describe(field),
        )
        for key, field in TrainConfig.model_fields.items()
    ]
    return make_table(("key", "value", "default", *(f"`{name}`" for name in names), "what"), rows)


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, str]]:
    inner = {key: _find_models(field.annotation) for key, field in model.model_fields.items()}
    rows = [
        (f"`{key}`", _expect(field), _show_default(field), _describe(field))
        for key, field in model.model_fields.items()
        if not (inner[key] and _only_model(field))
    ]
    if rows:
        yield path, f"{(model.__doc__ or '').strip()}\n\n{make_table(HEAD, rows)}"
    for key, models in inner.items():
        is_list = get_origin(model.model_fields[key].annotation) is list
        for each in models:
            kind = each.model_fields.get("kind")
            choice = f" ({', '.join(get_args(kind.annotation))})" if len(models) > 1 and kind else ""
            yield from _sections(each, f"{path}.{key}".lstrip(".") + ("[]" if is_list else "") + choice)


def _only_model(field: FieldInfo) -> bool:
    """Whether the key is nothing but a section: it has no value of its own to describe."""
    return type(None) not in get_args(field.annotation)


def _find_models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return [model for argument in arguments for model in _find_models(argument)]


def _expect(field: FieldInfo) -> str:
    return describe_type(field.annotation, tuple(field.metadata))


def _show_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "the host name" if field.default_factory else _show(field.default)


def _describe(field: FieldInfo) -> str:
    return escape(field.description or "")


def _show(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return "`null`" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"
