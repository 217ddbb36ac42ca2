"""The folder of a run: one training at a time, and no partial file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aegan_monitor.errors import DataError
from aegan_train.run_folder import WriteError, lock_run, write_atomically

HOLD = """
import sys
from pathlib import Path
from aegan_train.run_folder import lock_run
with lock_run(Path(sys.argv[1])):
    print(flush=True)
    input()
"""


def test_a_second_training_in_one_folder_is_refused(tmp_path: Path) -> None:
    """A second training is refused until the first has ended or was killed; a new empty folder is removed."""
    run = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLD, run], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with (
            pytest.raises(DataError, match="run: another training writes there; wait for its end, or choose another folder$"),
            lock_run(run),
        ):
            pass
        process.kill()
    with lock_run(run):
        (run / "file").touch()
    assert run.is_dir()
    with lock_run(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """A file in place of the folder gives one line."""
    (tmp_path / "file").touch()
    wanted = r"file/run: cannot be written: Not a directory; make it writable, or choose another folder$"
    with pytest.raises(WriteError, match=wanted), lock_run(tmp_path / "file" / "run"):
        pass


def test_a_failed_write_keeps_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    """A failed write, also by Ctrl-C, keeps the old file and leaves no temporary one."""
    path = tmp_path / "file"
    write_atomically(path, lambda partial: partial.write_text("old"))

    def fail(partial: Path, error: BaseException) -> None:
        partial.write_text("half")
        raise error

    full = OSError(28, os.strerror(28))
    with pytest.raises(WriteError, match="file: cannot be written: No space left on device; free some space there$"):
        write_atomically(path, lambda partial: fail(partial, full))
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, lambda partial: fail(partial, KeyboardInterrupt()))
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file", "old")]
