"""Runs a command of aegan-monitor in a process that ends with the one that started it: at once when its stdin ends."""

import os
import runpy
import sys
import threading


def follow() -> None:
    """End this process when stdin ends."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=follow, daemon=True).start()
    runpy.run_module("aegan_monitor", run_name="__main__", alter_sys=True)
