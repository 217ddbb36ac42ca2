"""Types of names and texts in a configuration, and conversions of other text."""

import re
from typing import Annotated

from pydantic import Field

from aegan_monitor.config.validation import Expected

_LONGEST_NAME, _LONGEST_TEXT = 200, 1000  # characters; an MQTT topic has at most 65,535 bytes
_NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"
_NAME_WORDS = "letters, digits, - and _, the first a letter or digit"
Name = Annotated[str, Field(max_length=_LONGEST_NAME, pattern=f"^{_NAME}$"), Expected(_NAME_WORDS)]
Topic = Annotated[
    str, Field(max_length=_LONGEST_NAME, pattern=f"^{_NAME}(/{_NAME})*$"), Expected(f"levels with / between them, each of {_NAME_WORDS}")
]
Text = Annotated[str, Field(min_length=1, max_length=_LONGEST_TEXT), Expected("text")]


def make_name(text: str) -> str:
    """A text as a topic level: every other character becomes `-`."""
    return re.sub("[^A-Za-z0-9_-]", "-", text).lstrip("-_") or "node"


def make_printable(text: str) -> str:
    """Escape line ends and control characters."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
