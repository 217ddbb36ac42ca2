"""Errors of the programs. Each message says what, where, expected, found and what to do."""

from typing import ClassVar

EXIT_FAILED = 1
EXIT_USAGE = 2  # as argparse exits
EXIT_CONFIG = 78  # sysexits.h EX_CONFIG; the unit does not restart on it


class AeganError(Exception):
    """Base of all errors; the message is one line, or one line a finding."""

    exit_code: ClassVar[int] = EXIT_FAILED


class UsageError(AeganError):
    """Options of a command that contradict each other."""

    exit_code = EXIT_USAGE


class ConfigError(AeganError):
    """The configuration is wrong; nothing was started."""

    exit_code = EXIT_CONFIG


class BundleError(AeganError):
    """A bundle is damaged, has another format, or differs from its record."""

    exit_code = EXIT_CONFIG


class BundleAccessError(BundleError):
    """A bundle is missing or cannot be read now; another start may succeed (a late disk, memory, a permission)."""

    exit_code = EXIT_FAILED


class CaptureError(AeganError):
    """Audio is not available, or differs from what the bundle needs; `fault` is the state in the sensor topic."""

    def __init__(self, message: str, fault: str = "missing") -> None:
        super().__init__(message)
        self.fault = fault


class InferenceError(AeganError):
    """The runtime is missing, or a session does not use a required provider."""

    exit_code = EXIT_CONFIG


class InferenceRunError(InferenceError):
    """The runtime failed, or lacked memory or threads to load; another start may succeed."""

    exit_code = EXIT_FAILED


class PublishError(AeganError):
    """A message cannot be sent to the broker, now or later."""


class DataError(AeganError):
    """A folder of recordings is not usable for training or evaluation."""
