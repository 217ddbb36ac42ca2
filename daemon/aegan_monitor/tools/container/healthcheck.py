"""The health check of a container: waits for the sign of life that the daemon sends to systemd's watchdog, at the socket that it sends to.

The daemon sends it only while every machine has been judged, or a fault of its sensor reported, within its time. So the check fails for a
daemon that hangs, and nothing has to be kept between two checks. It loads nothing of the daemon.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

SIGN = b"WATCHDOG=1"
LARGEST_BYTES = 4096


def wait_for_sign(environment: Mapping[str, str]) -> str:
    """Why the daemon is not healthy; empty when it is. Takes the watchdog's interval at most, and a quarter of it for a healthy daemon."""
    try:
        address, timeout_s = environment["NOTIFY_SOCKET"], int(environment["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError) as error:
        return f"expected NOTIFY_SOCKET and WATCHDOG_USEC in the environment, as the image sets them ({error})"
    path, own = Path(address), Path(f"{address}.{os.getpid()}")
    deadline_s = time.monotonic() + timeout_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(own))
            own.rename(path)  # a check that was killed may have left its socket
            while (left_s := deadline_s - time.monotonic()) > 0:
                receiver.settimeout(left_s)
                if SIGN in receiver.recv(LARGEST_BYTES).splitlines():
                    return ""
    except TimeoutError:
        pass
    except OSError as error:
        return f"{address}: cannot be made: {error.strerror}"
    finally:
        path.unlink(missing_ok=True)
        own.unlink(missing_ok=True)
    return f"no sign of life for {timeout_s:g} s: the daemon hangs, or has not begun yet"


def main() -> int:
    """Exit code 0 for a healthy daemon."""
    if problem := wait_for_sign(os.environ):
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
