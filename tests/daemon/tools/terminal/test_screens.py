"""What a terminal of 80 columns shows, to the letter: `python tests/daemon/tools/terminal/test_screens.py` writes the snapshot."""

import io
import re
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [f"tests{part}" for part in ("", "/doubles", "/parts", "/oracles", "/programs")]

from aegan_monitor.tools.terminal.cases import find_cases, make_list, make_page
from aegan_monitor.tools.terminal.past import Past
from aegan_monitor.tools.terminal.screen import Screen
from aegan_monitor.tools.terminal.status import make_table
from aegan_monitor.tools.terminal.watch import describe_event, make_board
from plant_messages import NOW, make_past, make_plant, raised

SNAPSHOT = Path(__file__).with_name("screens.snapshot.txt")
WIDTH = 80


def write_snapshot() -> str:
    """All screens."""
    plant = make_plant()
    cases = find_cases(plant.machines, Past(), NOW)
    with_past = find_cases(make_plant("aegan/hall").machines, make_past(), NOW)
    news = plant.take("aegan/hall/press/event", raised())
    assert news is not None
    assert news.event is not None
    screens = {
        "status": list(make_table(plant.machines, NOW, WIDTH)),
        "status of one node": list(make_table(make_plant("aegan/hall").machines, NOW, WIDTH)),
        "status on a wide terminal": list(make_table(make_plant("aegan/hall").machines, NOW, 112)),
        "cases": list(make_list(cases, NOW, WIDTH)),
        "cases without one": list(make_list([], NOW, WIDTH)),
        "cases 5b0b5f4c": list(make_page(cases, NOW, WIDTH)),
        "cases, with the history": list(make_list(with_past, NOW, WIDTH)),
        "cases 4f2b4d1e, from the history": list(make_page(with_past[1:], NOW, WIDTH)),
        "watch": make_board(plant.machines, 2.0, NOW),
        "watch, 7 s after the last score": make_board(plant.machines, 7.0, NOW),
        "watch, where four lines fit": make_board(plant.machines, 2.0, NOW, 4)[:4],
        "watch, an event": [describe_event(news.machine, news.event, NOW, WIDTH - 1)],
    }
    return "".join(f"--- {name}\n" + "".join(f"{line.rstrip()}\n" for line in lines) for name, lines in screens.items())


def test_the_screens_are_those_of_the_snapshot() -> None:
    """A change of what people see is deliberate."""
    expected = SNAPSHOT.read_text(encoding="utf-8")
    assert write_snapshot() == expected, "run `python tests/daemon/tools/terminal/test_screens.py`, read the difference"


def test_tables_fit() -> None:
    """No line of a table or a case is wider than the terminal; those of `watch` are cut."""
    tables = "".join(part for part in re.split("^(?=--- )", write_snapshot(), flags=re.M) if not re.match("--- (watch|.* wide)", part))
    assert max(map(len, tables.splitlines())) <= WIDTH


def test_lines_are_drawn_again_below_what_was_said() -> None:
    """The terminal's width and height bound what is drawn, and what was drawn before is cleared."""
    stream = io.StringIO()
    screen = Screen(stream)
    screen.draw(["x" * 200, "second"])
    screen.say("an event")
    screen.draw([f"line {number}" for number in range(100)])
    drawn = stream.getvalue()
    assert drawn.startswith(f"{'x' * 79}\nsecond\n\x1b[2F\x1b[Jan event\n{'x' * 79}\nsecond\n\x1b[2F\x1b[Jline 0\n")
    assert drawn.endswith("line 21\n... and 78 more; a larger window shows them\n")


if __name__ == "__main__":
    SNAPSHOT.write_text(write_snapshot(), encoding="utf-8")
