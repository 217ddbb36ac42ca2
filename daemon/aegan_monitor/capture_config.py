"""The part of the configuration that says where a machine's sound comes from."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from aegan_monitor.names import Text
from aegan_monitor.problems import ConfigPath, Settings


def _assume_mic(value: object) -> object:
    return {"kind": "mic", **value} if isinstance(value, dict) else value


class MicCaptureConfig(Settings):
    """One channel of a microphone."""

    kind: Literal["mic"] = Field(default="mic", description="A sound device.")
    device: Text | None = Field(
        default=None,
        description="Name of the device, or a part that only it has (aegan-monitor devices lists them); null is the system's default.",
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


class StdinCaptureConfig(Settings):
    """Raw mono samples on standard input, at the bundle's sample rate."""

    kind: Literal["stdin"] = Field(description="A pipe.")
    sample_format: Literal["s16le", "f32le"] = Field(description="16-bit integers or 32-bit floats, little-endian.")


Capture = Annotated[MicCaptureConfig | FileCaptureConfig | StdinCaptureConfig, Field(discriminator="kind"), BeforeValidator(_assume_mic)]
