"""Configuration of a machine's sound input: a microphone, recordings or a pipe."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from aegan_monitor.config.names import Text
from aegan_monitor.config.validation import ConfigPath, Settings

DEVICE_KINDS = ("alsa", "usb", "pulse")  # prefixes of a device identity


def _assume_mic(value: object) -> object:
    return {"kind": "mic", **value} if isinstance(value, dict) else value


def _refuse_empty_identity(value: str) -> str:
    kind, colon, rest = value.partition(":")
    if kind in DEVICE_KINDS and colon and not rest.strip():
        raise ValueError(f"expected {kind}:<which>, found {value!r}; aegan-monitor devices lists them")
    return value


class MicCaptureConfig(Settings):
    """One channel of a microphone."""

    kind: Literal["mic"] = Field(default="mic", description="A microphone.")
    device: Annotated[Text, AfterValidator(_refuse_empty_identity)] | None = Field(
        default=None,
        description="Which microphone, as aegan-monitor devices lists it: usb:<port or serial number>, alsa:<card id>, "
        "pulse:<source of the sound server>, a name, or a part of a name that only one device has. null: the system's default.",
    )
    channel: int = Field(default=0, ge=0, description="Channel of the device, from 0. An audio interface has several.")


class FileCaptureConfig(Settings):
    """Recordings, played one after the other as one stream."""

    kind: Literal["file"] = Field(description="Recordings, WAV or FLAC, at the bundle's sample rate or a higher one.")
    paths: list[ConfigPath] = Field(min_length=1, description="Files, in the order in which they are played.")
    pace: Literal["realtime", "fast"] = Field(
        default="realtime", description="`realtime`: at the pace of a microphone. `fast`: as fast as this machine can."
    )
    loop: bool = Field(default=False, description="Start again after the last file.")
    channel: int | None = Field(default=None, ge=0, description="Channel of the files, from 0; null expects files of one channel.")


class StdinCaptureConfig(Settings):
    """Raw mono samples on standard input, at the bundle's sample rate."""

    kind: Literal["stdin"] = Field(description="Standard input.")
    sample_format: Literal["s16le", "f32le"] = Field(description="Format of the samples: 16-bit integers or 32-bit floats, little-endian.")


Capture = Annotated[MicCaptureConfig | FileCaptureConfig | StdinCaptureConfig, Field(discriminator="kind"), BeforeValidator(_assume_mic)]
