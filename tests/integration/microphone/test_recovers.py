"""Capture recovers when sources and sound servers vanish, hang and return, and never hears the wrong microphone."""

import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CalledProcessError

import numpy as np
import pytest

import pulse
from aegan_monitor.audio.device.discovery import Devices
from aegan_monitor.audio.device.portaudio import COMMAND, PortAudio
from aegan_monitor.audio.device.pulseaudio.source import PulseServer
from aegan_monitor.audio.device.shared_stream import Microphones
from aegan_monitor.types import Run
from broker import wait_until
from chaos import scaled
from listening import DEADLINE_S, RATE_HZ, RIGHT_HZ, WRONG_HZ, Machine, assert_only_right, count_open, level_at, listening
from synthetic import write_wav

pytestmark = pytest.mark.mic

NOTICED_S = 2.0  # so soon a fault is known
RECOVERED_S = 3.0  # and so soon after its end the microphone is heard


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pulse.PulseServer]:
    """A server with two sources: the machine, and another that the server would use instead."""
    with pulse.PulseServer(tmp_path_factory.mktemp("pulse")) as started:
        started.add_tone("machine", RIGHT_HZ)
        started.add_tone("wrong", WRONG_HZ)
        started.remove(pulse.SINK)
        yield started


def plug_microphone(server: pulse.PulseServer) -> None:
    """Add a default source that is marked as a microphone; it vanishes with the machine."""
    server.control("load-module", "module-remap-source", "source_name=microphone", "master=machine.monitor")
    server.control("set-default-source", "microphone")


@pytest.mark.parametrize("device", ["pulse:machine.monitor", None])
def test_a_source_goes_and_comes_back_20_times(server: pulse.PulseServer, device: str | None) -> None:
    """Each loss of the source is reported, each return is heard within 3 s, and no sample is from the other source."""
    if device is None:
        plug_microphone(server)
    with listening(Machine(server, device)) as machine:
        machine.wait_for("ok")
        machine.hear(0.5)
        n_open = count_open()
        for _ in range(scaled(20, at_least=3) if device else 3):
            server.remove("machine")
            assert machine.wait_for("missing", NOTICED_S)
            server.add_tone("machine", RIGHT_HZ)
            if device is None:
                plug_microphone(server)
            machine.wait_for("ok", RECOVERED_S)
            assert_only_right(machine.read_all())
        machine.hear(0.5)
        assert machine.ring.gaps_total >= 3
        wait_until(lambda: count_open() == n_open, f"{n_open} threads and descriptors", DEADLINE_S)


def test_another_default_is_not_taken(server: pulse.PulseServer) -> None:
    """While the default microphone is missing, another default source is not heard."""
    plug_microphone(server)
    with listening(Machine(server, None)) as machine:
        machine.wait_for("ok")
        server.remove("machine")
        machine.wait_for("missing", NOTICED_S)
        server.control("load-module", "module-remap-source", "source_name=another", "master=wrong.monitor")
        server.control("set-default-source", "another")
        time.sleep(1.5)  # in which it could go wrong
        detail = machine.supervisor.sensor().detail
        assert detail.startswith("the sound server has no source 'microphone'; available: "), detail
        assert_only_right(machine.read_all())


def test_the_server_may_not_move_the_stream(server: pulse.PulseServer) -> None:
    """The server may not move the stream to another source, not even on request."""
    with listening(Machine(server, "pulse:machine.monitor")) as machine:
        machine.wait_for("ok")
        stream = server.control("list", "short", "source-outputs").split("\t")[0]
        with pytest.raises(CalledProcessError):
            server.control("move-source-output", stream, "wrong.monitor")
        assert_only_right([Run(machine.hear(0.5), 0, False)])


def test_a_hanging_server_is_waited_for(server: pulse.PulseServer) -> None:
    """A stopped server gives `stalled`, and sound within 3 s after it continues, also after many failed attempts."""
    with listening(Machine(server, "pulse:machine.monitor")) as machine:
        machine.wait_for("ok")
        for pause_s in (0.0, 8.0):
            server.pause()
            machine.wait_for("stalled", NOTICED_S)
            machine.read_all()
            time.sleep(pause_s)
            assert machine.supervisor.sensor().state == "stalled"
            assert machine.read_all() == []
            server.resume()
            machine.wait_for("ok", RECOVERED_S)
            assert_only_right(machine.read_all())


def test_a_killed_server_is_waited_for(server: pulse.PulseServer) -> None:
    """A killed server gives `missing`, and the right source is heard within 3 s of its return."""
    with listening(Machine(server, "pulse:machine.monitor")) as machine:
        machine.wait_for("ok")
        server.kill()
        machine.wait_for("missing", NOTICED_S)
        server.start()
        server.add_tone("wrong", WRONG_HZ)
        time.sleep(1.0)  # in which the wrong one could be taken
        server.add_tone("machine", RIGHT_HZ)
        machine.wait_for("ok", RECOVERED_S)
        assert_only_right(machine.read_all())


def test_a_muted_microphone_is_silent(server: pulse.PulseServer) -> None:
    """Digital silence is reported within 2 s and never scored, and sound returns at once."""
    with listening(Machine(server, "pulse:machine.monitor")) as machine:
        machine.wait_for("ok")
        server.control("set-source-mute", "machine.monitor", "1")
        assert machine.wait_for("silent", NOTICED_S) == (
            "microphone 'machine.monitor': expected sound, found only zeros for 1 s; unmute it, or choose another channel"
        )
        server.control("set-source-mute", "machine.monitor", "0")
        machine.wait_for("ok", RECOVERED_S)
        runs = machine.read_all()
        assert not any((run.samples[start : start + 800] == 0).all() for run in runs for start in range(0, len(run.samples) - 800, 800))


