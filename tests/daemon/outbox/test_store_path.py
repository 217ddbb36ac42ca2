"""The path of the store, and a folder that cannot be made."""

import pwd
from pathlib import Path

import pytest

from aegan_monitor.outbox.store import Store, StoreError, find_path


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """A folder that cannot be made, or is a file, is reported."""
    (tmp_path / "state").write_text("")
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "state" / "outbox.sqlite").open()
    assert str(caught.value) == f"{tmp_path}/state/outbox.sqlite: File exists"


@pytest.mark.parametrize(
    ("configured", "environment", "expected"),
    [
        ("/o.sqlite", {"STATE_DIRECTORY": "/s"}, "/o.sqlite"),
        (None, {"STATE_DIRECTORY": "/s:/t", "XDG_STATE_HOME": "/x"}, "/s/outbox-hall.sqlite"),
        (None, {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/aegan-monitor/outbox-hall.sqlite"),
        (None, {"HOME": "/h"}, "/h/.local/state/aegan-monitor/outbox-hall.sqlite"),
    ],
)
def test_where_the_file_lies(configured: str | None, environment: dict[str, str], expected: str) -> None:
    """The store lies in the configured folder, else in systemd's, else in the user's."""
    assert find_path(Path(configured) if configured else None, "hall", environment) == Path(expected)


def test_a_user_without_a_home_has_a_place_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME and passwd entry there is still a path; where it cannot be written, events stay in memory."""

    def no_entry(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    monkeypatch.delenv("HOME")
    assert find_path(None, "hall", {}) == Path("/.local/state/aegan-monitor/outbox-hall.sqlite")
