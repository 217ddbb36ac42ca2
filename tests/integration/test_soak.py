"""Six hours of sound in a full run, one otherwise; `tests/benchmarks/soak.py` does the same with a week."""

import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from broker import Mosquitto
from chaos import scaled
from soak import soak

SOUND_H, WARM_UP_H = scaled(6), 0.5
LARGEST_GROWTH = 1.05
N_READINGS, MOST_OPEN_FOR_A_MOMENT = 40, 4


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_hours_leave_no_trace(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """Memory, files and threads stay constant after warm-up, every sample is scored, and every event arrives once."""
    broker = Mosquitto(tmp_path / "mosquitto", quiet=True)
    broker.start()
    try:
        soaked = soak(tmp_path, broker, SOUND_H)
    finally:
        broker.stop()
    warm = [reading for reading in soaked.readings if reading.stream_s > WARM_UP_H * 3600]
    rss = [reading.rss_bytes for reading in warm]
    machine = soaked.health["machines"]["pump"]
    last = soaked.readings[-1]
    figure(
        f"{last.stream_s / 3600:.1f} h in {last.wall_s:.0f} s, {rss[0] / 1e6:.0f} MB after the warm-up, "
        f"{max(rss) / 1e6:.0f} MB at most; {last.n_files} files, {last.n_threads} threads"
    )
    assert soaked.exit_code == 0, soaked.log
    assert soaked.count_rounds() >= SOUND_H * 12
    assert soaked.log.count(" pump: alarm ") == len(soaked.events)
    assert max(rss) <= LARGEST_GROWTH * rss[0], [round(value / 1e6, 1) for value in rss]
    files = [reading.n_files for reading in warm]
    assert statistics.mode(files[:N_READINGS]) == statistics.mode(files[-N_READINGS:]), files
    assert max(files) <= statistics.mode(files) + MOST_OPEN_FOR_A_MOMENT, files
    assert {reading.n_threads for reading in warm} == {last.n_threads}
    assert (machine["dropped_samples_total"], machine["gaps_total"], machine["coverage_percent"]) == (0, 0, 100.0)
    lost = {name: soaked.health[name] for name in ("outbox_dropped_total", "outbox_late_total", "refused_total", "outbox_parked")}
    assert not any(lost.values()), lost
    assert (soaked.health["outbox_problem"], soaked.health["broker_problem"]) == ("", "")
    assert soaked.statuses == ["online", "offline"]
