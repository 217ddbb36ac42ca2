"""Energy counters of the processor, in a folder like the kernel's."""

from pathlib import Path

import pytest

from aegan_monitor.tools.speed.power import Counter, find_watts, read_counters


def write_counter(root: Path, folder: str, name: str, energy_uj: int, range_uj: int = 1_000_000) -> Path:
    """A counter as the kernel shows it."""
    place = root / folder
    place.mkdir()
    for file, content in {"name": name, "energy_uj": energy_uj, "max_energy_range_uj": range_uj}.items():
        (place / file).write_text(f"{content}\n")
    return place / "energy_uj"


def test_packages_alone_are_read(tmp_path: Path) -> None:
    """Parts of a package, the whole platform and the same counter by another way would count twice."""
    write_counter(tmp_path, "intel-rapl:0", "package-0", 5)
    write_counter(tmp_path, "intel-rapl:1", "package-1", 7)
    write_counter(tmp_path, "intel-rapl:0:0", "core", 3)
    write_counter(tmp_path, "intel-rapl:2", "psys", 9)
    write_counter(tmp_path, "intel-rapl-mmio:0", "package-0", 5)
    assert read_counters(tmp_path) == {"intel-rapl:0": Counter(5, 1_000_000), "intel-rapl:1": Counter(7, 1_000_000)}


def test_without_counters_there_is_no_power(tmp_path: Path) -> None:
    """A missing folder, and counters that may not be read, give none."""
    assert read_counters(tmp_path / "missing") == {}
    write_counter(tmp_path, "intel-rapl:0", "package-0", 5).unlink()
    assert read_counters(tmp_path) == {}
    assert find_watts({}, {}, 1.0) is None


def test_power_is_energy_over_time_also_across_the_end_of_a_counter() -> None:
    """Packages add up; a counter that has begun again at 0 goes on."""
    before = {"a": Counter(100, 1_000_000), "b": Counter(999_000, 1_000_000)}
    after = {"a": Counter(600_100, 1_000_000), "b": Counter(399_000, 1_000_000)}
    assert find_watts(before, after, 0.5) == pytest.approx((0.6 + 0.4) / 0.5)
