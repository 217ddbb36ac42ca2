"""A process that does tasks one after the other: orders come on stdin, results go to stdout, a line of JSON each.

It ends at once when stdin ends, in the middle of a task, too: so it never outlives the process that started it.
"""

import json
import os
import queue
import sys
import threading
from dataclasses import asdict

from aegan_train.fleet.step import Order, run_step, set_up


def read_orders(orders: "queue.Queue[Order]") -> None:
    """Read orders until stdin ends, then end this process."""
    for line in sys.stdin:
        orders.put(Order(**json.loads(line)))
    os._exit(1)


def main() -> None:
    """Do what is ordered."""
    orders: queue.Queue[Order] = queue.Queue()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    threading.Thread(target=read_orders, args=[orders], name="orders", daemon=True).start()
    set_up()
    while True:
        result = run_step(orders.get())
        answers.write(json.dumps(asdict(result)) + "\n")


if __name__ == "__main__":
    main()
