"""Trains AEGAN-AD on normal recordings of one machine type, and scores test recordings."""
