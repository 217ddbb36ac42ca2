"""The room that evidence may take: its quota, and what of the disk stays free."""

from collections.abc import Callable

from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.evidence.folder import WritableFolder, round_up
from aegan_monitor.evidence.retention import StoredCase, find_cheapest, find_expired

MB = 1_000_000


class NoRoomError(OSError):
    """The quota, or the free room of the disk, is used up."""


class Room:
    """Deletes cases for others, and those that are too old; `list_open` gives the cases that are never deleted."""

    def __init__(self, folder: WritableFolder, config: EvidenceConfig, list_open: Callable[[], set[tuple[str, str]]]) -> None:
        self._folder, self._config, self._list_open = folder, config, list_open

    def make(self, n_bytes: int) -> None:
        """Delete cases until a file of `n_bytes` fits.

        Raises:
            NoRoomError: It never does; nothing was deleted.
            OSError: A case cannot be deleted.
        """
        for case in self.find(n_bytes):
            self._folder.remove(case.machine, case.case_id)

    def find(self, n_bytes: int) -> list[StoredCase]:
        """The cases to delete for a file of `n_bytes`.

        Raises:
            NoRoomError: Those that may be deleted are not enough, or the disk is too full: nothing is deleted for the files of others.
        """
        least_mb, most_mb = self._config.min_free_mb, self._config.max_mb
        if self._folder.measure_free_bytes() - n_bytes < least_mb * MB:
            raise NoRoomError(f"the disk is full: {least_mb:g} MB (evidence.min_free_mb) stay free; free some room")
        over_bytes = self._folder.measure_bytes() + round_up(n_bytes) - round(most_mb * MB)
        cheapest = find_cheapest(self._folder.cases(), over_bytes, self._list_open())
        if over_bytes > 0 and not cheapest:
            raise NoRoomError(f"{most_mb:g} MB (evidence.max_mb) do not hold the evidence of the active alarms; raise it")
        return cheapest

    def expire(self, now_s: float) -> None:
        """Delete the cases that are too old.

        Raises:
            OSError: One cannot be deleted.
        """
        for case in find_expired(self._folder.cases(), self._config.keep_days, now_s, self._list_open()):
            self._folder.remove(case.machine, case.case_id)
