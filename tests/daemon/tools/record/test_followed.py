"""A recording as the page follows it."""

from pathlib import Path

import numpy as np

from aegan_monitor.messages.recording import Recording, read_recording
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_monitor.tools.record.clip_writer import CLIP_S, ClipWriter
from recording import CLIP, RATE_HZ, noise


def test_the_page_can_follow_it(tmp_path: Path) -> None:
    """Hours and verdict grow with each clip, a wait says why, and then it has ended. The next recording begins with nothing."""
    for n_before in (0, 2):
        writer = ClipWriter(ClipFolder(tmp_path, "pump"), RATE_HZ, lambda _: None, n_wanted=360, keep_free_bytes=0)
        seen: list[Recording] = []

        def record(writer: ClipWriter = writer, seen: list[Recording] = seen) -> str:
            writer.begin("monday")
            for number in range(3):
                seen.append(read_recording(tmp_path, "pump"))
                writer.write(noise((number + 1) * CLIP)[-CLIP:], "")
            writer.write(np.zeros(CLIP, np.float32), "")
            seen.append(read_recording(tmp_path, "pump"))
            writer.note("no such device")
            seen.append(read_recording(tmp_path, "pump"))
            return "enough"

        assert writer.run(record, list) == 0
        assert [each.state for each in seen] == ["recording"] * 3 + ["waiting"] * 2
        assert [each.hours for each in seen] == [n * CLIP_S / 3600 for n in (0, 1, 2, 3, 3)]
        assert (seen[4].hours_wanted, seen[4].waiting) == (1.0, "no such device")
        assert "not kept" in seen[3].waiting
        assert [len(each.verdict) for each in seen] == [1, 2, 2, 2, 2]
        assert seen[1].verdict[1].startswith("level ")
        assert seen[0].began_at is not None
        ended = read_recording(tmp_path, "pump")
        assert (ended.state, ended.hours) == ("ended", 3 * CLIP_S / 3600)
        assert ClipFolder(tmp_path, "pump").count_clips() == 3 + 1.5 * n_before
