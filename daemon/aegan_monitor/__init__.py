"""Listens to a machine, scores what it hears against normal sound, and publishes the alarm over MQTT."""

__version__ = "0.2.0"
