"""The history: cases, events and downsampled scores of all machines, in one SQLite file."""
