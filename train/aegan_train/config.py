"""The settings of a training: a preset, a recipe, and a file that overrides single settings of both."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from aegan_monitor.config.validation import Settings, validate
from aegan_monitor.config.yaml import load_yaml
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.detection.fusion import FUSIONS
from aegan_monitor.detection.scores import SCORE_IDS, SPACE_SCORES
from aegan_monitor.detection.segments import ClipParameters

if TYPE_CHECKING:
    from aegan_train.networks.aegan import NetworkParameters

Norm = Literal["ln", "bn", "in"]
Match = Literal["mu", "mu+sigma"]
Preset = Literal["paper", "edge", "tiny"]
Recipe = Literal["reference", "robust"]
SetName = Literal["dev", "eval", "additional"]
ScalingKind = Literal["extremes", "bands"]


class TrainConfig(Settings):
    """Every setting of a training; the defaults are those of the `paper` preset."""

    sets: list[SetName] | None = Field(
        default=None, min_length=1, description="parts of the data set to train on: dev, eval, additional; all existing ones when null"
    )
    ndf: int = Field(default=32, ge=1, description="channels of the first convolution; the embedding has 16 times as many numbers")
    nz: int = Field(default=256, ge=1, description="size of the latent z")
    generator_norm: Norm = Field(default="ln", description="norm of the generator: ln, bn or in")
    discriminator_norm: Norm = Field(default="ln", description="norm of the discriminator: ln, bn or in")
    first_norm: bool = Field(default=True, description="whether the encoder has its first norm layer")
    match: Match = Field(default="mu", description="what the generator matches of the embedding: mu, or mu+sigma")
    match_weight: float = Field(default=1.0, ge=0, description="weight of that matching ('eff')")
    beta1: float = Field(default=0.5, ge=0, lt=1, description="first beta of both Adams")
    learning_rate: float = Field(default=2e-4, gt=0, description="of both Adams")
    schedule: Literal["constant", "cosine"] = Field(
        default="constant",
        description="learning rate over the epochs; cosine falls to 0, so that the result does not depend on the last epochs",
    )
    n_critic: int = Field(default=1, ge=1, description="critic steps for each generator step")
    penalty_part: float = Field(
        default=1.0, gt=0, le=1, description="part of each batch on which the critic's gradient penalty is measured; 1 is the method"
    )
    pretext_weight: float = Field(
        default=0.0,
        ge=0,
        description="weight of a second task of the critic's embedding: which change was made to a segment; 0 is the method",
    )
    batch_segments: int = Field(default=512, ge=2, description="segments in a batch; at most as many as there are")
    n_epochs: int = Field(default=50, ge=1, description="epochs of the training")
    epoch_batches: int | None = Field(
        default=None,
        ge=1,
        description="batches in an epoch, however much sound there is; null: each epoch takes every segment once, as published",
    )
    max_minutes: float | None = Field(
        default=None, gt=0, description="longest time of the epochs; the learning rate falls sooner, and at least 3 epochs are made"
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="epochs in which the reconstruction error on held-out sound must change by 1 %; else as many more end the training",
    )
    segment_hop_frames: int = Field(default=1, ge=1, description="frames from segment to segment, in training and in scoring")
    clip_frames: int = Field(default=313, ge=128, description="frames that one score covers in the field")
    shorten_clip: bool = Field(
        default=False,
        description="whether shorter recordings shorten clip_frames for all; a file that sets clip_frames makes it false",
    )
    decision_hop_frames: int = Field(default=32, ge=1, description="frames from decision to decision in the field")
    band_scale: Literal["mel", "linear"] = Field(default="mel", description="bands of the picture that the network sees: mel or linear")
    scaling: ScalingKind = Field(
        default="extremes", description="what maps to -1 and 1: extremes of the whole set, or the spread of each band (bands)"
    )
    n_backgrounds: int = Field(
        default=0,
        ge=0,
        description="copies of each clip with other backgrounds, from which D_near and the fusion learn the effect of a background",
    )
    max_reference_rows: int | None = Field(
        default=None, ge=2, description="rows of the reference set, each the mean of similar clips; one row for each clip when null"
    )
    top_db: float | None = Field(
        default=None, gt=0, description="range under each clip's own maximum; 80 for published tables, and then no streaming"
    )
    held_out: float = Field(default=0.125, gt=0, lt=1, description="part of the normal recordings kept for calibration")
    score: str = Field(default="D_maha", description="the score that the daemon decides by")
    score_by_labels: bool = Field(
        default=False, description="whether that score was chosen by labelled faults, as in the published tables; printed beside its name"
    )
    fusion: list[str] = Field(default=[], description="members of the fused score (F_joint or F_mean)")
    rhythm_fusion: list[str] = Field(
        default=[],
        description="its members where most normal sound has a rhythm; empty: those of fusion. A file with fusion makes it empty",
    )
    n_redraws: int = Field(
        default=0, ge=0, description="times that fresh networks may be drawn when a generator stays worse than the mean picture"
    )
    arithmetic: Literal["fp32", "bf16", "auto"] = Field(
        default="fp32", description="of the convolutions while training; auto is bf16 where the device has instructions for it"
    )
    precision: Literal["fp32", "fp16"] = Field(default="fp32", description="how weights are stored; fp16 rounds them once, after training")

    @model_validator(mode="after")
    def _refuse_what_differs(self) -> Self:
        # One pass at batch_norm_momentum stands for the reference's two only where every batch has a generator step.
        if problems := self.clip.problems():
            raise ValueError(problems[0])
        if unknown := [name for name in (*self.fusion, *self.rhythm_fusion) if name not in SCORE_IDS]:
            raise ValueError(f"fusion: {unknown[0]!r} is none of {', '.join(SCORE_IDS)}")
        if self.fused == "F_joint" and (whole := self._generator_members):
            raise ValueError(f"fusion: F_joint joins scores of embeddings and of bands, not {whole[0]}; take it out, or set score: F_mean")
        if self.score not in (names := [*SCORE_IDS, *(FUSIONS if self.fusion else [])]):
            raise ValueError(f"score: {self.score!r} is none of {', '.join(names)}")
        if self.n_critic > 1 and self.generator_norm == "bn":
            raise ValueError("n_critic over 1 goes with generator_norm ln or in; with bn its running statistics would not be the method's")
        return self

    @property
    def fused(self) -> str:
        """The name of the fused score: the one that decides, otherwise F_joint, which cannot join scores of the generator."""
        return self.score if self.score in FUSIONS else "F_mean" if self._generator_members else "F_joint"

    @property
    def _generator_members(self) -> list[str]:
        return [name for name in (*self.fusion, *self.rhythm_fusion) if SCORE_IDS[name].graph == "generator"]

    @property
    def choice(self) -> str:
        """One sentence for bundle.json: why this score decides."""
        if self.score == "F_joint":
            return (
                f"F_joint of {', '.join(self.fusion)}: each as log ratio to normal sound, in units of its spread over recordings, "
                "joined by their correlations; no fault of this machine was used"
            )
        if self.score == "F_mean":
            return (
                f"F_mean, the mean of {', '.join(self.fusion)}: each as log ratio to held-out normal sound, in units of "
                f"{'the effect of other backgrounds' if self.n_backgrounds else 'its spread there'}; no fault of this machine was used"
            )
        if self.score_by_labels:
            return f"{self.score}, as published: it was chosen by the labels of test clips with faults"
        return f"{self.score}, as the training's configuration says; no fault of this machine was used"

    @property
    def features(self) -> FeatureParameters:
        """Parameters of the log-mel spectrogram."""
        return FeatureParameters(band_scale=self.band_scale, top_db=self.top_db)

    @property
    def clip(self) -> ClipParameters:
        """Sizes and hops of segments, clips and decisions."""
        return ClipParameters(
            segment_hop_frames=self.segment_hop_frames, clip_frames=self.clip_frames, decision_hop_frames=self.decision_hop_frames
        )

    @property
    def network(self) -> "NetworkParameters":
        """Widths and norms of the networks."""
        from aegan_train.networks.aegan import NetworkParameters  # noqa: PLC0415 - torch takes seconds to import; --help must not

        return NetworkParameters(self.ndf, self.nz, self.generator_norm, self.discriminator_norm, self.first_norm)


PRESETS: dict[Preset, dict[str, object]] = {
    "paper": {},
    "edge": {"ndf": 16, "batch_segments": 32, "n_epochs": 60, "segment_hop_frames": 16, "clip_frames": 304},
    "tiny": {"ndf": 8, "nz": 64, "batch_segments": 32, "n_epochs": 40, "segment_hop_frames": 16, "clip_frames": 304},
}


# What each recipe changes of the method as published; docs/quality.md has the measurements.
ROBUST: dict[str, object] = {
    "arithmetic": "auto",
    "band_scale": "linear",
    "scaling": "bands",
    "schedule": "cosine",
    "match_weight": 0.1,
    "max_reference_rows": 128,
    "n_backgrounds": 4,
    "epoch_batches": 50,
    "n_epochs": 15,
    "shorten_clip": True,
    "pretext_weight": 10,
    "max_minutes": 8,
    "patience": 3,
    "n_redraws": 5,
    "score": "F_joint",
    "fusion": list(SPACE_SCORES),
    "rhythm_fusion": ["C_linear_peak_maha", "C_flux", "C_moments"],
}
RECIPES: dict[Recipe, dict[str, object]] = {"reference": {}, "robust": ROBUST}


FILE_DECIDES: tuple[tuple[str, str, object], ...] = (("clip_frames", "shorten_clip", False), ("fusion", "rhythm_fusion", []))


def load_config(preset: Preset, path: Path | None, recipe: Recipe = "reference", **overrides: object) -> TrainConfig:
    """Load the settings: `overrides` before the file at `path`, the file before the recipe, the recipe before the preset.

    Raises:
        ConfigError: With every problem of the file, one a line.
    """
    own = load_yaml(path, may_be_empty=True) if path else {}
    own = own if isinstance(own, dict) else {}
    kept = {name: value for setting, name, value in FILE_DECIDES if setting in own}
    settings = {**PRESETS[preset], **RECIPES[recipe], **kept, **own, **overrides}
    return validate(TrainConfig, settings, str(path or f"preset {preset}"))