@pytest.mark.parametrize(("value", "dither", "state"), [(0.25, 0, "constant"), (0.0, 1, "ok"), (0.0, 0, "silent")])
def test_a_living_microphone_may_be_quiet(pulse: pulse.PulseServer, tmp_path: Path, value: float, dither: int, state: str) -> None:
    """A constant value is a fault, but a quiet signal with a changing last bit is not."""
    samples = np.full(60 * RATE_HZ, round(value * 32768), np.int16)
    samples[::4000] += np.int16(dither)
    sound = write_wav(tmp_path / "sound.wav", samples / 32768)
    with listening(Machine(pulse, "pulse:mic.monitor")) as machine, pulse.playing(sound):
        machine.wait_for(state)
        if state == "ok":
            assert len(machine.hear(2.0)) >= 2 * RATE_HZ


@pytest.mark.parametrize("device_rate_hz", [44_100, 48_000])
def test_a_device_is_heard_at_its_own_rate(server: pulse.PulseServer, device_rate_hz: int) -> None:
    """The device runs at its own rate, and our resampling keeps length, level and pitch."""
    server.add_tone("fast", RIGHT_HZ, device_rate_hz)
    with listening(Machine(server, "pulse:fast.monitor")) as machine:
        machine.wait_for("ok")
        assert f"float32le 1ch {device_rate_hz}Hz" in server.control("list", "short", "source-outputs")
        start_s = time.monotonic()
        heard = machine.hear(3.0)
        # being late is no fault of ours; a rate that is too low shows in the tone
        assert time.monotonic() - start_s > len(heard) / RATE_HZ - 0.3
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) * RATE_HZ / len(heard) == pytest.approx(RIGHT_HZ, abs=0.5)
    far = np.abs(np.fft.rfftfreq(len(heard), 1 / RATE_HZ) - RIGHT_HZ) > 20
    assert spectrum[far].max() < 1e-3 * spectrum.max()


def test_four_machines_share_eight_channels(pulse: pulse.PulseServer, tmp_path: Path) -> None:
    """Four machines share one stream, each with its channel; a dead channel affects no other, and the last machine closes it."""
    pulse.add_sink("interface", 48_000, 8)
    tones_hz = [500 + 250 * channel for channel in range(8)]
    times_s = np.arange(48_000) / 48_000  # whole periods of all
    tones = np.stack([0.3 * np.sin(2 * np.pi * f * times_s) for f in tones_hz], axis=1).astype(np.float32)
    tones[:, 5] = 0
    sound = write_wav(tmp_path / "eight.wav", np.tile(tones, (60, 1)), 48_000)
    microphones = Microphones()
    machines = [Machine(pulse, "pulse:interface.monitor", channel, microphones) for channel in (7, 0, 3, 3)]
    dead = Machine(pulse, "pulse:interface.monitor", 5, microphones)
    with pulse.playing(sound, "interface"):
        for machine in (*machines, dead):
            machine.supervisor.start()
        for machine in machines:
            machine.wait_for("ok")
        dead.wait_for("silent")
        assert len(pulse.control("list", "short", "source-outputs").splitlines()) == 1
        for machine in machines:
            heard = machine.hear(0.5)[-8000:]
            levels = [level_at(heard, frequency_hz) for frequency_hz in tones_hz]
            assert [channel for channel, level in enumerate(levels) if level > 0.2] == [machine.channel]
            assert sorted(levels)[-2] < 0.01
            assert machine.ring.gaps_total == 0
        assert dead.read_all() == []
        for machine in (dead, *machines[:-1]):
            machine.supervisor.stop()
        machines[-1].hear(0.5)
        machines[-1].supervisor.stop()
        wait_until(lambda: pulse.control("list", "short", "source-outputs") == "", "the end of the stream", DEADLINE_S)


@pytest.mark.parametrize(
    ("pcm", "states"),
    [
        ("type file slave.pcm null file /dev/null infile {noise} format raw", {"wrong_rate"}),
        ("type null", {"silent", "wrong_rate"}),  # it is both
    ],
)
def test_a_real_portaudio_may_have_a_device_that_lies(tmp_path: Path, pcm: str, states: set[str]) -> None:
    """ALSA's null device, which delivers noise or zeros at any speed, never gives a score."""
    noise = tmp_path / "noise"
    noise.write_bytes(np.random.default_rng(0).normal(0, 0.1, 500_000).astype("<f4").tobytes())
    (tmp_path / ".asoundrc").write_text(f'pcm.liar {{ {pcm.format(noise=noise)} hint {{ show on description "liar" }} }}\n')
    devices = Devices(PulseServer("unix:/nonexistent"), portaudio=PortAudio(["env", f"HOME={tmp_path}", *COMMAND]))
    assert "liar" in [device.identity for device in devices.list_all()]
    with listening(Machine(None, "liar", devices=devices)) as machine:
        # two children have to start first, on a busy machine
        wait_until(lambda: machine.supervisor.sensor().state in states, "the lie is told", DEADLINE_S)
        time.sleep(3.0)  # in which it is opened again and again
        assert machine.supervisor.sensor().state in states
        runs = machine.read_all()
    assert sum(len(run.samples) for run in runs) < 5 * RATE_HZ
