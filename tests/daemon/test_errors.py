"""Errors become exit codes and lines in one place."""

import pytest

from aegan_monitor.errors import BundleError, CaptureError, ConfigError
from aegan_monitor.program import run_command


def fail(error: BaseException) -> int:
    """A command that ends with this error."""
    raise error


@pytest.mark.parametrize(
    ("error", "code", "reported"),
    [
        (ConfigError("a: wrong\nb: wrong"), 78, "prog: a: wrong\nprog: b: wrong\n"),
        (BundleError("x"), 78, "prog: x\n"),
        (CaptureError("x"), 1, "prog: x\n"),
        (KeyboardInterrupt(), 130, ""),
        (PermissionError(13, "Permission denied", "/x/y"), 1, "prog: /x/y: Permission denied\n"),
        (OSError(28, "No space left on device"), 1, "prog: No space left on device\n"),
    ],
)
def test_each_failure_has_its_code_and_its_lines(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, reported: str
) -> None:
    """Each error has its exit code and lines, without a traceback."""
    assert run_command("prog", lambda: fail(error)) == code
    assert capsys.readouterr().err == reported


def test_a_fault_of_ours_is_not_hidden() -> None:
    """A programming error keeps its traceback."""
    with pytest.raises(ZeroDivisionError):
        run_command("prog", lambda: 1 // 0)
