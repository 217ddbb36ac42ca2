"""The adapter of Pillow: an empty page, and what can be drawn on it. It is imported at the first alarm: it takes 4 MB of memory."""

import io
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as BitmapFont

Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]

INK, FAINT, PAPER = (24, 28, 34), (120, 126, 134), (255, 255, 255)
MOST_COLOURS = 255  # a quarter of the size of true colour
SMALLER_WIDTHS = (960, 800, 640, 480, 320, 160)  # pixels; the last takes 20 KB at most


class Page:
    """Places are in pixels from the upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - see the module

        self._image = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._load_font = ImageFont.load_default
        self._fonts: dict[int, FreeTypeFont | BitmapFont] = {}

    def write(self, place: Point, text: str, size: int, colour: Colour = INK, anchor: str = "la") -> None:
        """A line of text; `anchor` is l, m or r and a, m or s: the left, middle or right of its top, middle or base line is at `place`."""
        if size not in self._fonts:
            self._fonts[size] = self._load_font(size)
        self._draw.text(place, text, fill=colour, font=self._fonts[size], anchor=anchor)

    def line(self, *places: Point, colour: Colour = INK, width: int = 1) -> None:
        """Straight lines from place to place."""
        self._draw.line(places, fill=colour, width=width)

    def paste(self, colours: NDArray[np.uint8], left: int, top: int, right: int, bottom: int) -> None:
        """An array `[n_rows, n_columns, 3]` over a rectangle; its first row is the lowest."""
        from PIL import Image  # noqa: PLC0415 - see the module

        picture = Image.fromarray(np.ascontiguousarray(colours[::-1]))
        self._image.paste(picture.resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))

    def encode(self) -> bytes:
        """The content of a `.png` file."""
        return _encode(self._image)


def shrink(content: bytes, most_bytes: int) -> bytes:
    """A `.png` file of at most `most_bytes`: the same, or the widest smaller copy that is small enough."""
    from PIL import Image  # noqa: PLC0415 - see the module

    with Image.open(io.BytesIO(content)) as image:
        colours = image.convert("RGB")
    for width in SMALLER_WIDTHS:
        if len(content) > most_bytes:
            content = _encode(colours.resize((width, width * colours.height // colours.width), Image.Resampling.LANCZOS))
    return content


def _encode(image: "Image") -> bytes:
    from PIL.Image import Dither, Quantize  # noqa: PLC0415 - see the module

    content = io.BytesIO()
    image.quantize(MOST_COLOURS, method=Quantize.FASTOCTREE, dither=Dither.NONE).save(content, "PNG")
    return content.getvalue()
