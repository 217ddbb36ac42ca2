"""Exit codes of the console programs, and their errors on stderr without a traceback."""

import os
import sys
from collections.abc import Callable, Collection

from aegan_monitor.errors import EXIT_FAILED, AeganError
from aegan_monitor.logs import print_error

EXIT_INTERRUPTED = 130  # 128 + SIGINT, the convention of shells


def print_problem(program: str, error: AeganError) -> None:
    """Print an error on stderr, each line with the program's name."""
    for line in str(error).splitlines():
        print_error(f"{program}: {line}")


def run_command(program: str, command: Callable[[], int]) -> int:
    """Run a command; returns its exit code. Errors are printed on stderr."""
    try:
        return command()
    except AeganError as error:
        print_problem(program, error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:  # a read-only folder, a full disk
        place = f"{error.filename}: " if error.filename else ""
        print_error(f"{program}: {place}{error.strerror or error}")
        return EXIT_FAILED


def run_with_extra(program: str, extra: str, packages: Collection[str], command: Callable[[], int]) -> int:
    """Run a command that needs the optional dependencies `extra`; a missing package of `packages` gives one line with the remedy."""

    def run() -> int:
        try:
            return command()
        except ModuleNotFoundError as error:
            lacking = (error.name or "").partition(".")[0]
            if lacking not in packages:
                raise
            install = f"pip install 'aegan-monitor[{extra}]'"
            raise AeganError(f"{lacking} is not installed, and {program} needs it: {install}") from error

    return run_command(program, run)
