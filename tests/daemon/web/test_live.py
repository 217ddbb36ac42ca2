"""What is live over real connections: the state comes first, and a slow viewer loses the oldest and holds up nobody."""

import base64
import json
import socket
import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from aegan_monitor.clock import now, since_boot_s
from aegan_monitor.detection.features import LogMel
from aegan_monitor.messages.payloads import Event, Score, Sensor
from aegan_monitor.types import Run
from aegan_monitor.web.connections import Limits
from aegan_monitor.web.live.spectrogram import find_range_db
from broker import wait_until
from message_tables import make_example
from page import HEALTH, Page, the_bundle

LIVE, LISTEN, SPECTROGRAM = "/api/v1/live", "/api/v1/machines/pump/listen.wav", "/api/v1/machines/pump/spectrogram"
TIME = datetime(2026, 1, 1, tzinfo=UTC)
SENSOR, EVENT = Sensor(state="ok", detail="", since=TIME), Event.model_validate(make_example(Event))
RATE_HZ = 16_000
N_SCORES = 600
SMALL = 2048  # bytes that the kernel of a slow viewer takes


def make_score(number: int) -> Score:
    """A score that can be told from others."""
    return Score.model_validate({**make_example(Score), "sample": number})


@pytest.fixture
def page() -> Iterator[Page]:
    """A running interface."""
    with Page({}) as made:
        yield made


class Viewer:
    """Reads one stream."""

    def __init__(self, link: socket.socket) -> None:
        self._file = link.makefile("rb")
        while self._file.readline().strip():
            pass  # the headers

    def read(self, n: int) -> bytes:
        """The next bytes of the body."""
        return b"".join(self._pieces(n))

    def event(self) -> tuple[str, Any]:
        """Kind and data of the next event."""
        kind = self._line().removeprefix(b"event: ").decode()
        data = json.loads(self._line().removeprefix(b"data: "))
        assert self._line() == b""
        return kind, data

    _rest = b""

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            self._rest += self._chunk()
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _pieces(self, n: int) -> Iterator[bytes]:
        while n > 0:
            if not self._rest:
                self._rest = self._chunk()
            piece, self._rest = self._rest[:n], self._rest[n:]
            n -= len(piece)
            yield piece

    def _chunk(self) -> bytes:
        size = int(self._file.readline(), 16)
        found = self._file.read(size)
        self._file.readline()
        return found


def make_run(start: int, n: int, samples: np.ndarray[Any, np.dtype[np.float32]] | None = None) -> Run:
    """Samples that have just been heard."""
    ended_s = since_boot_s()
    return Run(np.zeros(n, np.float32) if samples is None else samples, start, began_s=ended_s - n / RATE_HZ, ended_s=ended_s)


def test_a_viewer_gets_the_state_and_then_what_comes(page: Page) -> None:
    """`reset`, the newest message of each kind, then each message as it is published; an event is no state."""
    for payload in (EVENT, make_score(1), SENSOR, make_score(2)):
        page.server.take_message("pump", payload)
    page.server.take_message(None, HEALTH)
    with page.stream(LIVE) as link:
        viewer = Viewer(link)
        found = [viewer.event() for _ in range(4)]
        assert [kind for kind, _ in found] == ["reset", "health", "sensor", "score"]
        assert found[1][1] == {"machine": None, "payload": json.loads(HEALTH.model_dump_json())}
        assert found[3][1] == {"machine": "pump", "payload": json.loads(make_score(2).model_dump_json())}
        page.server.take_message("pump", EVENT)
        page.server.take_message("pump", make_score(3))
        assert [viewer.event()[0], viewer.event()[1]["payload"]["sample"]] == ["event", 3]


def test_a_slow_viewer_holds_up_nobody_and_sees_no_old_state(page: Page) -> None:
    """One that reads nothing for a while gets `reset` and the newest state in place of what was lost; another gets every message."""
    with page.stream(LIVE, SMALL) as slow, page.stream(LIVE) as quick:
        viewer = Viewer(quick)
        assert viewer.event()[0] == "reset"
        for number in range(N_SCORES):
            page.server.take_message("pump", make_score(number))
            assert viewer.event()[1]["payload"]["sample"] == number
        late = Viewer(slow)
        samples: list[int] = []
        n_resets = 0
        while not samples or samples[-1] != N_SCORES - 1:
            kind, data = late.event()
            n_resets += kind == "reset"
            if kind == "score":
                samples.append(data["payload"]["sample"])
        assert n_resets > 1
        assert samples == sorted(set(samples))
        assert len(samples) < N_SCORES


def test_a_viewer_that_takes_nothing_is_ended() -> None:
    """It gives its connection back, however full its buffers are."""
    with Page({}, Limits(stuck_s=0.5)) as page, page.stream(LIVE, SMALL):
        wait_until(lambda: page.server.connections.n_open == 1, "it is connected")
        for number in range(N_SCORES):
            page.server.take_message("pump", make_score(number))
        wait_until(lambda: page.server.connections.n_open == 0, "it is ended")


