"""Recordings for training: folders, survey and features."""
