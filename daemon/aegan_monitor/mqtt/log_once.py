"""Log lines about one thing that may fail the same way for days: each is told once, until it has been well for a while."""

import logging


class Telling:
    """What is told about `subject`.

    Attributes:
        problem: The last bad line, without the subject's name; empty if there was none.
    """

    def __init__(self, subject: str, log: logging.Logger) -> None:
        self.subject = subject
        self.problem = ""
        self._log = log
        self._told: list[str] = []
        self._good = ""

    def bad(self, text: str) -> None:
        """Something is wrong."""
        self.problem = text
        self._tell(logging.WARNING, text)

    def good(self, text: str) -> None:
        """All is well again."""
        self._good = text
        self._tell(logging.INFO, text)

    def note(self, text: str) -> None:
        """Something is wrong with one part of it, and the caller knows that this is news."""
        self.problem = text
        self._log.warning("%s %s", self.subject, text)

    def note_good(self, text: str) -> None:
        """That part of it is well again."""
        self._log.info("%s %s", self.subject, text)

    def settle(self) -> None:
        """It has been well for a while: what happens next is told again."""
        told, self._told = self._told, []
        if told and told[-1] != self._good:
            self._log.info("%s %s", self.subject, self._good)

    def _tell(self, level: int, text: str) -> None:
        if text not in self._told:
            self._told.append(text)
            self._log.log(level, "%s %s", self.subject, text)