def test_sound_is_heard_without_delay(page: Page) -> None:
    """A WAV without an end begins at once; samples arrive as they are heard, at most a second of them late."""
    with page.stream(LISTEN) as link:
        viewer = Viewer(link)
        header = viewer.read(44)
        assert (header[:4], header[8:16], header[36:40]) == (b"RIFF", b"WAVEfmt ", b"data")
        assert struct.unpack("<HHIIHH", header[20:36]) == (1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
        loud = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.0], np.float32)
        page.server.take_sound("fan", make_run(0, 6, -loud), TIME)  # another machine's
        page.server.take_sound("pump", make_run(0, 6, loud), TIME)
        assert np.frombuffer(viewer.read(12), "<i2").tolist() == [0, 16384, -16384, 32767, -32767, 32767]


def test_a_slow_listener_hears_the_present(page: Page) -> None:
    """After a pause of the link it hears what is now, and not everything since: under 2 s of sound wait, buffers included."""
    with page.stream(LISTEN, SMALL) as link:
        n_blocks, n = 400, 1600
        for number in range(n_blocks):
            page.server.take_sound("pump", make_run(number * n, n, np.full(n, (number + 1) / 1000, dtype=np.float32)), TIME)
            time.sleep(0.001)
        viewer = Viewer(link)
        viewer.read(44)
        heard: list[int] = []
        while not heard or heard[-1] < n_blocks:  # the newest always comes
            heard.append(round(int(np.frombuffer(viewer.read(2 * n), "<i2")[0]) * 1000 / 32767))
        assert heard == sorted(heard)
        assert len(heard) * n < 2 * RATE_HZ


def test_columns_are_those_of_the_network(page: Page) -> None:
    """Whatever the runs, they are the log-mel bands to within a step of the bytes, with the time of the last; a gap is marked."""
    features, bundle = the_bundle().record.features, the_bundle()
    samples = np.random.default_rng(0).normal(0, 0.1, 3 * RATE_HZ).astype(np.float32)
    low_db, high_db = find_range_db(features)
    expected = LogMel(features, bundle.reference.filterbank).push(samples).db
    with page.stream(SPECTROGRAM) as link:
        viewer = Viewer(link)
        kind, scale = viewer.event()
        assert (kind, scale["n_bands"], len(scale["edges_hz"])) == ("scale", 128, 130)
        wait_until(lambda: page.server.is_heard("pump"), "somebody looks")
        found, gaps = [], []
        for start in range(0, len(samples), 8000):
            page.server.take_sound("pump", make_run(start, 8000, samples[start : start + 8000]), TIME)
            kind, data = viewer.event()
            found.append(np.frombuffer(base64.b64decode(data["columns"]), np.uint8).reshape(-1, 128).T)
            gaps.append(data["after_gap"])
            assert abs(datetime.fromisoformat(data["time"]) - TIME) < timedelta(seconds=1)
        db = low_db + np.concatenate(found, axis=1) * (high_db - low_db) / 255
        assert np.abs(db - expected).max() < (high_db - low_db) / 255
        assert gaps == [True] + [False] * 5
        page.server.take_sound("pump", make_run(10**6, 8000), TIME)
        assert viewer.event()[1]["after_gap"]


def test_the_residual_comes_once_a_second_if_the_sound_is_of_now(page: Page) -> None:
    """Its bytes are within the scale that was said; from late sound, which shows a busy processor, none is computed."""
    n = 8448  # two make 32 frames
    samples = np.random.default_rng(0).normal(0, 0.1, 6 * n).astype(np.float32)
    with page.stream(SPECTROGRAM) as link:
        viewer = Viewer(link)
        scale = viewer.event()[1]["residual"]
        assert (scale["n_bands"], scale["db_min"], scale["db_max"], scale["highest_hz"]) == (128, -30.0, 30.0, RATE_HZ / 2)
        wait_until(lambda: page.server.is_heard("pump"), "somebody looks")
        kinds = []
        for number in range(6):
            page.server.take_sound("pump", make_run(n * number, n, samples[n * number :][:n]), now() if number < 4 else TIME)
            kinds.append(viewer.event()[0])
            if number % 2 and number < 4:
                kind, data = viewer.event()
                kinds.append(kind)
                assert len(base64.b64decode(data["columns"])) == 4 * 128
        assert kinds == ["columns", "columns", "residual", "columns", "columns", "residual", "columns", "columns"]


def test_nothing_is_computed_for_nobody(page: Page) -> None:
    """Sound is taken while somebody looks or listens, and no longer."""
    assert not page.server.is_heard("pump")
    for path in (SPECTROGRAM, LISTEN):
        with page.stream(path):
            wait_until(lambda: page.server.is_heard("pump"), "it is heard")
        wait_until(lambda: not page.server.is_heard("pump"), "it is no longer heard")


def test_a_stop_ends_every_stream() -> None:
    """The daemon does not wait for its viewers."""
    with Page({}) as page, page.stream(LIVE) as live, page.stream(LISTEN) as sound, page.stream(LISTEN, SMALL) as slow:
        for link in (live, sound, slow):
            assert link.recv(100)
        for number in range(100):
            page.server.take_sound("pump", make_run(number * 1600, 1600), TIME)
            time.sleep(0.001)
        began_s = time.monotonic()
        page.server.stop()
        assert time.monotonic() - began_s < 0.9  # END_S has not passed
        for link in (live, sound, slow):
            try:
                while link.recv(65_536):
                    pass
            except ConnectionResetError:
                pass
    with pytest.raises(OSError, match="refused"):
        page.request(LIVE)
