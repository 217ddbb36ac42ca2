"""Synthesised machines, each with faults of its own.

A machine is a function of three random generators: one of the machine itself (the same in all its clips), one of the recording (speed,
temperature and microphone of a day), one of the clip. Constants are typical of small industrial machines; none was measured.
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import fftconvolve

from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.sounds import (
    RATE_HZ,
    draw_curve,
    draw_times,
    make_band_noise,
    make_harmonics,
    make_noise,
    make_ring,
    measure_rms,
    place_events,
    scale_to,
    seconds,
)

Rng = np.random.Generator
Machine = Callable[[Rng, Rng, Rng, int, str], DoubleArray]
BALL_PASS = 3.58  # impacts a turn of an outer-race fault with 8 balls


def draw_phases(rng: Rng, n: int) -> DoubleArray:
    """Random phases `[n]`."""
    return rng.uniform(0, 2 * np.pi, n)


def turn(rng: Rng, n_samples: int, shaft_hz: DoubleArray) -> DoubleArray:
    """The angle in turns of a shaft with this speed at each sample, from a random angle on."""
    turns: DoubleArray = np.cumsum(np.broadcast_to(shaft_hz, n_samples)) / RATE_HZ + rng.uniform()
    return turns


def make_hum(rng: Rng, n_samples: int, hz: float, n_harmonics: int) -> DoubleArray:
    """Hum of the mains: harmonics of `hz`, the first with amplitude 1."""
    orders = np.arange(1, n_harmonics + 1)
    return make_harmonics(hz * seconds(n_samples), orders, 1 / orders, draw_phases(rng, n_harmonics))


def make_impacts(rng: Rng, turns: DoubleArray, per_turn: float, hz: float, decay_s: float) -> DoubleArray:
    """Rings of RMS 1, `per_turn` times a turn with 1 % slip, once a turn stronger as under load."""
    n_impacts = int((turns[-1] - turns[0]) * per_turn) + 1
    at_turn = turns[0] + np.cumsum((1 + 0.01 * rng.normal(size=n_impacts)) / per_turn)
    times_s = np.interp(at_turn, turns, seconds(len(turns)), right=np.inf)
    load = (1 + 0.5 * np.cos(2 * np.pi * at_turn)) * rng.lognormal(0, 0.2, n_impacts)
    heard = np.isfinite(times_s)
    return scale_to(place_events(len(turns), times_s[heard], load[heard], make_ring(hz, decay_s, 0.02)), 1.0)


def pump(own: Rng, day: Rng, now: Rng, n: int, fault: str) -> DoubleArray:
    """A centrifugal pump: rotation harmonics, vane pass, flow noise, slowly changing load."""
    n_harmonics, vanes = 14, int(own.integers(5, 8))
    amplitudes = own.lognormal(0, 0.4, n_harmonics) / np.arange(1, n_harmonics + 1) ** 0.7
    amplitudes[vanes - 1] *= 3
    speed_hz, phases, flow_db = (
        own.uniform(22, 29),
        draw_phases(own, n_harmonics),
        own.normal(0, 4, 8) - np.array([6, 2, 0, 0, 3, 8, 13, 18]),
    )
    resonance_hz = own.uniform(2500, 4500)
    load = np.tanh(0.6 * day.normal() + 0.8 * draw_curve(now, n, 4.0))
    amplitudes = amplitudes * day.lognormal(0, 0.1, n_harmonics)
    flow_db = flow_db + day.normal(0, 1.0, 8)
    if fault == "imbalance":
        amplitudes[0] *= 3.0
    turns = turn(now, n, speed_hz * (1 + 0.004 * day.normal() - 0.04 * load))
    rotation = scale_to(make_harmonics(turns, np.arange(1, n_harmonics + 1), amplitudes, phases), measure_rms(amplitudes) * 0.8)
    sound = (rotation + make_noise(now, n, flow_db)) * 10 ** (2.0 * load / 20)
    if fault == "bearing":
        sound = sound + 0.11 * make_impacts(now, turns, BALL_PASS, resonance_hz, 0.0015)
    elif fault == "cavitation":
        times_s = now.uniform(0, n / RATE_HZ, now.poisson(60 * n / RATE_HZ))
        bursts = place_events(n, times_s, now.lognormal(0, 0.6, len(times_s)), make_ring(5200.0, 0.0006, 0.005))
        sound = sound + 0.26 * scale_to(bursts, 1.0) * (1 + 0.5 * draw_curve(now, n, 0.2))
    elif fault == "leak":
        sound = sound + 0.17 * make_band_noise(now, n, 3600, 6400)
    return sound


def rotor(own: Rng, day: Rng, now: Rng, n: int, fault: str) -> DoubleArray:
    """A rotor with a gear: many harmonics, a mesh frequency with sidebands, broadband noise."""
    n_harmonics, teeth = 24, int(own.integers(29, 38))
    amplitudes = own.lognormal(0, 0.6, n_harmonics) / np.arange(1, n_harmonics + 1) ** 0.5
    speed_hz, phases, floor_db = (
        own.uniform(38, 52),
        draw_phases(own, n_harmonics),
        own.normal(0, 3, 8) - np.array([3, 0, 0, 2, 4, 6, 9, 12]),
    )
    side, mesh_phases = own.uniform(0.1, 0.2), draw_phases(own, 7)
    amplitudes = amplitudes * day.lognormal(0, 0.12, n_harmonics)
    turns = turn(now, n, speed_hz * (1 + 0.01 * day.normal() + 0.004 * draw_curve(now, n, 1.5)))
    sound = scale_to(make_harmonics(turns, np.arange(1, n_harmonics + 1), amplitudes, phases), 1.0)
    near = np.array([-3, -2, -1, 0, 1, 2, 3])
    weights = np.where(near == 0, 1.0, side / np.maximum(1, np.abs(near)) * (2.2 if fault == "gear" else 1.0))
    sound = sound + 0.35 * make_harmonics(turns, teeth + near, weights * day.lognormal(0, 0.1, 7), mesh_phases)
    sound = sound + 0.5 * make_noise(now, n, floor_db + day.normal(0, 0.7, 8))
    if fault == "looseness":
        halves = np.arange(0.5, 8, 1.0)
        sound = sound + 0.4 * scale_to(make_harmonics(turns, halves, 1 / np.sqrt(halves), draw_phases(now, len(halves))), 1.0)
    elif fault == "rub":
        contact = np.maximum(0, np.cos(2 * np.pi * turns)) ** 6
        sound = sound + 0.25 * scale_to(make_noise(now, n, np.zeros(8)) * contact, 1.0)
    return sound


def motor(own: Rng, day: Rng, now: Rng, n: int, fault: str) -> DoubleArray:
    """A motor that runs through many speeds and loads: slot harmonics, line hum, fan noise."""
    n_harmonics, slots = 10, int(own.integers(24, 33))
    amplitudes = own.lognormal(0, 0.4, n_harmonics) / np.arange(1, n_harmonics + 1)
    phases, fan_db = draw_phases(own, n_harmonics), own.normal(0, 3, 8) - np.array([8, 4, 1, 0, 2, 5, 9, 14])
    slot_phases = draw_phases(own, 5)
    whine_hz, resonance_hz = own.uniform(4800, 6200), own.uniform(2500, 4200)
    load = now.uniform(0.2, 1.0)
    start_hz, stop_hz = now.uniform(18, 55, 2)
    ramp_s = now.uniform(0, n / RATE_HZ)
    shaft_hz = start_hz + (stop_hz - start_hz) * np.clip((seconds(n) - ramp_s) / 2.0, 0, 1)
    turns = turn(now, n, shaft_hz * (1 + 0.003 * draw_curve(now, n, 0.5)))
    strength: DoubleArray = (shaft_hz / 40.0) ** 1.2
    sound: DoubleArray = (
        strength * scale_to(make_harmonics(turns, np.arange(1, n_harmonics + 1), amplitudes, phases), 0.7) * day.lognormal(0, 0.08)
    )
    sidebands = np.array([-2, -1, 0, 1, 2])
    weights = np.where(sidebands == 0, 1.0, (0.9 if fault == "eccentricity" else 0.12)) * (0.4 + load)
    sound = sound + 0.3 * strength * make_harmonics(turns, slots + sidebands, weights, slot_phases)
    sound = sound + 0.25 * load * day.lognormal(0, 0.1) * make_hum(now, n, 100.0, 4)
    sound = sound + 0.6 * (shaft_hz / 40.0) ** 2.0 * make_noise(now, n, fan_db + day.normal(0, 0.7, 8))
    if fault == "bearing":
        sound = sound + 0.2 * strength * make_impacts(now, turns, BALL_PASS, resonance_hz, 0.0015)
    elif fault == "whine":
        sound = sound + 0.09 * (0.4 + load) * np.sin(2 * np.pi * np.cumsum(whine_hz * (1 + 0.002 * draw_curve(now, n, 0.3))) / RATE_HZ)
    return sound


BEAT_S, LATE, WEAK_DB, ODD_BEATS = 1.15, 0.2, -10.0, 0.2


def press(own: Rng, day: Rng, now: Rng, n: int, fault: str) -> DoubleArray:
    """A press with a rhythm: a thump, a latch's click and a puff of air a beat, over a motor's hum."""
    thump_hz, latch_hz, hum_db = own.uniform(90, 160), own.uniform(2200, 3400), own.normal(0, 3, 8) - np.array([4, 0, 0, 3, 6, 9, 12, 16])
    latch_s, air_s = own.uniform(0.1, 0.16), own.uniform(0.4, 0.55)
    period_s = BEAT_S * (1 + 0.02 * day.normal())
    times_s = draw_times(now, n, period_s, 0.01)
    strengths = 10 ** (now.normal(0, 0.8, len(times_s)) / 20) * day.lognormal(0, 0.05)
    odd = now.uniform(size=len(times_s)) < ODD_BEATS
    heard = np.flatnonzero((times_s > 0.5) & (times_s < n / RATE_HZ - 1.0))
    if not odd[heard].any():
        odd[now.choice(heard)] = True
    if fault == "missing":
        times_s, strengths = times_s[~odd], strengths[~odd]
    elif fault == "weak":
        strengths = np.where(odd, strengths * 10 ** (WEAK_DB / 20), strengths)
    elif fault == "late":
        times_s = times_s + odd * LATE * period_s
    elif fault == "double":
        again = now.uniform(0.2, 0.35) * period_s
        times_s, strengths = np.concatenate([times_s, times_s[odd] + again]), np.concatenate([strengths, 0.8 * strengths[odd]])
    ring_s = 0.06 if fault == "ring" else 0.006
    puff = make_band_noise(own, round(0.12 * RATE_HZ), 1500, 6000) * np.hanning(round(0.12 * RATE_HZ))
    sound = place_events(n, times_s, 2.2 * strengths, make_ring(thump_hz, 0.04, 0.25))
    sound += place_events(n, times_s + latch_s, 0.9 * strengths, make_ring(latch_hz, ring_s, 0.1))
    sound += place_events(n, times_s + air_s, 0.3 * strengths * now.lognormal(0, 0.1, len(times_s)), puff)
    if fault == "click":
        sound += place_events(n, times_s + 0.75 * period_s, 1.8 * strengths, make_ring(1.6 * latch_hz, 0.003, 0.03))
    return sound + 0.08 * make_hum(now, n, 50.0, 6) + 0.22 * make_noise(now, n, hum_db + day.normal(0, 0.7, 8))


LOADED, IDLE, OFF = 2, 1, 0


def draw_states(rng: Rng, n: int) -> list[tuple[int, int, int]]:
    """(state, first sample, end) of a random course of states."""
    states, start, state = [], 0, int(rng.integers(0, 3))
    while start < n:
        stop = min(n, start + round(rng.uniform(3, 12) * RATE_HZ))
        states.append((state, start, stop))
        state = IDLE if state != IDLE else int(rng.choice([LOADED, LOADED, OFF]))
        start = stop
    return states


def smooth(share: DoubleArray) -> DoubleArray:
    """`share` `[n_samples]` with edges that take half a second."""
    fade = np.hanning(RATE_HZ // 2)
    padded = np.pad(share, len(fade) // 2, mode="edge")
    found: DoubleArray = fftconvolve(padded, fade / fade.sum(), "same")[len(fade) // 2 :][: len(share)]
    return found


def compressor(own: Rng, day: Rng, now: Rng, n: int, fault: str) -> DoubleArray:
    """A piston compressor that is off, idles or works; its faults sound under load alone."""
    strokes_hz, n_harmonics = own.uniform(13, 17), 20
    amplitudes = own.lognormal(0, 0.5, n_harmonics) / np.arange(1, n_harmonics + 1) ** 0.6
    phases, air_db, valve_hz = (
        draw_phases(own, n_harmonics),
        own.normal(0, 3, 8) - np.array([6, 2, 0, 0, 2, 4, 8, 14]),
        own.uniform(1800, 3000),
    )
    amplitudes = amplitudes * day.lognormal(0, 0.25, n_harmonics)
    states = draw_states(now, n)
    while fault and sum(stop - start for state, start, stop in states if state == LOADED) < n // 3:
        states = draw_states(now, n)
    share = {state: np.zeros(n) for state in (OFF, IDLE, LOADED)}
    for state, start, stop in states:
        share[state][start:stop] = 1.0
    loaded, idle = (smooth(share[s]) for s in (LOADED, IDLE))
    running = loaded + idle
    turns = turn(now, n, strokes_hz * (1 + 0.006 * day.normal() - 0.03 * loaded))
    strokes = scale_to(make_harmonics(turns, np.arange(1, n_harmonics + 1), amplitudes, phases), 1.0)
    valves = make_impacts(now, turns, 2.0, valve_hz, 0.004)
    sound = strokes * (0.35 * idle + loaded) + 0.25 * valves * loaded
    sound = sound + make_noise(now, n, air_db + day.normal(0, 0.7, 8)) * (0.25 * idle + 0.8 * loaded)
    if fault == "valve":
        sound = sound + 0.16 * loaded * make_band_noise(now, n, 4500, 7500) * (1 + np.cos(2 * np.pi * turns))
    elif fault == "knock":
        sound = sound + 0.4 * loaded * make_impacts(now, turns, 1.0, 0.45 * valve_hz, 0.005)
    elif fault == "squeal":
        sweep_hz = 2.1 * valve_hz * (1 + 0.01 * draw_curve(now, n, 0.15))
        sound = sound + 0.2 * running * np.maximum(0, draw_curve(now, n, 0.4)) * np.sin(2 * np.pi * np.cumsum(sweep_hz) / RATE_HZ)
    return sound


MACHINES: dict[str, tuple[Machine, tuple[str, ...]]] = {
    "pump": (pump, ("imbalance", "bearing", "cavitation", "leak")),
    "rotor": (rotor, ("looseness", "rub", "gear")),
    "motor": (motor, ("bearing", "eccentricity", "whine")),
    "press": (press, ("missing", "weak", "double", "late", "click", "ring")),
    "compressor": (compressor, ("valve", "knock", "squeal")),
}  # each with its own faults
