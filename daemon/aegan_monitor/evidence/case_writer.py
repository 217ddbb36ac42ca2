"""Writes the files of one recording into the folder of its case."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from aegan_monitor.audio.flac import encode_clip
from aegan_monitor.evidence.case_file import CaseFile, SoundEntry, SoundName
from aegan_monitor.evidence.folder import CASE, NORMAL, PICTURE, SOUNDS, WritableFolder
from aegan_monitor.evidence.page import shrink
from aegan_monitor.evidence.picture import draw_picture
from aegan_monitor.evidence.recorder import NormalClip, Recording
from aegan_monitor.evidence.room import Room
from aegan_monitor.evidence.scores import make_table
from aegan_monitor.messages.model import format_time

MOST_PUBLISHED_BYTES = 100_000  # of a picture


class CaseWriter:
    """Used by the evidence thread alone. Each method raises OSError if something could not be written."""

    def __init__(
        self, folder: WritableFolder, room: Room, *, privacy: bool, publish_picture: Callable[[str, bytes], object] | None = None
    ) -> None:
        """`privacy`: no sound. `publish_picture` takes the name of a machine and a small `.png` of its alarm."""
        self._folder, self._room, self._privacy, self._publish_picture = folder, room, privacy, publish_picture

    def write_normal(self, clip: NormalClip) -> None:
        """Keep a clip of normal sound in place of the one before of the same operating state."""
        content = encode_clip(clip.sound.pcm, _rate_hz(clip), f"{clip.machine}/normal", format_time(clip.score.time))
        self._room.make(len(content))
        self._folder.write_normal(clip.machine, clip.score.operating_state, content)

    def write_recording(self, recording: Recording) -> None:
        """Write, or write again when there is more sound: the sound, the picture, the nearest normal clip, and last case.json.

        The first alarm of a case has all of these, the second one its sound, later ones nothing. What fails is left out.
        """
        case, machine = recording.event.case, recording.machine
        if case is None or not len(recording.sound.pcm):
            return
        before = self._folder.read(machine, case.id)
        entries = {entry.event_id: entry for entry in before.sounds} if before else {}
        if recording.event.id not in entries and len(entries) == len(SOUNDS):
            return
        known = entries.get(recording.event.id)
        name = known.file if known else SOUNDS[len(entries)]
        entry = entries[recording.event.id] = describe_sound(recording, name)
        is_first, makers = name == SOUNDS[0], dict[str, Callable[[], bytes | None]]()
        normal = self._folder.find_normal(machine, _state(recording)) if before is None else None
        if not self._privacy:
            date = format_time(entry.began_at)
            makers[name] = lambda: encode_clip(recording.sound.pcm, _rate_hz(recording), f"{machine}/{case.id}", date)
        if is_first:
            makers[PICTURE] = lambda: self._draw(recording)
        if normal and not self._privacy:
            makers[NORMAL] = lambda: normal[0]
        found = before or CaseFile(
            machine=machine,
            case=case,
            cause=recording.event.cause,
            explanation=recording.event.explanation,
            sample_rate_hz=_rate_hz(recording),
            sounds=(),
            normal_at=datetime.fromtimestamp(normal[2], UTC) if normal else None,
            normal_state=normal[1] if normal else None,
            scores=make_table(()),
        )
        changes = {"sounds": tuple(entries.values())} | ({"scores": make_table(recording.rows)} if is_first else {})
        makers[CASE] = lambda: found.model_copy(update=changes).model_dump_json().encode()
        self._write_all(machine, case.id, makers, is_new=before is None)

    def _draw(self, recording: Recording) -> bytes | None:
        """Draw the picture and publish it, also where it cannot be written."""
        picture = draw_picture(recording)
        if picture is not None and self._publish_picture is not None:
            self._publish_picture(recording.machine, shrink(picture, MOST_PUBLISHED_BYTES))
        return picture

    def _write_all(self, machine: str, case_id: str, makers: dict[str, Callable[[], bytes | None]], *, is_new: bool) -> None:
        """Write the files that the `makers` make, in their order. A failure of one does not keep the others back."""
        failures: list[Exception] = []
        for name, make in makers.items():
            try:
                if (content := make()) is not None:
                    self._room.make(len(content), writing=(machine, case_id))
                    self._folder.write(machine, case_id, name, content)
            except Exception as error:  # noqa: BLE001 - a picture that cannot be drawn does not keep the sound back
                failures.append(error)
                if name == CASE and is_new:
                    self._folder.remove(machine, case_id)  # without case.json the other files would never be shown, or deleted
        if failures:
            raise failures[0]


def describe_sound(recording: Recording, name: SoundName) -> SoundEntry:
    """The entry of a recording in case.json."""
    rate_hz = _rate_hz(recording)
    return SoundEntry(
        file=name,
        event_id=recording.event.id,
        began_at=recording.event.time - timedelta(seconds=recording.alarm_at / rate_hz),
        duration_s=len(recording.sound.pcm) / rate_hz,
        alarm_at_s=recording.alarm_at / rate_hz,
        gaps_s=tuple(place / rate_hz for place in recording.sound.gaps),
        is_whole=recording.is_whole,
    )


def _state(recording: Recording) -> str | None:
    return recording.rows[-1].operating_state if recording.rows else None


def _rate_hz(cut: Recording | NormalClip) -> int:
    return cut.bundle.record.features.sample_rate_hz
