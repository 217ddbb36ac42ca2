"""The record of a bundle: all numbers for scoring, in `bundle.json` and in `run.json` of a run."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.detection.segments import ClipParameters, Scaling
from aegan_monitor.detection.views import N_SCALE_BANDS

Place = Literal["recorded", "any"]  # of a monitor: where the training was recorded, or any other place too
PLACES: tuple[Place, ...] = get_args(Place)  # the default first
LARGEST_SCORE = 1e15  # far above any score; results computed with it stay finite
Level = Annotated[float, Field(ge=-1000, le=1000)]  # in dB
Date = Annotated[AwareDatetime, Field(ge=datetime(2020, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]


class Record(BaseModel):
    """Base of the parts: frozen, without unknown fields, NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NetworkRecord(Record):
    """Sizes of the network's outputs."""

    preset: str
    ndf: PositiveInt
    nz: PositiveInt
    n_embedding: PositiveInt


class NormalBlocks(Record):
    """Normal sound in blocks that are nearly independent of each other, scored by the score that decides.

    Attributes:
        n_clips: Clips without common sound that make a block.
        stretches: The largest score of each block; blocks of one stretch follow each other.
        autocorrelation: Of successive blocks; None if it could not be measured.
        is_measured: The length of a block follows from measured autocorrelations alone; otherwise it is assumed.
        alike: Upper bound (80 %) of the intraclass correlation of the scores of one recording; 0 where it could not be measured.
        per_recording: Blocks in the recording of a block, on average over blocks.
        states: The operating state of each stretch, as its place in `normal_sound`; None for sound in none, or with a change in it. Empty
            for a machine that has one state, or in bundles that do not know.
    """

    n_clips: PositiveInt
    stretches: Annotated[
        list[Annotated[list[Annotated[float, Field(ge=-LARGEST_SCORE, le=LARGEST_SCORE)]], Field(min_length=1)]], Field(min_length=1)
    ]
    autocorrelation: float | None = None
    is_measured: bool = False
    alike: float = Field(default=0.0, ge=0, le=1)
    per_recording: float = Field(default=1.0, ge=1)
    states: list[NonNegativeInt | None] = []

    @model_validator(mode="after")
    def _match(self) -> Self:
        if self.states and len(self.states) != len(self.stretches):
            raise ValueError(f"states: expected one for each of {len(self.stretches)} stretches, found {len(self.states)}")
        return self

    def by_state(self) -> dict[int, list[float]]:
        """The scores of the blocks in each operating state, in the order of `normal_sound`; empty where states are unknown."""
        found: dict[int, list[float]] = {state: [] for state in sorted({state for state in self.states if state is not None})}
        for state, stretch in zip(self.states, self.stretches if self.states else [], strict=True):
            if state is not None:
                found[state] += stretch
        return found


class Calibration(Record):
    """Quantiles at `probabilities` of the scores of normal clips, for every score id, and where the alarm of one place lies over them.

    Attributes:
        n_clips: Normal clips, held out or cross-fitted; scores of the generator know the held-out ones alone.
        n_copies: Copies of held-out clips with other backgrounds, in addition; none for the recorded place.
        quantile, margin: Defaults of the alarm (`detection.threshold.make_threshold`).
        blocks: What a budget of false alarms needs; None in bundles of format 2.
    """

    n_clips: PositiveInt
    n_copies: NonNegativeInt = 0
    quantile: float = Field(default=0.99, ge=0.5, le=1)
    margin: float = Field(default=2.0, ge=0, le=1000)
    probabilities: list[float]
    quantiles: dict[str, list[Annotated[float, Field(ge=-LARGEST_SCORE, le=LARGEST_SCORE)]]]
    blocks: NormalBlocks | None = None


def _name_place(calibration: Any) -> Any:
    """The one calibration of version 0.2, by its place: any if there are copies, otherwise the recorded one."""
    if isinstance(calibration, dict) and "quantiles" in calibration:
        return {"any" if calibration.get("n_copies") else "recorded": calibration}
    return calibration


class Normalisation(Record):
    """Mean and standard deviation of one score over the held-out normal clips."""

    mean: float = Field(ge=-LARGEST_SCORE, le=LARGEST_SCORE)
    std: float = Field(gt=1 / LARGEST_SCORE)


