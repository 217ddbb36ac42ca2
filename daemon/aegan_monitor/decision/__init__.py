"""From scores to a decision: what alarms, and what must not. Pure: no clock, no thread, no log, no file."""
