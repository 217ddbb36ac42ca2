"""What a folder of recorded clips has to be after every start, whatever ended the process before."""

from pathlib import Path

import soundfile

from aegan_monitor.audio.recording import find_recording_id
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_train.recordings.folder import find_clips
from recording import CLIP


def folder_of(out: Path, machine: str) -> Path:
    """Where its clips lie."""
    return out / "dev_data" / machine / "train"


def find_own(out: Path, machine: str) -> dict[str, bytes]:
    """Its clips by name, and what they hold."""
    return {path.name: path.read_bytes() for path in folder_of(out, machine).glob("n*")}


def count_own(out: Path, machine: str) -> int:
    """How many clips there are."""
    return len(list(folder_of(out, machine).glob("n*")))


def restart(out: Path, machine: str) -> int:
    """Open the folder as the next start does; how many unfinished clips it removed."""
    folder = ClipFolder(out, machine)
    n_removed = folder.open()
    folder.close()
    return n_removed


def assert_whole(out: Path, machine: str, kept: dict[str, bytes], clip_samples: int = CLIP) -> dict[str, bytes]:
    """All that was `kept` is unchanged and its numbers continue; every clip under its final name is whole, and training takes it."""
    found = find_own(out, machine)
    assert found.items() >= kept.items()
    assert sorted(found) == [f"normal_id_00_{number:08d}.flac" for number in range(len(found))]
    for name in found.keys() - kept.keys():
        path = folder_of(out, machine) / name
        assert len(soundfile.read(path)[0]) == clip_samples
        assert find_recording_id(path)
    if found:
        taken = find_clips(out, machine, "train")
        assert (len(taken.clips), taken.skipped) == (len(found), [])
        assert all(clip.recording for clip in taken.clips)
    return found
