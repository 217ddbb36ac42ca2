"""Scores of normal sound in blocks, by which a budget of false alarms is kept."""

from collections.abc import Hashable, Iterable, Mapping, Sequence

from aegan_monitor.decision.blocks import find_likeness, make_blocks
from aegan_monitor.decision.budget import ONE_A_WEEK
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.detection.record import BundleFields, Calibration, NormalBlocks, Place
from aegan_monitor.detection.threshold import choose_place

N_DIGITS = 6
Span = tuple[Hashable, int, int]
"""Where a clip lies: its file, and the frames from the first to the one after the last."""
Part = tuple[Sequence[Span], Sequence[int], Mapping[int, Mapping[str, float]]]
"""Normal sound: where its clips lie, in order; the recording of each; and the scores of those clips that have any, by their place."""


def add_blocks(calibration: Mapping[Place, Calibration], score: str, parts: Sequence[Part], copies: Part) -> dict[Place, Calibration]:
    """The calibration with blocks of the deciding `score`: of any place those of the `copies` with other backgrounds, if there are any."""
    return {
        place: known.model_copy(update={"blocks": collect_blocks(score, [copies] if place == "any" and copies[2] else parts)})
        for place, known in calibration.items()
    }


def make_default_policy(fields: BundleFields, wanted: Place | None = None) -> BudgetPolicy:
    """The policy of a daemon with default settings, one machine and this bundle, in the `wanted` place."""
    place = choose_place(fields.calibration, wanted)
    blocks = fields.calibration[place].blocks
    if blocks is None:
        raise ValueError("expected blocks of normal sound; add_blocks adds them")
    return BudgetPolicy(fields, fields.score, blocks, place, ONE_A_WEEK)


def collect_blocks(score: str, parts: Iterable[Part]) -> NormalBlocks:
    """The blocks of clips that follow each other in one file."""
    stretches: list[list[float]] = []
    recordings: list[tuple[int, int]] = []
    for number, (spans, recording_of, scores) in enumerate(parts):
        before: Span | None = None
        for place in sorted(scores):
            if score not in scores[place]:
                continue
            if before is None or not follows(spans[place], before):
                stretches.append([])
                recordings.append((number, recording_of[place]))
            stretches[-1].append(float(f"{scores[place][score]:.{N_DIGITS}g}"))
            before = spans[place]
    found = make_blocks(stretches)
    names = {name: place for place, name in enumerate(dict.fromkeys(recordings))}
    kept = [names[name] for name, each in zip(recordings, stretches, strict=True) if len(each) >= found.n_clips]
    groups = [group for group, each in zip(kept, found.stretches, strict=True) for _ in each]
    alike, per_recording = find_likeness([score for each in found.stretches for score in each], groups)
    return NormalBlocks(
        n_clips=found.n_clips,
        stretches=found.stretches,
        autocorrelation=found.autocorrelation,
        is_measured=found.is_measured,
        alike=alike,
        per_recording=per_recording,
    )


def follows(span: Span, before: Span) -> bool:
    """Whether a clip follows another one in the same file, with less than half a clip between them."""
    file, start, stop = span
    return file == before[0] and 2 * (start - before[2]) < stop - start and start > before[1]
