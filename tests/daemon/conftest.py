"""What tests of the daemon share."""

import shutil
from pathlib import Path

import pytest

from aegan_monitor.detection.bundle import demo_bundle


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the built-in bundle: nothing is trained or exported for the daemon's tests."""
    return shutil.copytree(demo_bundle(), tmp_path_factory.mktemp("bundles") / "bundle")
