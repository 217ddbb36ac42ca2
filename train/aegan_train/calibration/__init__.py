"""Calibration on normal clips: reference set, thresholds, background augmentation and pseudo-faults."""
