"""DCASE protocols, published figures and published checkpoints."""
