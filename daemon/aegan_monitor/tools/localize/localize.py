"""Localisation of unusual sound in a recording: the denoised recording, the published map, the residual, and the regions in words.

Source: the method's localisation, |denoised - mean normal spectrogram|. The denoised recording hardly contains a new sound. The words
are therefore taken from the signed residual x - denoised, in which noise averages out.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.decision.sound.regions import (
    LEAST_EXCESS,
    Region,
    describe_band,
    describe_side,
    describe_size,
    farthest,
    find_passing,
    find_steady,
    measure,
)
from aegan_monitor.detection.arrays import load_arrays
from aegan_monitor.detection.bundle import Bundle, accessing
from aegan_monitor.detection.features import LogMel, band_edges_hz, limit_range
from aegan_monitor.detection.network import MAX_BATCH
from aegan_monitor.detection.pipeline import require_segment
from aegan_monitor.detection.segments import ClipParameters
from aegan_monitor.errors import AeganError, BundleError
from aegan_monitor.files import show_path, write_whole
from aegan_monitor.inference.session import GraphSession
from aegan_monitor.tools.localize.picture import draw
from aegan_monitor.tools.plot import require_plot
from aegan_monitor.tools.progress import Progress
from aegan_monitor.types import DoubleArray, FloatArray

LONGEST_CLIP = 2  # times the training's
PUSH_SAMPLES = 160_000  # 10 s: bounds what the spectrum of a long recording takes

Reconstruct = Callable[[FloatArray], FloatArray]
Show = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Localisation:
    """Spectrograms `[n_bands, n_frames]` float32, scaled so that training data is in [0, 1], and the regions that stand out.

    Attributes:
        denoised: Each column the mean of its reconstructions over all segments that contain it.
        mean_normal: Mean of the normal training clips; see `extend`.
        map: |denoised - mean_normal|.
        residual: |x - denoised|.
        excess: x - denoised, smoothed, in usual deviations of each band (`regions.measure`), from which the words are taken;
            0 in the first and last frames, whose window reaches beyond the sound.
        times_s: Middle of each frame, `[n_frames]`.
        bands_hz: Lower edge, centre and upper edge of each band, `[n_bands, 3]`.
        words: One line a region that stands out of the residual.
        boxes: Those regions: start and end in s, lowest and highest band.
    """

    denoised: FloatArray
    mean_normal: FloatArray
    map: FloatArray
    residual: FloatArray
    excess: FloatArray
    times_s: DoubleArray
    bands_hz: DoubleArray
    words: tuple[str, ...]
    boxes: tuple[tuple[float, float, int, int], ...]

    def arrays(self) -> bytes:
        """The spectrograms and their axes as the content of a `.npz` file."""
        content = io.BytesIO()
        names = ("denoised", "mean_normal", "map", "residual", "excess", "times_s", "bands_hz")
        np.savez_compressed(content, allow_pickle=False, **{name: getattr(self, name) for name in names})
        return content.getvalue()


class Localiser:
    """Localises in recordings; the bundle's golden recording gives the usual deviation of normal sound from its reconstruction."""

    def __init__(self, bundle: Bundle, reconstruct: Reconstruct) -> None:
        """Measure the golden recording; `reconstruct` is G(x) for segments.

        Raises:
            BundleError: The golden recording cannot be read.
        """
        self._bundle = bundle
        self._reconstruct = reconstruct
        features = bundle.record.features
        self._n_edge = -(-features.n_fft // (2 * features.hop_samples))  # frames at either end whose window reaches beyond the sound
        try:
            with accessing(bundle.folder):
                samples = load_arrays(bundle.golden_path, ["samples"])["samples"]
        except ValueError as error:
            raise BundleError(f"{error}; export the bundle again") from error
        x, denoised = self._denoise(samples, str(bundle.golden_path))
        self._normal = self._judged(x - denoised)

    def localise(self, samples: FloatArray, name: str = "the recording", show: Show = lambda _: None) -> Localisation:
        """Localise in one recording, float32 `[n_samples]`; `show` takes the part that is done, of 1.

        Raises:
            CaptureError: It is shorter than one segment.
        """
        record = self._bundle.record
        x, denoised = self._denoise(samples, name, show)
        normal = unit(record.scaling.apply(extend(self._bundle.reference.mean_spectrogram, x.shape[1])))
        edges_hz = band_edges_hz(record.features)
        bands_hz = np.stack([edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]], axis=1)
        planes = measure(self._judged(x - denoised), self._normal)
        excess = farthest(planes)
        regions = [*find_steady(planes), *find_passing(planes)]  # which overwrite `planes`
        boxes = [self._box(region, len(samples)) for region in regions]
        most = f"the farthest place has {np.abs(excess).max():.1f} times the usual deviation"
        nothing = f"nothing stands out: {most}, {LEAST_EXCESS:g} would stand out"
        return Localisation(
            denoised=denoised,
            mean_normal=normal,
            map=np.abs(denoised - normal),
            residual=np.abs(x - denoised),
            excess=np.pad(excess, [(0, 0), (self._n_edge, self._n_edge)]),
            times_s=np.arange(x.shape[1], dtype=np.float64) * record.features.hop_s,
            bands_hz=bands_hz,
            words=tuple(describe(region, box, bands_hz) for region, box in zip(regions, boxes, strict=True)) or (nothing,),
            boxes=tuple(boxes),
        )

    def _denoise(self, samples: FloatArray, name: str, show: Show = lambda _: None) -> tuple[FloatArray, FloatArray]:
        """The spectrogram of the sound and the denoised one, both scaled to [0, 1]."""
        record = self._bundle.record
        logmel = LogMel(record.features, self._bundle.reference.filterbank)
        parts = [logmel.push(samples[i : i + PUSH_SAMPLES]).db for i in range(0, len(samples), PUSH_SAMPLES)]
        db = limit_range(np.concatenate([*parts, logmel.flush().db], axis=1), record.features.top_db)
        require_segment(record, samples, db, name)
        x = record.scaling.apply(db)
        return unit(x), unit(denoise(x, record.clip, self._reconstruct, show))

    def _judged(self, picture: FloatArray) -> FloatArray:
        """Without the frames at both ends whose window reaches beyond the recording."""
        return picture[:, self._n_edge : -self._n_edge]

    def _box(self, region: Region, n_samples: int) -> tuple[float, float, int, int]:
        """Start and end in s, lowest and highest band; a region at the edge of the judged frames extends to the end of the recording."""
        features = self._bundle.record.features
        first_s = (self._n_edge - 0.5) * features.hop_s
        end_s = n_samples / features.sample_rate_hz
        start_s, stop_s = (first_s + frame * features.hop_s for frame in (region.frames.start, region.frames.stop))
        is_last = region.frames.stop == n_samples // features.hop_samples + 1 - 2 * self._n_edge
        return 0.0 if region.frames.start == 0 else start_s, end_s if is_last else stop_s, region.bands.start, region.bands.stop - 1


