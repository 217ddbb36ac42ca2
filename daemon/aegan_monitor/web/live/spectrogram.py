"""Live spectrograms in dB, computed only while a viewer is connected."""

import asyncio
import base64
import math
from datetime import datetime, timedelta

import numpy as np
from pydantic_core import to_json

from aegan_monitor.clock import now
from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.features import FeatureParameters, LogMel, band_edges_hz
from aegan_monitor.detection.views import N_SCALE_BANDS
from aegan_monitor.messages.model import format_time
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_monitor.web.live.hub import BEAT_S
from aegan_monitor.web.live.mailbox import Mailbox
from aegan_monitor.web.live.residual import PIECE_FRAMES, Residual, make_linear_filterbank
from aegan_monitor.web.live.sound import TURN_S, Sound
from aegan_monitor.web.live.streams import Pieces, make_event

RANGE_DB = 150.0  # over the floor; a full-scale sine in the narrowest band is within it
RESIDUAL_DB = 30.0  # beyond it a residual has the last colour
LATE = timedelta(seconds=1)  # of sound that is so late no residual is computed: the processor has too much to do
MOST_WAITING = 50  # events that wait for one viewer: about 5 s; older ones are left out


def find_range_db(features: FeatureParameters) -> tuple[float, float]:
    """The dB values that the bytes 0 and 255 stand for."""
    floor_db = 10 * math.log10(features.floor_power)
    return floor_db, floor_db + RANGE_DB


def describe_scale(bundle: Bundle) -> dict[str, object]:
    """What a viewer needs to draw the columns. `residual` is null where the bundle knows no normal clips."""
    features = bundle.record.features
    lowest_db, highest_db = find_range_db(features)
    residual = {
        "db_min": -RESIDUAL_DB,
        "db_max": RESIDUAL_DB,
        "n_bands": N_SCALE_BANDS,
        "column_s": features.hop_s * PIECE_FRAMES,
        "highest_hz": features.sample_rate_hz / 2,  # bands of equal width from 0 to here
    }
    return {
        "residual": residual if len(bundle.reference.baseline_clips) else None,
        "db_min": lowest_db,
        "db_max": highest_db,
        "n_bands": features.n_bands,
        "column_s": features.hop_s,
        "edges_hz": np.round(band_edges_hz(features), 1).tolist(),  # band i lies between edges i and i + 2, its centre is edge i + 1
    }


def encode(db: FloatArray | DoubleArray, lowest_db: float, highest_db: float) -> str:
    """Columns `[n_bands, n_columns]` as base64 of bytes, column after column, the lowest band first."""
    scaled = np.round((db - lowest_db) * (255 / (highest_db - lowest_db)))
    return base64.b64encode(np.clip(scaled, 0, 255).astype(np.uint8).T.tobytes()).decode()


class Spectrograms:
    """The spectrogram of each machine that somebody looks at, computed once for all who look."""

    def __init__(self, sound: Sound) -> None:
        self._sound = sound
        self._looks: dict[str, Look] = {}

    async def watch(self, machine: str, bundle: Bundle) -> Pieces:
        """Server-sent events for one viewer: `scale`, then `columns` and `residual`; `alive` where no sound comes."""
        look = self._looks.get(machine)
        if look is None or look.bundle is not bundle:  # a reload may have brought another
            look = self._looks[machine] = Look(machine, bundle, self._sound)
        mailbox: Mailbox[bytes] = Mailbox(MOST_WAITING)
        look.join(mailbox)
        try:
            yield make_event("scale", to_json(describe_scale(bundle)))
            while True:
                if not await mailbox.wait(BEAT_S):
                    yield make_event("alive", b"{}")
                elif events := mailbox.take()[0]:
                    yield b"".join(events)
        finally:
            if look.leave(mailbox) and self._looks.get(machine) is look:
                del self._looks[machine]


class Look:
    """One machine that somebody looks at."""

    def __init__(self, machine: str, bundle: Bundle, sound: Sound) -> None:
        self.bundle = bundle
        self._machine, self._sound = machine, sound
        self._viewers: set[Mailbox[bytes]] = set()
        self._task: asyncio.Task[None] | None = None

    def join(self, mailbox: Mailbox[bytes]) -> None:
        """Another viewer; the first begins it."""
        self._viewers.add(mailbox)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self, mailbox: Mailbox[bytes]) -> bool:
        """A viewer that has gone; the last ends it: True."""
        self._viewers.discard(mailbox)
        if not self._viewers and self._task is not None:
            self._task.cancel()
        return not self._viewers

    async def _run(self) -> None:
        features = self.bundle.record.features
        residual = Residual(self.bundle) if len(self.bundle.reference.baseline_clips) else None
        logmel = LogMel(features, self.bundle.reference.filterbank, make_linear_filterbank(self.bundle) if residual else None)
        with self._sound.tap(self._machine, features.sample_rate_hz) as mailbox:
            next_sample = None
            while True:
                await mailbox.wait(TURN_S)
                for heard in mailbox.take()[0]:
                    has_gap = heard.run.start_sample != next_sample
                    if has_gap:
                        logmel.reset()
                    next_sample = heard.run.start_sample + len(heard.run.samples)
                    frames = logmel.push(heard.run.samples)
                    self._show("columns", heard.time, encode(frames.db, *find_range_db(features)), after_gap=has_gap)
                    if residual:
                        if has_gap:
                            residual.reset()
                        found = residual.push(frames.baseline_db, is_wanted=now() - heard.time < LATE)
                        if found.size:
                            self._show("residual", heard.time, encode(found, -RESIDUAL_DB, RESIDUAL_DB))

    def _show(self, kind: str, time: datetime, columns: str, **more: object) -> None:
        event = make_event(kind, to_json({"time": format_time(time), **more, "columns": columns}))
        for viewer in self._viewers:
            viewer.put(event)
