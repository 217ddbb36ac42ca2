"""The one tree of errors. Each message says what, where, expected, found and what to do."""

import os
import sys
from collections.abc import Callable
from typing import ClassVar

from aegan_monitor.logs import print_error

EXIT_FAILED = 1
EXIT_USAGE = 2  # as argparse ends
EXIT_CONFIG = 78  # sysexits.h EX_CONFIG; the unit does not restart on it
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells do it


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


def tell_error(program: str, error: AeganError) -> None:
    """On stderr, each line with the program's name."""
    for line in str(error).splitlines():
        print_error(f"{program}: {line}")


def run_command(program: str, command: Callable[[], int]) -> int:
    """What `command` returns, or the exit code of its failure, told on stderr without a traceback."""
    try:
        return command()
    except AeganError as error:
        tell_error(program, error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:  # a folder that may not be written, a full disk
        place = f"{error.filename}: " if error.filename else ""
        print_error(f"{program}: {place}{error.strerror or error}")
        return EXIT_FAILED
