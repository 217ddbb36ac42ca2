"""What the errors of SQLite and of the disk mean, for the files of outbox and history."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aegan_monitor.errors import AeganError

_NOT_WRITTEN = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)


class Kinds(NamedTuple):
    """The errors of one file.

    Attributes:
        failed: It cannot be read or written now.
        held: Another process has it.
        damaged: Its content is damaged, or it is not ours.
        who_holds: What to do when another process has it.
        damage: Other exceptions that mean damage.
        mistakes: Exceptions that are our own mistake, and say nothing of the file: they stay as they are.
    """

    failed: type[AeganError]
    held: type[AeganError]
    damaged: type[AeganError]
    who_holds: str
    damage: tuple[type[Exception], ...] = ()
    mistakes: tuple[type[Exception], ...] = ()


@contextlib.contextmanager
def translated(path: Path, kinds: Kinds) -> Iterator[None]:
    """Raise what is wrong with the file at `path` as one of its `kinds`."""
    signs: tuple[type[Exception], ...] = (sqlite3.DatabaseError, UnicodeDecodeError, *kinds.damage)  # sqlite3 cannot decode some damage
    try:
        yield
    except kinds.mistakes:
        raise
    except OSError as error:
        raise kinds.failed(f"{path}: {error.strerror or error}") from error
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise kinds.held(f"{path}: {kinds.who_holds}") from error
        if code == sqlite3.SQLITE_ERROR:  # a table is missing: not our file
            raise kinds.damaged(f"{path}: damaged ({error})") from error
        lacking = code in _NOT_WRITTEN and not os.access(path.parent, os.W_OK)
        raise kinds.failed(f"{path}: {error}{f' ({path.parent} may not be written)' if lacking else ''}") from error
    except signs as error:
        raise kinds.damaged(f"{path}: damaged ({error})") from error
