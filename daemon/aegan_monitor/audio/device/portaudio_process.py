"""Runs PortAudio in a child process: `python portaudio_process.py list`, or `... record NAME`, which records until its stdin ends.

PortAudio searches for devices only when it starts. Its calls block for ever if a driver hangs: a process can be killed, a thread cannot.
A crash of a driver ends only the child. It imports nothing else of the package, so that it starts fast.

Output: one line of JSON (`devices`, or `sample_rate_hz` and `n_channels` of the stream, or `missing`, or `error`), then chunks: number of
samples, whether samples were lost before them, and the samples as interleaved float32.
"""

import json
import os
import struct
import sys
import threading
from typing import Any, BinaryIO

BUFFER_S = 0.5  # PortAudio's own choice, 35 ms, loses samples on a busy machine
CHUNK_S = 0.1
LARGEST_N_CHANNELS = 32  # ALSA's plug-ins offer 128 that do not exist
HEADER = struct.Struct("<I?")
NOWHERE = {"PULSE_SERVER": "unix:/nonexistent", "PIPEWIRE_REMOTE": "nonexistent"}


def main(arguments: list[str], output: BinaryIO) -> None:
    """Run a command; errors are written as JSON, too."""
    os.environ.update(NOWHERE)  # ALSA's plug-ins must not use a sound server, which moves streams silently
    try:
        import sounddevice  # noqa: PLC0415 - raises OSError where PortAudio is missing
    except OSError as error:
        write_line(output, {"missing": f"PortAudio is not installed ({first_line(error)}); install it: apt-get install libportaudio2"})
        return
    try:
        devices = find_devices(sounddevice)
        if arguments[0] == "list":
            write_line(output, {"devices": devices})
        else:
            record(sounddevice, devices, arguments[1], output)
    except sounddevice.PortAudioError as error:
        write_line(output, {"error": first_line(error)})


def find_devices(sounddevice: Any) -> list[dict[str, Any]]:
    """Input devices, with PortAudio's number of each, valid in this process."""
    host_apis = sounddevice.query_hostapis()
    default = host_apis[sounddevice.default.hostapi]["default_input_device"] if host_apis else -1
    return [
        {
            "index": index,
            "name": device["name"],
            "host_api": host_apis[device["hostapi"]]["name"],
            "n_channels": min(device["max_input_channels"], LARGEST_N_CHANNELS),
            "default_sample_rate_hz": device["default_samplerate"],
            "is_default": index == default,
        }
        for index, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def record(sounddevice: Any, devices: list[dict[str, Any]], wanted: str, output: BinaryIO) -> None:
    """Write the samples of the device of that name, or whose name ends with `(hw:1,0)`."""
    found = [device for device in devices if device["name"] == wanted or (wanted.startswith("(hw:") and device["name"].endswith(wanted))]
    if len(found) != 1:
        write_line(output, {"error": "it is missing, or another program uses it" if not found else "several devices have this name"})
        return
    device, rate_hz = found[0], found[0]["default_sample_rate_hz"]
    stream = sounddevice.RawInputStream(rate_hz, 0, device["index"], device["n_channels"], "float32", latency=BUFFER_S)
    with stream:
        n_samples = round(stream.samplerate * CHUNK_S)
        write_line(output, {"sample_rate_hz": round(stream.samplerate), "n_channels": device["n_channels"]})
        while True:
            samples, overflowed = stream.read(n_samples)
            output.write(HEADER.pack(n_samples, overflowed) + bytes(samples))
            output.flush()


def end_with_input() -> None:
    """End this process when its standard input ends: the parent may be killed while a driver hangs."""
    while os.read(0, 1):
        pass
    os._exit(1)


def write_line(output: BinaryIO, content: dict[str, Any]) -> None:
    """One line of JSON."""
    output.write(json.dumps(content).encode() + b"\n")
    output.flush()


def first_line(error: BaseException) -> str:
    """The first line of an error of PortAudio."""
    return str(error).partition("\n")[0]


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    try:
        pipe = os.fdopen(os.dup(1), "wb")  # the samples; stdout itself may get output of drivers and libraries
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        main(sys.argv[1:], pipe)
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)