class FusionTerm(Record):
    """One member of the fusion: the logarithm of its scores of normal clips.

    Attributes:
        centre: Its middle.
        scale: The unit of a distance from that.
        correlations: Its correlation with each earlier member of the fusion over normal clips; 0 with those that are not named.
    """

    centre: float = Field(ge=-LARGEST_SCORE, le=LARGEST_SCORE)
    scale: float = Field(gt=1 / LARGEST_SCORE)
    correlations: dict[str, Annotated[float, Field(gt=-1, lt=1)]] = {}


class ReferenceRecord(Record):
    """How the reference set was fitted.

    Attributes:
        n_clips: Rows of its arrays: each is a training clip, or the mean of several.
        n_backgrounds: Copies of a clip with other backgrounds, for `D_near`.
    """

    n_clips: PositiveInt
    n_backgrounds: NonNegativeInt
    covariance: str
    shrinkage: float


Bands = Annotated[list[Level], Field(min_length=N_SCALE_BANDS, max_length=N_SCALE_BANDS)]


class UsualBands(Record):
    """How the mean linear bands of normal clips vary, in dB; each list has 128 values.

    Attributes:
        deviation_db: Root mean square of what is left of a clip after the nearest clips of other recordings, for each smoothing over
            neighbouring bands (`aegan_monitor.decision.sound.changed_bands`).
        lowest_db, highest_db: Their range.
    """

    deviation_db: list[Bands]
    lowest_db: Bands
    highest_db: Bands


class NormalState(Record):
    """Level and coarse bands (`aegan_monitor.decision.sound.sound_bands`) of normal sound in one operating state, from seconds of sound.

    Each list of three numbers holds the quantiles 0.01, 0.5 and 0.99.

    Attributes:
        share: The part of normal sound that is in this state.
        level_dbfs: Of the level.
        bands_dbfs: Of each band, from low to high.
        dc: Mean of the samples; full scale is 1.
        drop_outs: The part of its seconds with repeated samples, as of a noise gate.
    """

    name: str
    share: float = Field(gt=0, le=1)
    level_dbfs: list[float] = Field(min_length=3, max_length=3)
    bands_dbfs: list[Annotated[list[float], Field(min_length=3, max_length=3)]] = Field(min_length=8, max_length=8)
    dc: float = 0.0
    drop_outs: float = Field(default=0.0, ge=0, le=1)


class Provenance(Record):
    """How the bundle was made."""

    version: str
    commit: str | None
    seed: int
    n_epochs: int
    training_data_sha256: str
    n_training_clips: int
    n_held_out_clips: int


class FileRecord(Record):
    """One file of the bundle."""

    sha256: str
    n_bytes: int


class BundleFields(Record):
    """The fields of `bundle.json` that training writes: all but format and files.

    Attributes:
        score: The score that decides.
        spaces: The spaces of the reference set: of scores, and `lasting`; bundles of format 2 have none.
        fusion: Scores and terms of the fused score; empty without one.
        fused: The name of the fused score, which says how it is made (`aegan_monitor.detection.fusion`).
        choice: Reason for this score, in one sentence.
        calibration: By place; bundles of format 2, and recipes without copies before other backgrounds, have one.
        usual_bands: For the cause of an alarm; None in bundles of format 2.
        sensitivity: AUC of that score between altered and plain held-out clips, by alteration; empty if not measured.
        normal_sound: Level and bands of each operating state; bundles of format 2 have none.
    """

    machine_type: str
    features: FeatureParameters
    scaling: Scaling
    clip: ClipParameters
    network: NetworkRecord
    score: str
    spaces: list[str] = []
    fusion: dict[str, FusionTerm]
    fused: str = "F_mean"
    choice: str
    usual_bands: UsualBands | None = None
    sensitivity: dict[str, float]
    precision: Literal["fp32", "fp16"]
    reference: ReferenceRecord
    normalisation: dict[str, Normalisation]
    calibration: Annotated[dict[Place, Calibration], BeforeValidator(_name_place), Field(min_length=1)]
    normal_sound: list[NormalState] = []
    provenance: Provenance

    @property
    def first_decision_samples(self) -> int:
        """Samples from the start of a stream or from a gap to the first decision."""
        return self.features.n_fft // 2 + (self.clip.covered_frames - 1) * self.features.hop_samples


class BundleRecord(BundleFields):
    """`bundle.json`; `record_sha256` is the digest of all other keys but `created` (`digest_of`).

    Attributes:
        created: When it was exported; None in bundles of an older version. Two exports of one run differ in nothing else.
    """

    format: Literal[2, 3]
    created: Date | None = None
    files: dict[str, FileRecord]
    record_sha256: str
