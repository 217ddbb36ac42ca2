"""Detection: samples in, scores and decisions out. Pure: no clock, thread, log or file, except to read a bundle."""
