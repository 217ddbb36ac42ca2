"""Sound of a synthesised pump: rotation harmonics, flow noise, load changes, and a bearing fault of the same loudness."""

import numpy as np

from aegan_monitor.types import DoubleArray, FloatArray

CHUNK_S = 0.25
SHAFT_HZ = 24.5
N_HARMONICS = 10
N_VANES, VANE_PASS = 6, 4.0  # factor by which the vane-pass harmonic is stronger
LOAD_TIME_S = 8.0  # correlation time of the load
LOAD_SPEED = 0.03  # relative loss of speed from idle to full load
LOAD_LEVEL_DB = 2.0
N_BALLS, BALL_TO_PITCH = 9, 0.28  # of the bearing; contact angle 0
RESONANCES_HZ = (2900.0, 4700.0)
RING_DOWN_S = 0.0018
IMPACT_S = 0.012
IMPACT_LEVEL = 0.8  # peak, where the RMS of normal sound is about 1
IMPACT_SLIP = 0.01  # relative jitter of the period
FAULT_RAMP_S = 1.0
LEVEL = 0.06  # RMS of normal sound, full scale 1


def defect_frequency_hz(shaft_hz: float) -> float:
    """Ball-pass frequency of the outer race: `n/2 f (1 - d/D cos(angle))`.

    Source: R. Randall, J. Antoni, Rolling element bearing diagnostics, MSSP 25 (2011), equation 1.
    """
    return N_BALLS / 2 * shaft_hz * (1 - BALL_TO_PITCH)


class Pump:
    """An endless, reproducible stream of pump sound.

    One seed gives one sound, however it is read. Another seed is the same pump on another day. The fault starts within a
    second from `fault_from_s` on, or from `set_faulty` on. The gain is lowered as the impacts start, so that the power stays constant.
    """

    def __init__(self, seed: int, sample_rate_hz: int = 16_000, fault_from_s: float | None = None) -> None:
        self._rng = np.random.default_rng(seed)
        self._rate_hz = sample_rate_hz
        self._n = round(CHUNK_S * sample_rate_hz)
        self._fault_from_s = fault_from_s
        self._frequencies_hz = np.fft.rfftfreq(2 * self._n, 1 / sample_rate_hz)
        self._amplitudes = self._rng.normal(1.0, 0.03, N_HARMONICS) / np.arange(1, N_HARMONICS + 1)
        self._amplitudes[N_VANES - 1] *= VANE_PASS
        self._phases = self._rng.uniform(0, 2 * np.pi, N_HARMONICS)
        self._window = np.sin(np.pi * (np.arange(2 * self._n) + 0.5) / (2 * self._n))
        self._noise_tail = np.zeros(self._n)
        self._turns = 0.0
        self._load = float(self._rng.normal())
        self._gain = 1.0
        self._impact_tail = np.zeros(round(IMPACT_S * sample_rate_hz))
        self._next_impact_s = 0.0
        self._n_chunks = 0
        self._noise()  # fills the overlap
        self._buffer: FloatArray = np.zeros(0, np.float32)

    def set_faulty(self, faulty: bool) -> None:
        """Begin or end the fault with the next sound that is made; harmless where it is so already."""
        if not faulty:
            self._fault_from_s = None
        elif self._fault_from_s is None:
            self._fault_from_s = self._n_chunks * CHUNK_S

    def read(self, n_samples: int) -> FloatArray:
        """The next samples, float32 `[n_samples]`."""
        parts, n_ready = [self._buffer], len(self._buffer)
        while n_ready < n_samples:
            parts.append(self._chunk())
            n_ready += self._n
        joined = np.concatenate(parts)
        self._buffer = joined[n_samples:]
        return joined[:n_samples]

    def _chunk(self) -> FloatArray:
        start_s = self._n_chunks * CHUNK_S
        self._n_chunks += 1
        last_load, decay = self._load, np.exp(-CHUNK_S / LOAD_TIME_S)
        self._load = decay * self._load + np.sqrt(1 - decay**2) * float(self._rng.normal())
        load = np.tanh(np.linspace(last_load, self._load, self._n, endpoint=False))
        shaft_hz = SHAFT_HZ * (1 - LOAD_SPEED * load)
        base = (self._rotation(shaft_hz) + self._noise()) * 10 ** (LOAD_LEVEL_DB * load / 20)
        impacts = self._impacts(start_s, float(shaft_hz.mean())) * 10 ** (LOAD_LEVEL_DB * load / 20)
        power = float(np.mean(base**2))
        last_gain, self._gain = self._gain, float(np.sqrt(power / (power + np.mean(impacts**2))))
        gain = np.linspace(last_gain, self._gain, self._n, endpoint=False)
        return (LEVEL * gain * (base + impacts)).astype(np.float32)

    def _rotation(self, shaft_hz: DoubleArray) -> DoubleArray:
        turns = self._turns + np.cumsum(shaft_hz) / self._rate_hz
        self._turns = float(turns[-1])
        harmonics = np.arange(1, N_HARMONICS + 1)[:, None]
        waves = np.sin(2 * np.pi * harmonics * turns + self._phases[:, None])
        rotation: DoubleArray = 0.6 * self._amplitudes @ waves / np.sqrt(np.sum(self._amplitudes**2) / 2)
        return rotation

    def _noise(self) -> DoubleArray:
        """Flow noise around 600 Hz and a faint floor of room noise, in overlapping windows."""
        f = self._frequencies_hz
        shape = np.exp(-0.5 * (np.log2((f + 20.0) / 600.0) / 1.3) ** 2) + 0.06
        shape /= np.sqrt(np.mean(shape**2))
        turbulence = 10 ** (0.05 * float(self._rng.normal()))
        white = np.fft.rfft(self._rng.normal(size=2 * self._n))
        shaped = 0.8 * turbulence * self._window * np.fft.irfft(white * shape)
        noise = self._noise_tail + shaped[: self._n]
        self._noise_tail = shaped[self._n :]
        return noise

    def _impacts(self, start_s: float, shaft_hz: float) -> DoubleArray:
        n_tail = len(self._impact_tail)
        sound = np.zeros(self._n + n_tail)
        sound[:n_tail] = self._impact_tail
        if self._fault_from_s is not None and start_s + CHUNK_S > self._fault_from_s:
            t = np.arange(n_tail) / self._rate_hz
            ring = np.exp(-t / RING_DOWN_S) * sum(np.sin(2 * np.pi * f * t) for f in RESONANCES_HZ)
            self._next_impact_s = max(self._next_impact_s, self._fault_from_s)
            while self._next_impact_s < start_s + CHUNK_S:
                ramp = min(1.0, (self._next_impact_s - self._fault_from_s) / FAULT_RAMP_S)
                place = max(0, min(self._n - 1, int((self._next_impact_s - start_s) * self._rate_hz)))
                sound[place : place + n_tail] += IMPACT_LEVEL * ramp * ring * self._rng.normal(1.0, 0.15)
                self._next_impact_s += (1 + IMPACT_SLIP * float(self._rng.normal())) / defect_frequency_hz(shaft_hz)
        self._impact_tail = sound[self._n :].copy()
        return sound[: self._n]
