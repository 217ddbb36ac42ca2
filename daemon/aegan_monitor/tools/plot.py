"""The adapter of matplotlib (extra `plot`), which the daemon never needs: it is imported only to draw."""

import importlib
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from aegan_monitor.errors import AeganError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 100
INSTALL = "pip install 'aegan-monitor[plot]'"


def require_plot(out: Path, otherwise: str = "") -> None:
    """Refuse a picture, `out`, that cannot be drawn; `otherwise` says what to do instead.

    Raises:
        AeganError: matplotlib is not installed.
    """
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise AeganError(f"{out}: needs matplotlib: {INSTALL}{otherwise}") from error


def make_figure(width_inches: float, height_inches: float) -> "Figure":
    """An empty figure that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - it may be missing
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width_inches, height_inches), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def make_png(figure: "Figure") -> bytes:
    """The figure as the content of a `.png` file."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ")  # a file name in letters that the font lacks
        figure.savefig(content, format="png")
    return content.getvalue()
