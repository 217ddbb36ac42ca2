"""Data between capture, ring and pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
DoubleArray: TypeAlias = NDArray[np.float64]

FULL_SCALE = 32767 / 32768  # the largest 16-bit sample


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of one read of a capture.

    Attributes:
        samples: float32 `[n_samples]`, full scale is -1 to 1.
        start_sample: Index of the first sample since the capture was first opened; a jump means loss.
        overflowed: The device lost samples before this block.
        began_s, ended_s: Times of the first and last sample by the boot clock (`clock.since_boot_s`); None for recordings without a pace.
    """

    samples: FloatArray
    start_sample: int
    overflowed: bool = False
    began_s: float | None = None
    ended_s: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Hop-aligned samples from the ring; `after_gap`: samples before them were lost; `began_s`, `ended_s`: as in a Block."""

    samples: FloatArray
    start_sample: int
    after_gap: bool = False
    began_s: float | None = None
    ended_s: float | None = None

    def wall_time(self, sample: int, now: datetime, now_s: float) -> datetime:
        """Wall time at which `sample` sounded; `now` without stamps in the run.

        `now` and `now_s` are the same moment by the wall clock and by the boot clock: a step of the wall clock moves all later stamps.
        """
        if self.began_s is None or self.ended_s is None:
            return now
        part = (sample - self.start_sample) / len(self.samples)
        return now - timedelta(seconds=now_s - self.began_s - part * (self.ended_s - self.began_s))


@dataclass(frozen=True, slots=True)
class Frames:
    """Spectrogram columns.

    Attributes:
        db: float32 `[n_bands, n_frames]`, input of the network.
        power: float64 `[n_frames]`, mean square without DC, full scale 1.
        baseline_db: float32 `[n_baseline_bands, n_frames]`, input of the baselines; no bands if none is needed.
    """

    db: FloatArray
    power: DoubleArray
    baseline_db: FloatArray


@dataclass(frozen=True, slots=True)
class SegmentOutputs:
    """Outputs of the network for n segments; a field that was not requested is `[n, 0]`.

    Attributes:
        embedding: float32 `[n, n_embedding]`, the discriminator's f(x).
        z: float32 `[n, nz]`, the encoder's E(x).
        z_errors: float32 `[n, 3]`: squared, absolute and cosine difference of E(x) and E(G(x)).
        x_errors: float32 `[n, 2]`: squared and absolute difference of x and G(x), summed over the picture.
    """

    embedding: FloatArray
    z: FloatArray
    z_errors: FloatArray
    x_errors: FloatArray

    FIELDS: ClassVar[tuple[str, ...]] = ("embedding", "z", "z_errors", "x_errors")

    def __len__(self) -> int:
        """Number of segments."""
        return len(self.embedding)

    @staticmethod
    def join(parts: "list[SegmentOutputs]") -> "SegmentOutputs":
        """The outputs of consecutive batches as one."""
        return SegmentOutputs(*(np.concatenate([getattr(part, name) for part in parts]) for name in SegmentOutputs.FIELDS))

    def rows(self, start: int, stop: int) -> "SegmentOutputs":
        """The outputs of segments start to stop (exclusive)."""
        return SegmentOutputs(*(getattr(self, name)[start:stop] for name in SegmentOutputs.FIELDS))


@dataclass(frozen=True, slots=True)
class ClipScore:
    """The scores of one clip of a stream.

    Attributes:
        end_sample: Index of the sample after the last one in the clip's last frame.
        scores: The requested scores by id.
        level_dbfs: RMS level without DC since the last clip, in dB relative to a full-scale sine (AES17).
        lasting_share: Share of the clip over which what is unlike normal sound lasts, 0 to 1; None if the bundle does not know it.
        members: All scores from which `scores` are made, by id.
        bands_db: Mean linear bands over the clip, float64 `[128]`; None if no baseline bands are computed.
        excess: How far each piece of the clip is from normal sound (`Space.excess`), float64 `[n_pieces]`; None as `lasting_share`.
    """

    end_sample: int
    scores: dict[str, float]
    level_dbfs: float
    lasting_share: float | None = None
    members: Mapping[str, float] = field(default_factory=dict)
    bands_db: DoubleArray | None = field(default=None, compare=False, repr=False)
    excess: DoubleArray | None = field(default=None, compare=False, repr=False)
