"""The part of the configuration that says where a machine's sound comes from."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from aegan_monitor.config.names import Text
from aegan_monitor.config.validation import ConfigPath, Settings

DEVICE_KINDS = ("alsa", "usb", "pulse")  # what an identity of a device begins with


def _assume_mic(value: object) -> object:
    return {"kind": "mic", **value} if isinstance(value, dict) else value


def _refuse_empty_identity(value: str) -> str:
    kind, colon, rest = value.partition(":")
    if kind in DEVICE_KINDS and colon and not rest.strip():
        raise ValueError(f"expected {kind}:<which>, found {value!r}; aegan-monitor devices lists them")
    return value


class MicCaptureConfig(Settings):
    """One channel of a microphone."""

    kind: Literal["mic"] = Field(default="mic", description="A sound device.")
    device: Annotated[Text, AfterValidator(_refuse_empty_identity)] | None = Field(
        default=None,
        description="Which device: alsa:<card id>, usb:<path or serial number>, pulse:<source of the sound server>, its name, or a part "
        "of the name that only it has (aegan-monitor devices lists them); null is the system's default, if that is a microphone.",
    )
    channel: int = Field(default=0, ge=0, description="Channel of the device, from 0.")


class FileCaptureConfig(Settings):
    """Recordings, one after the other as one stream."""

    kind: Literal["file"] = Field(description="WAV or FLAC files.")
    paths: list[ConfigPath] = Field(min_length=1, description="Files, in the order in which they are heard.")
    pace: Literal["realtime", "fast"] = Field(
        default="realtime", description="realtime delivers as a microphone would, fast as soon as it is taken."
    )
    loop: bool = Field(default=False, description="Begin anew after the last file.")
    channel: int | None = Field(default=None, ge=0, description="Channel of the files, from 0; null expects files of one channel.")


class StdinCaptureConfig(Settings):
    """Raw mono samples on standard input, at the bundle's sample rate."""

    kind: Literal["stdin"] = Field(description="A pipe.")
    sample_format: Literal["s16le", "f32le"] = Field(description="16-bit integers or 32-bit floats, little-endian.")


Capture = Annotated[MicCaptureConfig | FileCaptureConfig | StdinCaptureConfig, Field(discriminator="kind"), BeforeValidator(_assume_mic)]
