"""What flows along the line, from a block of samples to a transition of the alarm."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
DoubleArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """What one read of a capture delivers.

    Attributes:
        samples: float32 `[n_samples]`, full scale is -1 to 1.
        start_sample: Index of the first sample since the capture was opened first; a jump means loss.
        overflowed: The device lost samples before this block.
        began_s, ended_s: When its first and last sample sounded, by the boot clock (`clock.since_boot_s`); None where no clock paces
            the sound, as in recordings that are read at once.
    """

    samples: FloatArray
    start_sample: int
    overflowed: bool = False
    began_s: float | None = None
    ended_s: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Hop-aligned samples out of the ring; `after_gap`: samples before them were lost; `began_s`, `ended_s`: as of a Block."""

    samples: FloatArray
    start_sample: int
    after_gap: bool = False
    began_s: float | None = None
    ended_s: float | None = None

    def wall_time(self, sample: int, now: datetime, now_s: float) -> datetime:
        """When `sample` sounded, by the wall clock as it is set now.

        `now` and `now_s` are the same moment by the wall clock and by the boot clock, which no one sets: a step of the wall clock
        moves all stamps that follow, by the whole step. Without stamps in the run it is `now`.
        """
        if self.began_s is None or self.ended_s is None:
            return now
        part = (sample - self.start_sample) / len(self.samples)
        return now - timedelta(seconds=now_s - self.began_s - part * (self.ended_s - self.began_s))


@dataclass(frozen=True, slots=True)
class Frames:
    """Spectrogram columns.

    Attributes:
        db: float32 `[n_bands, n_frames]`, what the network sees.
        power: float64 `[n_frames]`, mean square without DC, full scale 1.
        baseline_db: float32 `[n_baseline_bands, n_frames]`, what the baselines use; no bands if none is needed.
    """

    db: FloatArray
    power: DoubleArray
    baseline_db: FloatArray


@dataclass(frozen=True, slots=True)
class SegmentOutputs:
    """What the network says of n segments; a field that was not asked for is `[n, 0]`.

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
        """Segments that these outputs are of."""
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
        end_sample: Index of the sample after the last that the clip's last frame saw.
        scores: One float for each score id that was asked for, keyed by its id.
        level_dbfs: RMS level without DC since the last clip, in dB relative to a full-scale sine (AES17).
    """

    end_sample: int
    scores: dict[str, float]
    level_dbfs: float