def unit(scaled: FloatArray) -> FloatArray:
    """[-1, 1] to [0, 1]."""
    return (scaled + np.float32(1)) / np.float32(2)


def denoise(x: FloatArray, clip: ClipParameters, reconstruct: Reconstruct, show: Show = lambda _: None) -> FloatArray:
    """The mean of all reconstructions of each column of `x` `[n_bands, n_frames]`; the last segment ends where `x` does.

    Processes MAX_BATCH segments at a time: a long recording needs no more memory than its spectrograms.
    """
    width, last = clip.segment_frames, x.shape[1] - clip.segment_frames
    starts = sorted({*range(0, last + 1, clip.segment_hop_frames), last})
    total, count = np.zeros(x.shape), np.zeros(x.shape[1])
    for i in range(0, len(starts), MAX_BATCH):
        batch = starts[i : i + MAX_BATCH]
        recon = reconstruct(np.stack([x[None, :, start : start + width] for start in batch]))
        for start, picture in zip(batch, recon[:, 0], strict=True):
            total[:, start : start + width] += picture
            count[start : start + width] += 1
        show((i + len(batch)) / len(starts))
    return (total / count).astype(np.float32)


def extend(mean_spectrogram: FloatArray, n_frames: int) -> FloatArray:
    """The mean normal spectrogram for `n_frames`: beyond its end, and for recordings far longer than a clip, its mean over time."""
    n_known = mean_spectrogram.shape[1]
    n_own = min(n_frames, n_known) if n_frames <= LONGEST_CLIP * n_known else 0
    rest = np.repeat(mean_spectrogram.mean(axis=1, keepdims=True), n_frames - n_own, axis=1)
    return np.concatenate([mean_spectrogram[:, :n_own], rest], axis=1)


def describe(region: Region, box: tuple[float, float, int, int], bands_hz: DoubleArray) -> str:
    """A region in words."""
    start_s, end_s, lowest, highest = box
    time = "all the time" if region.is_steady else f"{start_s:.1f} to {end_s:.1f} s"
    band = describe_band(bands_hz[lowest, 0], bands_hz[highest, 2])
    return f"{time}, {band}: {describe_side(region.excess, 'expected')}, {describe_size(region.excess)}"


def localize(bundle: Bundle, session: GraphSession, path: Path, out: Path, report: Callable[[str], object], progress: Progress) -> None:
    """`aegan-monitor localize`: write the arrays, and the picture too when `out` ends in .png.

    Args:
        bundle, session: With the generator graph.
        path: WAV or FLAC.
        out: Ends in .png or .npz.
        report: Takes the words, one line a region.
        progress: Shows the part of the segments that is done.

    Raises:
        CaptureError: The recording is not what the bundle was trained on.
        AeganError: matplotlib is not installed, and `out` ends in .png (nothing was written); or a file cannot be written.
    """
    if out.suffix == ".png":
        require_plot(out, f", or choose --out {out.with_suffix('.npz')}, which does not")
    samples = read_recording(path, bundle.record.features.sample_rate_hz)
    found = Localiser(bundle, session.reconstruct).localise(samples, show_path(path), progress.show)
    progress.clear()
    write(out.with_suffix(".npz"), found.arrays())
    if out.suffix == ".png":
        write(out, draw(found, f"{show_path(path.name)} ({bundle.record.machine_type})", bundle.record.features))
    for line in found.words:
        report(line)


def write(path: Path, content: bytes) -> None:
    """Write a file; nothing is left of one that cannot be written whole.

    Raises:
        AeganError: It cannot be written.
    """
    try:
        write_whole(path.resolve(), content)
    except OSError as error:
        raise AeganError(f"{path}: cannot be written: {error.strerror}; choose another --out") from error
