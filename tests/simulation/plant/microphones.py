"""The microphones of a plant: they write what each machine sounds like to its ring, with gaps."""

import math

from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.service.runtime import Line
from aegan_monitor.types import Block, FloatArray
from depths import Depth
from fakes import SilentListener

GAPS_CLIPS = 2.5  # from one gap to the next, where gap comes after gap


class Microphones:
    """One microphone a machine."""

    def __init__(self, depth: Depth) -> None:
        self._gap_steps = max(3, math.ceil(GAPS_CLIPS * depth.clip_s / depth.step_s))
        self._next: dict[str, tuple[Line, int]] = {}  # the sample that each run of a machine hears next

    def skip(self, name: str, n_samples: int) -> None:
        """Samples are lost."""
        if name in self._next:
            line, sample = self._next[name]
            self._next[name] = line, sample + n_samples

    def listen(self, line: Line, sound: FloatArray, n_steps: int, *, is_missing: bool, has_gaps: bool) -> None:
        """Write the sound of step `n_steps`, unless the microphone is missing, or a gap falls into it."""
        name = line.machine.name
        assert isinstance(line.supervisor, SilentListener)
        line.supervisor.present = SensorState("missing" if is_missing else "ok")
        heard_by, sample = self._next.get(name, (line, 0))
        sample = sample if heard_by is line else 0  # a new run begins to count again
        if not is_missing and not (has_gaps and n_steps % self._gap_steps == 0):
            line.ring.write(Block(sound, sample))
        self._next[name] = line, sample + len(sound)
