"""Turns a training run into the bundle that the daemon reads."""
