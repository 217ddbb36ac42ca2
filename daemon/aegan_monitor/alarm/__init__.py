"""The alarm of one machine: its life cycle and its events."""
