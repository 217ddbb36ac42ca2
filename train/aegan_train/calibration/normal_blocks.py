"""Scores of normal sound in blocks, by which a budget of false alarms is kept."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import repeat

import numpy as np

from aegan_monitor.decision.blocks import find_likeness, join, make_blocks
from aegan_monitor.decision.budget import ONE_A_WEEK
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.sound.normal_states import NormalStates, state_of
from aegan_monitor.decision.sound.sound_bands import SoundBands
from aegan_monitor.detection.record import BundleFields, Calibration, NormalBlocks, NormalState, Place
from aegan_monitor.detection.threshold import choose_place
from aegan_train.recordings.seconds import DC
from aegan_train.recordings.spectrograms import Spectrograms

N_DIGITS = 6
N_AFTER = 2  # seconds after a window
Span = tuple[Hashable, float, float]
"""Where a clip lies: its recording or file, and the seconds at which it begins and ends."""
Part = tuple[Sequence[Span], Sequence[int], Mapping[int, Mapping[str, float]]]
"""Normal sound: where its clips lie, in order; the recording of each; and the scores of those clips that have any, by their place."""
States = Sequence[int | None]
"""The operating state of each clip of a part, as its place in `normal_sound` (`find_clip_states`); empty if the machine has one."""


def add_blocks(
    calibration: Mapping[Place, Calibration], score: str, parts: Sequence[Part], copies: Part, states: Sequence[States] = ()
) -> dict[Place, Calibration]:
    """The calibration with blocks of the deciding `score`: of any place those of the `copies` with ambient noise.

    Any place may be the recorded one, so the copies score at least as high as normal sound does there (`raise_copies`), and those of one
    clip are at least as alike as the clips of one recording are.

    `states` are those of the clips of each part. They count in the recorded place alone: a moved microphone hears other levels.
    """
    recorded = collect_blocks(score, parts, states)

    def collect(place: Place) -> NormalBlocks:
        if place == "recorded":
            return recorded
        found = collect_blocks(score, [raise_copies(score, copies, parts)])
        return found.model_copy(update={"alike": max(found.alike, recorded.alike)})

    return {place: known.model_copy(update={"blocks": collect(place)}) for place, known in calibration.items()}


def raise_copies(score: str, copies: Part, parts: Sequence[Part]) -> Part:
    """The `copies` with that score alone, the larger one of two quantiles: that of the copies, and that of the clips of `parts`."""
    spans, recording_of, scores = copies
    recorded = [clip[score] for _, _, clips in parts for clip in clips.values() if score in clip]
    ordered = sorted(scores, key=lambda place: scores[place][score])
    least = np.quantile(recorded, np.linspace(0, 1, len(ordered))).tolist()
    return spans, recording_of, {place: {score: max(low, scores[place][score])} for place, low in zip(ordered, least, strict=True)}


def make_default_policy(fields: BundleFields, wanted: Place | None = None) -> BudgetPolicy:
    """The policy of a daemon with default settings, one machine and this bundle, in the `wanted` place."""
    place = choose_place(fields.calibration, wanted)
    blocks = fields.calibration[place].blocks
    if blocks is None:
        raise ValueError("expected blocks of normal sound; add_blocks adds them")
    return BudgetPolicy(fields, fields.score, blocks, place, ONE_A_WEEK)


def collect_blocks(score: str, parts: Iterable[Part], states: Sequence[States] = ()) -> NormalBlocks:
    """The blocks of clips that follow each other in one recording and one operating state; `states` are those of the clips of each part."""
    stretches: list[list[float]] = []
    recordings: list[tuple[int, int]] = []
    states_found: list[int | None] = []
    for number, ((spans, recording_of, scores), known) in enumerate(zip(parts, states or repeat(()), strict=False)):
        before: Span | None = None
        for place in sorted(scores):
            if score not in scores[place]:
                continue
            state = known[place] if known else None
            if before is None or not follows(spans[place], before) or state != states_found[-1]:
                stretches.append([])
                recordings.append((number, recording_of[place]))
                states_found.append(state)
            stretches[-1].append(float(f"{scores[place][score]:.{N_DIGITS}g}"))
            before = spans[place]
    found = make_blocks(compare_within_states(stretches, states_found))
    names = {name: place for place, name in enumerate(dict.fromkeys(recordings))}
    kept = [place for place, each in enumerate(stretches) if len(each) >= found.n_clips]
    groups = [names[recordings[place]] for place, each in zip(kept, found.stretches, strict=True) for _ in each]
    alike, per_recording = find_likeness([score for each in found.stretches for score in each], groups)
    return NormalBlocks(
        n_clips=found.n_clips,
        stretches=[join(stretches[place], found.n_clips) for place in kept],
        autocorrelation=found.autocorrelation,
        is_measured=found.is_measured,
        alike=alike,
        per_recording=per_recording,
        states=[states_found[place] for place in kept] if any(known for known in states) else [],
    )


def compare_within_states(stretches: Sequence[Sequence[float]], states: Sequence[int | None]) -> list[list[float]]:
    """The scores, each less the mean of its operating state and in its standard deviations; as they are where there is one state.

    Clips that are alike because they are in one state need no longer blocks.
    """
    if len(set(states)) < 2:
        return [list(each) for each in stretches]
    pooled: dict[int | None, list[float]] = {}
    for state, each in zip(states, stretches, strict=True):
        pooled.setdefault(state, []).extend(each)
    usual = {state: (float(np.mean(scores)), float(np.std(scores)) or 1.0) for state, scores in pooled.items()}
    return [[(score - usual[state][0]) / usual[state][1] for score in each] for state, each in zip(states, stretches, strict=True)]


def find_clip_states(found: Spectrograms, states: Sequence[NormalState], hop_s: float) -> list[int | None]:
    """The operating state of each window of `found`, by its seconds; empty for a machine with fewer than two states.

    The seconds after it count too, also those of the next clip of its recording: they show that it ends in a change.
    """
    if len(states) < 2:
        return []
    known, blocks = NormalStates(states), list[list[SoundBands]]()
    recordings = [clip.recording for clip in found.clips]
    for place, (windows, seconds) in enumerate(zip(found.windows, found.seconds, strict=True)):
        is_followed = bool(recordings[place]) and recordings[place : place + 2] == [recordings[place]] * 2
        joined = np.concatenate([seconds, found.seconds[place + 1][:N_AFTER]]) if is_followed else seconds
        for window in windows:
            rows = joined[int(window.start * hop_s) : int(window.stop * hop_s) + N_AFTER]
            blocks.append([SoundBands(float(row[0]), row[1:DC]) for row in rows])
    return [state_of(block, known) for block in blocks]


def follows(span: Span, before: Span) -> bool:
    """Whether a clip follows another one in the same recording, with less than half a clip between them."""
    file, start, stop = span
    return file == before[0] and 2 * (start - before[2]) < stop - start and start > before[1]
