"""Runtimes that run the networks of a bundle, one adapter each."""
