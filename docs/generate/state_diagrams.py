"""State diagrams of the documentation, drawn from the tables in the code."""

from aegan_monitor.alarm.lifecycle import TABLE

WORDS = {"elapsed": "delay elapsed"}
AFTER_SHELF = " (it came under a shelf)"


def alarm_diagram() -> str:
    """The process states of the alarm, as the text of a Mermaid stateDiagram; each arrow has the signal, and the event if there is one.

    Rules that keep the process state (acknowledge, shelve, unshelve) change flags alone and are listed in a note.
    """
    arrows: dict[tuple[str, str], list[str]] = {}
    notes: list[str] = []
    for rule in TABLE:
        label = WORDS.get(rule.signal, rule.signal) + (f" / {rule.event}" if rule.event else "")
        label += AFTER_SHELF if rule.when.get("announced") is False else ""
        if rule.to is None:
            notes.append(label)
            continue
        for before in sorted(rule.process - {rule.to}):
            labels = arrows.setdefault((before, rule.to), [])
            if (
                not any(each.startswith(f"{label} / ") and AFTER_SHELF not in each for each in labels) and label not in labels
            ):  # no event: shelved
                labels.append(label)
    lines = ["stateDiagram-v2", "    [*] --> normal"]
    lines += [f"    {before} --> {after}: {'<br>'.join(labels)}" for (before, after), labels in arrows.items()]
    lines += ["    note right of alarm", "        in every state that allows it:", *(f"        {note}" for note in notes), "    end note"]
    return "\n".join(lines) + "\n"


def states_section() -> str:
    """The diagram as a block of Markdown."""
    return f"```mermaid\n{alarm_diagram()}```\n"
