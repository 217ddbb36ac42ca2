"""The quality bench: data sets, and how well a training finds their faults."""
