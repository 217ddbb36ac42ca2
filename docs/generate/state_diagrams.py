"""The life cycle of the alarm in the documentation, found by trying every signal in every state that the table in the code can reach."""

from collections.abc import Iterator, Mapping
from typing import get_args

from aegan_monitor.alarm.lifecycle import EPOCH, AlarmRecord, Signal, find_isa_state, refusal, take
from aegan_monitor.messages.command_payloads import CommandName
from aegan_monitor.messages.payloads import IsaState
from marked_parts import make_table

SIGNALS: tuple[Signal, ...] = get_args(Signal)
WORDS: Mapping[Signal, str] = {"elapsed": "delay elapsed", "amend": "acknowledge with a verdict"}
SUPPRESSES = ("shelve", "unshelve", "out_of_service", "in_service")


def find_reachable(*, latched: bool) -> list[AlarmRecord]:
    """One record of each state that can be reached from a new record, with one setting of `latched`."""
    found, left = dict[tuple[object, ...], AlarmRecord](), [AlarmRecord(latched=latched)]
    while left:
        record = left.pop()
        key = (record.process, record.announced, record.acknowledged, record.shelved, record.out_of_service, record.case_over)
        if key not in found:
            found[key] = record
            left += [step.after for signal in SIGNALS if (step := take(record, signal, EPOCH))]
    return list(found.values())


def alarm_diagram() -> str:
    """The states of an alarm that is not suppressed, as the text of a Mermaid stateDiagram.

    Each arrow has the signal, and the event if there is one. Suppression is possible in every state, and stands in a note.
    """
    arrows: dict[tuple[str, str], dict[str, None]] = {}
    for before, label, after in _find_steps():
        arrows.setdefault((before, after), {})[label] = None
    lines = ["stateDiagram-v2", "    [*] --> normal"]
    lines += [f"    {before} --> {after}: {'<br>'.join(labels)}" for (before, after), labels in arrows.items()]
    lines += ["    note right of normal", "        in every state:", *(f"        {signal}" for signal in SUPPRESSES), "    end note"]
    return "\n".join(lines) + "\n"


def states_section() -> str:
    """The diagram as a block of Markdown."""
    return f"```mermaid\n{alarm_diagram()}```\n"


def states_table() -> str:
    """Each state in the words of ISA-18.2: the values of `state` and `active` that it goes with, and the commands that are accepted."""
    rows = []
    for word in get_args(IsaState):
        records = [record for latched in (False, True) for record in find_reachable(latched=latched) if find_isa_state(record) == word]
        states = dict.fromkeys(f"`{record.process}`" for record in records)
        active = {str(record.active).lower() for record in records}
        commands = [name for name in get_args(CommandName) if any(not refusal(record, name) for record in records)]
        rows.append((f"`{word}`", ", ".join(sorted(states)), "".join(active), ", ".join(f"`{name}`" for name in commands)))
    return make_table(("`isa_state`", "`state`", "`active`", "commands that are accepted"), rows)


def _find_steps() -> Iterator[tuple[str, str, str]]:
    """Each change of the state in ISA's words: the state before, signal and event, the state after. Without those of suppression."""
    for latched in (False, True):
        for record in find_reachable(latched=latched):
            for signal in SIGNALS:
                step = take(record, signal, EPOCH)
                if step is None or signal in SUPPRESSES or record.shelved or record.out_of_service:
                    continue
                before, after = find_isa_state(record), find_isa_state(step.after)
                if before != after:
                    yield before, WORDS.get(signal, signal) + (f" / {step.event}" if step.event else ""), after
