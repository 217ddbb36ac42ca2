"""The one tree of errors. Each message says what, where, expected, found and what to do."""

from typing import ClassVar

EXIT_FAILED = 1
EXIT_USAGE = 2  # as argparse ends
EXIT_CONFIG = 78  # sysexits.h EX_CONFIG; the unit does not restart on it


class AeganError(Exception):
    """Anything this project refuses to do, told in one line (or one line a finding)."""

    exit_code: ClassVar[int] = EXIT_FAILED


class UsageError(AeganError):
    """Options of a command that do not go together, which the parser alone cannot tell."""

    exit_code = EXIT_USAGE


class ConfigError(AeganError):
    """The configuration is wrong; nothing was started."""

    exit_code = EXIT_CONFIG


class BundleError(AeganError):
    """A bundle is damaged, of another format, or not what its own record says."""

    exit_code = EXIT_CONFIG


class BundleAccessError(BundleError):
    """A bundle is not there, or cannot be read now; unlike a wrong one it may come by itself: a late disk, memory, a permission."""

    exit_code = EXIT_FAILED


class CaptureError(AeganError):
    """Audio cannot be had, or is not the audio that the bundle was trained on; `fault` is what the sensor topic calls it."""

    def __init__(self, message: str, fault: str = "missing") -> None:
        super().__init__(message)
        self.fault = fault


class InferenceError(AeganError):
    """The runtime is missing, or a required provider is not what a session really uses."""

    exit_code = EXIT_CONFIG


class InferenceRunError(InferenceError):
    """The runtime failed while it ran, or lacked memory or threads to load; unlike a wrong set-up, starting again may help."""

    exit_code = EXIT_FAILED


class PublishError(AeganError):
    """A message cannot be handed to the broker, and will not be by waiting."""


class DataError(AeganError):
    """A folder of recordings is not what training or evaluation needs."""
