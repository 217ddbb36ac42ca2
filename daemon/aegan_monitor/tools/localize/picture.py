"""The picture of a localisation: panels on one time axis, with boxes around the regions. Needs matplotlib (extra `plot`)."""

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from aegan_monitor.decision.sound.regions import LEAST_EXCESS, farthest
from aegan_monitor.detection.features import BandScale, FeatureParameters, band_edges_hz
from aegan_monitor.tools.plot import make_figure, make_png
from aegan_monitor.types import DoubleArray, FloatArray

if TYPE_CHECKING:
    from aegan_monitor.tools.localize.localize import Localisation

MOST_COLUMNS = 1000  # of about 1200 pixels; with more frames each column shows several
LEAST_MARK_BANDS = 7  # between two labels of the frequency axis
MOST_STEPS = 9  # on a linear one


class Panel(NamedTuple):
    """A row of the picture."""

    name: str
    title: str
    colours: str
    bar: str
    beyond: Literal["both", "max"]
    box: str | None = None  # colour of the boxes around the regions


PANELS = (
    Panel("denoised", "denoised: what the network makes of the sound", "viridis", "level", "both"),
    Panel("mean_normal", "mean normal: the average of the training clips", "viridis", "level", "both"),
    Panel("map", "map: |denoised - mean normal|", "inferno", "difference", "max"),
    Panel("residual", "residual: |sound - denoised|", "inferno", "difference", "max", "cyan"),
    Panel(
        "excess",
        "sound - denoised, smoothed, measured by what is usual in each band of normal sound",
        "RdBu_r",
        "usual deviations",
        "both",
        "black",
    ),
)


def draw(found: "Localisation", title: str, features: FeatureParameters) -> bytes:
    """The picture as the content of a `.png` file, 1200 pixels wide."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - it may be missing

    figure = make_figure(12, 12 + 0.2 * len(found.words))
    axes = figure.subplots(len(PANELS), 1, sharex=True)
    half_s = (found.times_s[1] - found.times_s[0]) / 2
    start_s, end_s = found.times_s[0] - half_s, found.times_s[-1] + half_s
    extent = (start_s, end_s, -0.5, len(found.bands_hz) - 0.5)
    marks = band_marks(band_edges_hz(features), features.band_scale)
    limits = colour_limits(found)
    for axis, panel in zip(axes, PANELS, strict=True):
        low, high = limits[panel.name]
        pooled = pool(getattr(found, panel.name), by_mean=panel.bar == "level")
        image = axis.imshow(
            pooled, cmap=panel.colours, vmin=low, vmax=high, extent=extent, origin="lower", aspect="auto", interpolation="nearest"
        )
        figure.colorbar(image, ax=axis, label=panel.bar, extend=panel.beyond, pad=0.01)
        axis.set_title(panel.title, loc="left", fontsize=11)
        axis.set_ylabel("frequency in kHz")
        axis.set_yticks([place for place, _ in marks], [label for _, label in marks])
        for number, box in enumerate(found.boxes if panel.box else (), start=1):
            left, right = max(start_s, box[0] - 4 * half_s), min(end_s, box[1] + 4 * half_s)  # around the region, not over it
            below, above = max(extent[2], box[2] - 2), min(extent[3], box[3] + 2)
            axis.add_patch(Rectangle((left, below), right - left, above - below, fill=False, edgecolor=panel.box, linewidth=1.2))
            place = (min(left + 0.02 * number * (end_s - start_s), right), above)  # beside the numbers of boxes that begin at the same time
            is_high = above > 0.9 * extent[3]
            axis.annotate(
                str(number), place, ha="right", va="top" if is_high else "bottom", color=panel.box, weight="bold", annotation_clip=False
            )
    axes[-1].set_xlabel("time in s")
    numbered = [f"{number}: {line}" for number, line in enumerate(found.words, start=1)] if found.boxes else found.words
    figure.suptitle("\n".join([title, *numbered]), fontsize=11, parse_math=False)
    return make_png(figure)


def pool(picture: FloatArray, *, by_mean: bool) -> FloatArray:
    """At most MOST_COLUMNS columns: of several the mean, or what is farthest from 0, so that no short event is lost."""
    step = -(-picture.shape[1] // MOST_COLUMNS)
    starts = np.arange(0, picture.shape[1], step)
    if by_mean:
        return np.stack([picture[:, start : start + step].mean(axis=1) for start in starts], axis=1)
    extremes: FloatArray = np.stack([np.maximum.reduceat(picture, starts, axis=1), np.minimum.reduceat(picture, starts, axis=1)])
    return farthest(extremes)


def colour_limits(found: "Localisation") -> dict[str, tuple[float, float]]:
    """By panel, so that a rare outlier does not darken all the rest; both levels share one scale."""
    low, high = (float(limit) for limit in np.quantile(np.concatenate([found.denoised, found.mean_normal], axis=1), [0.002, 0.998]))
    return {
        "denoised": (low, high),
        "mean_normal": (low, high),
        "map": (0.0, float(np.quantile(found.map, 0.99))),
        "residual": (0.0, float(np.quantile(found.residual, 0.999))),
        "excess": (-1.5 * LEAST_EXCESS, 1.5 * LEAST_EXCESS),
    }


def band_marks(edges_hz: DoubleArray, scale: BandScale) -> list[tuple[float, str]]:
    """Places and labels (kHz) of the frequency axis, whose unit is the band: octaves on the mel scale, else equal steps."""
    edges_khz = (edges_hz / 1000).round(6)  # 7.9999 is 8
    if scale == "mel":
        candidates = [2.0**octave for octave in range(6, -4, -1)]
    else:
        step = next(step for step in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if edges_khz[-1] / step < MOST_STEPS)
        candidates = [step * i for i in range(MOST_STEPS, -1, -1)]
    n_bands = len(edges_hz) - 2
    found: list[tuple[float, str]] = []
    for khz in candidates:
        place = float(np.interp(khz, edges_khz, np.arange(-1, n_bands + 1)))
        if edges_khz[0] <= khz <= edges_khz[-1] and (not found or found[-1][0] - place >= LEAST_MARK_BANDS):
            found.append((min(max(place, -0.5), n_bands - 0.5), f"{khz:g}"))
    return found
