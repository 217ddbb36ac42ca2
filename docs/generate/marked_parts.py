"""Replaces the generated parts of a Markdown page, which lie between marks."""

from collections.abc import Mapping, Sequence

BAR = "\\|"


def fill(document: str, parts: Mapping[str, str]) -> str:
    """The page with each part between `<!-- generated: NAME -->` and `<!-- end of NAME -->` replaced.

    Raises:
        ValueError: The page lacks the marks of a part.
    """
    for name, text in parts.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
        before, _, rest = document.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"expected a line {begin!r} and after it a line {end!r}; add them where the part belongs")
        document = f"{before}{begin}\n{text}{end}{after}"
    return document


def make_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; a `|` within a cell is escaped."""
    lines = [f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |\n" for line in (head, *rows)]
    return "".join([lines[0], f"|{'---|' * len(head)}\n", *lines[1:]])


def escape(text: str) -> str:
    """Plain text for a cell: `<node>` is no HTML tag."""
    return text.replace("<", "&lt;")
