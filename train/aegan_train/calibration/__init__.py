"""What is fitted on normal scores: statistics, background copies and pseudo-faults."""
