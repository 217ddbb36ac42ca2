"""The metrics of the Prometheus endpoint, from the daemon's own table."""

from aegan_monitor.service.metrics import OF_MACHINE, OF_NODE
from marked_parts import make_table


def metrics_table() -> str:
    """Every metric: its name, its kind, its label and what it says."""
    rows = [
        (f"`{row.name}`", "counter" if row.name.endswith("_total") else "gauge", label, row.words)
        for label, table in (("`machine`", OF_MACHINE), ("", OF_NODE))
        for row in table
    ]
    rows.append(
        (
            "`aegan_build_info`",
            "info",
            "`version`, `provider`, `precision`",
            "Version of the daemon, and the provider and precision in use.",
        )
    )
    return make_table(("metric", "kind", "label", "what"), rows)
