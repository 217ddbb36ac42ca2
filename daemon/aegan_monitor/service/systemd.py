"""Sends the state of the service to systemd: the notification protocol, one datagram a message."""

import logging
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)

_TIMEOUT_S = 1.0  # a service manager that does not read must not block the monitor


class Notifier:
    """Sends to the socket that systemd names in `$NOTIFY_SOCKET`; without one it is silent.

    Source: sd_notify(3).
    """

    def __init__(self, address: str | None) -> None:
        """`address` is a path, or `@name` for a socket in the abstract namespace."""
        self._address = address

    def reloading(self) -> None:
        """A reload has begun; `READY=1` ends it. systemd 253 and newer require the time."""
        self.send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self.send("STATUS=" + " ".join(text.split()))

    def send(self, text: str) -> None:
        """Send an assignment: `READY=1`, `WATCHDOG=1`, `STOPPING=1`."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_TIMEOUT_S)
                sender.sendto(text.encode(), address)
        except OSError as error:  # the monitor works without it
            log.debug("systemd's socket %s cannot be written (%s)", self._address, error)


def watchdog_interval_s(environment: Mapping[str, str], pid: int) -> float | None:
    """Seconds within which systemd expects `watchdog`; None if it expects none, or from another process.

    Source: sd_watchdog_enabled(3).
    """
    try:
        interval_s = int(environment["WATCHDOG_USEC"]) / 1e6
        is_meant = int(environment.get("WATCHDOG_PID", pid)) == pid
    except (KeyError, ValueError):
        return None
    return interval_s if is_meant and interval_s > 0 else None
