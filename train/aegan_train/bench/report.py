"""The report of the bench: tables, and quality.json."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from aegan_train.bench.figures import SeedFigures, Summary, summarise
from aegan_train.bench.rows import GROUPS
from aegan_train.progress import format_duration
from aegan_train.run_folder import write_atomically

Rows = Mapping[str, Sequence[SeedFigures]]  # the figures of each seed, by row
REPORT = "quality.json"


def group(rows: Rows) -> dict[str, Rows]:
    """The rows of each group that has any."""
    found = {title: {name: rows[name] for name in names if name in rows} for title, names in GROUPS.items()}
    return {title: members for title, members in found.items() if members}


def write_report(rows: Rows, not_run: Mapping[str, str], out: Path) -> None:
    """Write all figures, and the reasons of rows that were not run.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    content = {
        "groups": {title: asdict(summarise(members)) for title, members in group(rows).items()},
        "rows": {
            name: {"summary": asdict(summarise({name: row})), "seeds": [asdict(each) | {"regret": each.regret} for each in row]}
            for name, row in rows.items()
        },
        "not_run": not_run,
    }
    write_atomically(out / REPORT, lambda place: place.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8"))


def describe_rows(rows: Rows) -> Iterator[str]:
    """The lines of the report: a table of the trainings of each group, one of the rows, and one of the groups."""
    for title, members in group(rows).items():
        fusions = list(dict.fromkeys(name for row in members.values() for each in row for name in each.fusions))
        yield f"{title}: AUC / pAUC"
        yield from align([head(fusions), *(cells(name, each, fusions) for name, row in members.items() for each in row)])
        yield ""
    yield "lasting share: AUC between faults and normal clips with a short sound, over the seeds"
    yield from align([["row", "all", "each"], *(disturbance_cells(name, row) for name, row in rows.items())])
    yield ""
    over_seeds = [[name, *summary_cells(summarise({name: row})), describe_faults(row)] for name, row in rows.items()]
    yield "label-free, over the seeds"
    yield from align([["row", "mean", "spread", "regret", "AUC of each fault"], *over_seeds])
    yield ""
    yield "over the threshold of an alarm, over the seeds"
    yield from align(
        [
            ["row", "further normal clips", "faulty clips"],
            *([name, describe_further(row), describe_over(row)] for name, row in rows.items()),
        ]
    )
    yield ""
    found = {title: summarise(members) for title, members in group(rows).items()}
    over_rows = [[title, *summary_cells(each), f"{each.worst_auc:.3f} / {each.worst_pauc:.3f}"] for title, each in found.items()]
    yield "label-free, over the rows"
    yield from align([["rows", "mean", "spread over seeds", "regret", "worst"], *over_rows])


def summary_cells(found: Summary) -> list[str]:
    """Mean, spread over the seeds, and regret."""
    return [f"{found.auc:.3f} / {found.pauc:.3f}", f"{found.spread_auc:.3f} / {found.spread_pauc:.3f}", f"{found.regret:.3f}"]


def disturbance_cells(name: str, row: Sequence[SeedFigures]) -> list[str]:
    """The AUC of the lasting share against all short sounds, and against each."""
    found = {kind: statistics.fmean(each.by_disturbance[kind] for each in row) for kind in row[0].by_disturbance}
    overall = found.pop("all")
    return [name, f"{overall:.3f}", ", ".join(f"{kind} {auc:.3f}" for kind, auc in found.items())]


def describe_faults(row: Sequence[SeedFigures]) -> str:
    """The AUC of each fault of a row."""
    return ", ".join(f"{fault} {statistics.fmean(each.by_fault[fault] for each in row):.3f}" for fault in row[0].by_fault)


def describe_over(row: Sequence[SeedFigures]) -> str:
    """The share of the clips of each fault that are over the threshold."""
    return ", ".join(f"{fault} {statistics.fmean(each.over_by_fault[fault] for each in row):.0%}" for fault in row[0].over_by_fault)


def describe_further(row: Sequence[SeedFigures]) -> str:
    """How many further normal clips are over the threshold, of how many, for each seed; empty where none were scored."""
    return f"{', '.join(str(each.n_further_over) for each in row)} of {row[0].n_further}" if row[0].n_further else ""


def head(fusions: Sequence[str]) -> list[str]:
    """The titles of the columns."""
    figures = ["label-free", "95 % interval", *fusions, "best baseline", "oracle"]
    return ["row", "seed", *figures, "regret", "place", "over, normal", "faulty", "training", "clips"]


def cells(name: str, found: SeedFigures, fusions: Sequence[str]) -> list[str]:
    """A line of the table."""
    return [
        name,
        str(found.seed),
        f"{found.label_free} {found.label_free.score}",
        "{:.3f} to {:.3f}".format(*found.interval),
        *(str(found.fusions[each]) if each in found.fusions else "" for each in fusions),
        f"{found.baseline} {found.baseline.score}",
        f"{found.oracle} {found.oracle.score}",
        f"{found.regret:.3f}",
        found.place,
        *(f"{share:.0%}" for share in found.over),
        format_duration(found.fit_s),
        str(found.n_clips),
    ]


def align(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table with columns of even width."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
