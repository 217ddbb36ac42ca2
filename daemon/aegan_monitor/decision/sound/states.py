"""The operating state of a machine: off, starting, running, stopping or unknown, followed second by second. Pure."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from aegan_monitor.decision.sound.normal_states import OFF, RUNNING, NormalStates
from aegan_monitor.decision.sound.sound_bands import BandMeter, SoundBands
from aegan_monitor.types import FloatArray, Run

StateKind: TypeAlias = Literal["off", "starting", "running", "stopping", "unknown"]
N_RECENT, N_AGREE = 5, 4  # a state holds from four of five seconds on
N_UNKNOWN_RECENT, N_UNKNOWN = 10, 8  # speech and a passing truck are no state of the machine
N_LEAVES = 2  # seconds of another state, after which a change is under way
N_KEPT = 60  # states that `at` finds


@dataclass(frozen=True, slots=True)
class OperatingState:
    """What the machine does.

    Attributes:
        name: Name of the calibrated state, or the kind where it is in none.
        kind: `unknown` is sound in no calibrated state.
        since_sample: When it began; a clip that begins before it spans a change.
        in_grace: The machine has just started or changed its load.
        index: Place of the calibrated state in `normal_sound` of the bundle; None where it is in none.
        stands_still: The machine has been off for longer than it may.
    """

    name: str = "unknown"
    kind: StateKind = "unknown"
    since_sample: int = 0
    in_grace: bool = False
    index: int | None = None
    stands_still: bool = False


@dataclass(frozen=True, slots=True)
class Times:
    """Times of a machine, in samples.

    Attributes:
        grace_samples: Grace time after a start.
        clip_samples: Grace time after any other change: as long as a clip holds sound of both states.
        standstill_samples: How long the machine may be off; None for ever.
    """

    grace_samples: int
    clip_samples: int
    standstill_samples: int | None = None


@dataclass(frozen=True, slots=True)
class _Second:
    """One second: its first sample, its calibrated state, and whether it is off, or in no state and quieter than all running sound."""

    start_sample: int
    index: int | None
    is_quiet: bool


class StateTracker:
    """Follows the operating state of one stream of samples.

    The recognised state changes when most of the last seconds agree, so it does not flicker. A person or a control system can say the
    state instead. Grace time is at most half of the time that the machine runs: one that starts every minute is judged all the same.

    Attributes:
        states: The calibrated states.
        now: The state after the last whole second.
    """

    def __init__(self, states: NormalStates, sample_rate_hz: int, times: Times) -> None:
        """Begin in the unknown state."""
        self.states = states
        self.now = OperatingState()
        self._times, self._second_samples = times, sample_rate_hz
        self._meter = BandMeter(sample_rate_hz)
        self._recent: deque[_Second] = deque(maxlen=N_UNKNOWN_RECENT)
        self._kept: deque[tuple[int, OperatingState]] = deque(maxlen=N_KEPT)
        self._settled = OperatingState()  # without what passes: a start, a stop, grace
        self._said: str | None = None
        self._end_sample = 0
        self._grace_until = 0
        self._most_grace = self._grace_left = max(times.grace_samples, times.clip_samples)

    def restart(self, start_sample: int) -> None:
        """Go on after a gap at `start_sample`; the state stays until other sound is heard."""
        self._meter.restart(start_sample)
        self._recent.clear()

    def hear_run(self, run: Run, seconds: Sequence[tuple[int, SoundBands]] | None = None) -> None:
        """Hear a run of samples; `seconds`, (end sample, bands) of each that it completes, saves measuring them."""
        if run.after_gap:
            self.restart(run.start_sample)
        self._hear_all(self._meter.push(run.samples) if seconds is None else seconds)

    def push(self, samples: FloatArray) -> None:
        """Hear float32 `[n_samples]`, which follow those before."""
        self._hear_all(self._meter.push(samples))

    def _hear_all(self, seconds: Iterable[tuple[int, SoundBands]]) -> None:
        for end_sample, bands in seconds:
            self.hear(end_sample, bands)

    def at(self, sample: int) -> OperatingState:
        """The state after the last second that ends at `sample` or before, within the last minute."""
        return next((state for end_sample, state in reversed(self._kept) if end_sample <= sample), OperatingState())

    def say(self, name: str | None) -> str:
        """Take the state from a command from now on, or recognise it again (None); the reason to refuse the command, or empty.

        `off` and `running` are accepted for every machine. Of several calibrated states of that kind, the nearest holds.
        """
        if name not in (None, OFF, RUNNING, *self.states.names):
            known = ", ".join(dict.fromkeys((OFF, RUNNING, *self.states.names)))
            return f"no operating state {name}; there are: {known}"
        self._said = name
        self._recent.clear()
        if name is not None:
            places = self.states.select(name)
            present = self._settled.index
            self._settle(present if present in places else next(iter(places), None), self._end_sample)
            self.now = self._settled
        return ""

    def hear(self, end_sample: int, bands: SoundBands) -> OperatingState:
        """The state after the next second, which ends at `end_sample`."""
        self._end_sample = end_sample
        index = self._recognise(bands)
        is_quiet = bands.level_dbfs < self.states.lowest_running_dbfs and (index is None or self.states.names[index] == OFF)
        self._recent.append(_Second(end_sample - self._second_samples, index, is_quiet))
        self._look_back()
        self.now = self._grant_grace(self._find_passing())
        self._kept.append((end_sample, self.now))
        return self.now

    def _recognise(self, bands: SoundBands) -> int | None:
        if self._said is None:
            return self.states.find(bands)
        places = self.states.select(self._said)
        return self.states.find_among(bands, places) if places else None

    def _look_back(self) -> None:
        """Settle in the state that most of the last seconds agree in; of another kind, in its latest state."""
        latest = list(self._recent)[-N_RECENT:]
        kind, n_of_kind = Counter(self._find_kind(second) for second in latest).most_common(1)[0]
        alike = [second for second in latest if self._find_kind(second) == kind]
        index, n_of_state = Counter(second.index for second in alike).most_common(1)[0]
        if n_of_state < N_AGREE and n_of_kind >= N_AGREE and kind != self._settled.kind:
            index, n_of_state = alike[-1].index, N_AGREE  # a start through quieter states: the latest
        if index is not None and n_of_state >= N_AGREE:
            self._settle(index, next(second.start_sample for second in latest if second.index == index))
        n_unknown = sum(second.index is None for second in self._recent)
        is_slow_start = self.now.kind == "starting" and self._end_sample - self.now.since_sample < self._times.grace_samples
        if n_unknown >= N_UNKNOWN and not is_slow_start:
            self._settle(None, next(second.start_sample for second in self._recent if second.index is None))

    def _settle(self, index: int | None, began: int) -> None:
        """Take over a state that began at sample `began`; a start or a change between calibrated states begins a grace time."""
        name = self.states.names[index] if index is not None else self._said or "unknown"
        if name == self._settled.name:
            return
        kind: StateKind = "unknown" if name == "unknown" else "off" if name == OFF else "running"
        before, self._settled = self._settled, OperatingState(name, kind, began, index=index)
        if before.kind == "off" and kind != "off":
            start = self.now.since_sample if self.now.kind == "starting" else began
            self._grace_until = start + self._times.grace_samples
        elif "unknown" not in (before.kind, kind):  # otherwise sound that is at times unknown would never be judged
            self._grace_until = max(self._grace_until, began + self._times.clip_samples)

    def _find_passing(self) -> OperatingState:
        """The settled state, or the start, stop or change of load that the last seconds are in."""
        settled, latest = self._settled, list(self._recent)[-N_LEAVES:]
        if self._said is not None or len(latest) < N_LEAVES or any(second.index == settled.index for second in latest):
            return settled
        since = self.now.since_sample if self.now.kind in ("starting", "stopping") else latest[0].start_sample
        if settled.kind == "off" and not any(self._find_kind(second) == "off" for second in latest):
            return OperatingState("starting", "starting", since, in_grace=True)
        if settled.kind == "running" and self.states.has_off and all(second.is_quiet for second in latest):
            return OperatingState("stopping", "stopping", since, in_grace=True)
        return replace(settled, in_grace=settled.kind == "running" and all(second.index is not None for second in latest))

    def _find_kind(self, second: _Second) -> str:
        return "unknown" if second.index is None else "off" if self.states.names[second.index] == OFF else "running"

    def _grant_grace(self, state: OperatingState) -> OperatingState:
        """The state with its grace, as far as that is left, and with the standstill."""
        in_grace = state.in_grace or self._end_sample <= self._grace_until
        if state.kind not in ("off", "stopping"):  # the machine runs
            in_grace = in_grace and self._grace_left > 0
            change = -self._second_samples if in_grace else self._second_samples
            self._grace_left = min(self._most_grace, self._grace_left + change)
        limit, is_recognised = self._times.standstill_samples, self._said is None
        stands_still = state.kind == "off" and is_recognised and limit is not None and self._end_sample - state.since_sample >= limit
        return replace(state, in_grace=in_grace, stands_still=stands_still)
