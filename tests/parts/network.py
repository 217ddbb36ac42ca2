"""A network of two hosts, this one and a namespace, with a cable that can be pulled."""

import itertools
import os
import subprocess
from typing import Self

_numbers = itertools.count(os.getpid() * 4 % 16_000)


class Cable:
    """A pair of interfaces; a context manager. Needs the right to make network namespaces.

    Attributes:
        here, address: Of this host and the other.
        through: What runs a command there.
    """

    def __init__(self) -> None:
        """Choose unused names and addresses."""
        number = next(_numbers)
        self._name = f"aegan{number}"
        block = f"198.18.{number // 64 % 256}"  # RFC 2544: for benchmarks of networks, never routed
        self.here, self.address = (f"{block}.{number % 64 * 4 + place}" for place in (1, 2))
        self.through = ("ip", "netns", "exec", self._name)

    def __enter__(self) -> Self:
        """Create the interfaces."""
        ip("netns", "add", self._name)
        try:
            ip("link", "add", self._name, "type", "veth", "peer", "name", "far", "netns", self._name)
            ip("address", "add", f"{self.here}/30", "dev", self._name)
            ip("-n", self._name, "address", "add", f"{self.address}/30", "dev", "far")
            ip("link", "set", self._name, "up")
            for interface in ("far", "lo"):
                ip("-n", self._name, "link", "set", interface, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the interfaces."""
        ip("netns", "delete", self._name)

    def pull(self) -> None:
        """Drop all packets in both directions."""
        ip("-n", self._name, "link", "set", "far", "down")

    def plug(self) -> None:
        """Undo `pull`."""
        ip("-n", self._name, "link", "set", "far", "up")


def ip(*arguments: str) -> None:
    """The ip program."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def lacking_namespaces() -> str | None:
    """The reason why no network namespace can be made here."""
    try:
        with Cable():
            return None
    except (AssertionError, FileNotFoundError) as error:
        return str(error).strip()
