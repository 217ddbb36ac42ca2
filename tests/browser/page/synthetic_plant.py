"""Five synthesised machines for the page: their messages, sounds, pictures and history."""

import base64
import io
import struct
import time
import uuid
import zlib
from typing import Any

import numpy as np
import soundfile

from aegan_monitor.demo.pump import Pump
from aegan_monitor.types import FloatArray

Json = dict[str, Any]

RATE_HZ, N_BANDS, COLUMN_S = 16_000, 64, 0.032
EDGES_HZ = [round(700 * (10 ** (mel / 2595) - 1), 1) for mel in np.linspace(0, 2595 * np.log10(1 + 8000 / 700), N_BANDS + 2).tolist()]
SCALE = {
    "db_min": -100.0,
    "db_max": 50.0,
    "n_bands": N_BANDS,
    "column_s": COLUMN_S,
    "edges_hz": EDGES_HZ,
    "residual": {"db_min": -30.0, "db_max": 30.0, "n_bands": N_BANDS, "column_s": 8 * COLUMN_S, "highest_hz": 8000.0},
}
FAULT = {
    "changes": [
        {"from_hz": 2860.0, "to_hz": 3190.0, "difference_db": 14.2, "deviations": 13.1, "is_unheard": True},
        {"from_hz": 4520.0, "to_hz": 4890.0, "difference_db": 9.4, "deviations": 7.2, "is_unheard": False},
    ],
    "kind": "rhythm",
    "since": None,
    "unlike": "D_maha",
}
CAUSE = "2.86 to 3.19 kHz louder than ever, by 14 dB, 13 times the usual deviation; comes again and again"
NAMES = ("compressor", "cooling-fan", "feed-pump", "gearbox", "mill")
PROVED = {"compressor": 0.8, "cooling-fan": 0.9, "feed-pump": 0.7, "gearbox": 21.0, "mill": None}


def format_time(at_s: float) -> str:
    """RFC 3339 with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)) + f".{int(at_s * 1000) % 1000:03d}Z"


def make_case(machine: str, began_s: float, lasted_s: float | None, **more: Any) -> Json:
    """A row of the list of cases."""
    row: Json = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{machine} {began_s}")),
        "machine": machine,
        "began_at": format_time(began_s),
        "ended_at": None if lasted_s is None else format_time(began_s + lasted_s),
        "severity": "medium",
        "cause": CAUSE,
        "explanation": {**FAULT, "since": format_time(began_s)},
        "evidence": 1.0,
        "verdict": None,
        "comment": "",
        "seen": False,
        "n_recurrences": 0,
        "common": False,
        "marked_by": "",
        "files": ["sound.flac", "normal.flac", "picture.png"],
    }
    return {**row, **more}


def make_alarm(since_s: float, case: Json | None = None, **more: Any) -> Json:
    """A payload of the alarm topic; active where there is a case."""
    shown = (
        {key: case[key] for key in ("id", "severity", "evidence", "began_at", "cause", "verdict")}
        | {"recurrences": case["n_recurrences"], "duration_s": 0.0, "common": False}
        if case
        else None
    )
    state = "alarm" if case else "normal"
    alarm: Json = {
        "schema": "aegan.alarm/1",
        "state": state,
        "isa_state": "active_unacknowledged" if case else "normal",
        "active": case is not None,
        "since": format_time(since_s),
        "score": 1.0,
        "threshold": 2.0,
        "event_id": None,
        "alarm_id": case["id"] if case else None,
        "acknowledged": False,
        "shelved_until": None,
        "out_of_service": False,
        "case": shown,
        "confirmed": True,
        "measured_at": format_time(time.time()),
    }
    return {**alarm, **more}


def make_score(machine: str, at_s: float, *, is_wrong: bool) -> Json:
    """A payload of the score topic; the value moves slowly."""
    phase = hash(machine) % 100 / 16
    wave = 0.18 * np.sin(at_s / 37 + phase) + 0.1 * np.sin(at_s / 5.3 + phase) + 0.08 * np.sin(at_s * 2.1 + phase)
    score = float((3.1 if is_wrong else 0.9) + wave)
    return {
        "schema": "aegan.score/1",
        "time": format_time(at_s),
        "sample": 0,
        "stream_s": 1.0,
        "score_id": "D_maha",
        "score": score,
        "normalised": score,
        "threshold": 2.0,
        "exceeded": is_wrong,
        "level_dbfs": -28.0 - 4 * phase / 6 + float(2 * wave),
        "lasting_share": 0.5,
        "evidence": 1.0 if is_wrong else float(max(0.0, 0.06 + 0.4 * wave)),
        "clipped": False,
        "level_change_db": 0.0,
        "state": "alarm" if is_wrong else "normal",
        "operating_state": "running",
        "in_grace": False,
    }


def make_sensor(at_s: float, state: str = "ok", detail: str = "") -> Json:
    """A payload of the sensor topic."""
    return {"schema": "aegan.sensor/1", "state": state, "detail": detail, "since": format_time(at_s)}


def make_columns(is_wrong: bool, n: int, rng: np.random.Generator) -> str:
    """Columns of a spectrogram as base64: harmonics, noise, and with a fault a band that beats."""
    band = np.arange(N_BANDS)
    shape = 96 - 0.75 * band + 16 * np.exp(-0.5 * ((band % 7) - 3) ** 2) * (band < 34)
    columns = shape + rng.normal(0, 3.5, (n, N_BANDS))
    if is_wrong:
        beat = 26 * (np.arange(n)[:, None] % 3 == 0)
        columns += beat * (np.exp(-0.5 * ((band - 45) / 2) ** 2) + 0.7 * np.exp(-0.5 * ((band - 54) / 2) ** 2))
    return base64.b64encode(np.clip(columns, 0, 255).astype(np.uint8).tobytes()).decode()


def make_residual(is_wrong: bool, n: int, rng: np.random.Generator) -> str:
    """Columns of the difference from normal sound as base64."""
    db = rng.normal(0, 1.5, (n, N_BANDS))
    if is_wrong:
        db += 14 * np.exp(-0.5 * ((np.arange(N_BANDS) - 24) / 1.5) ** 2) + 9 * np.exp(-0.5 * ((np.arange(N_BANDS) - 38) / 1.5) ** 2)
    return base64.b64encode(np.clip(np.round((db + 30) * 255 / 60), 0, 255).astype(np.uint8).tobytes()).decode()


def make_sound(is_wrong: bool, seconds: float = 4.0) -> FloatArray:
    """Sound of the demo's pump, float32 `[n_samples]`."""
    return Pump(7, RATE_HZ, 0.0 if is_wrong else None).read(round(seconds * RATE_HZ))


def encode_flac(sound: FloatArray) -> bytes:
    """The sound as a FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, sound, RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def make_picture(sound: FloatArray) -> bytes:
    """A spectrogram in grey as a PNG file, 900 pixels wide."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, 512)[:: max(1, (len(sound) - 512) // 900)] * np.hanning(512)
    db = 20 * np.log10(np.abs(np.fft.rfft(frames)) + 1e-4).T[::-1]
    shades = np.clip(255 * (db + 60) / 80, 0, 255).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in shades)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", shades.shape[1], shades.shape[0], 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
