"""How a console program of this project ends: its exit code, and its errors on stderr without a traceback."""

import os
import sys
from collections.abc import Callable

from aegan_monitor.errors import EXIT_FAILED, AeganError
from aegan_monitor.logs import print_error

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells do it


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
