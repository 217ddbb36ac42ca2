"""The demonstration: a built-in bundle, and the machine that it listens to."""

from pathlib import Path


def bundle_path() -> Path:
    """Folder of the built-in bundle."""
    return Path(__file__).parent / "bundle"
