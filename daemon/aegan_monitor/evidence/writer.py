"""Evidence as a part of the daemon: the worker thread cuts sound, a thread of its own writes. Whatever fails here, monitoring goes on."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.evidence.case_writer import CaseWriter
from aegan_monitor.evidence.folder import WritableFolder
from aegan_monitor.evidence.recorder import NormalClip, Recorder, Recording
from aegan_monitor.evidence.room import MB, NoRoomError, Room
from aegan_monitor.messages.case import Verdict
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Alarm, Event
from aegan_monitor.types import Run

log = logging.getLogger(__name__)

MOST_WAITING_BYTES = 32 * MB  # of sound that waits for the disk: 9 whole recordings at 16 kHz. More is lost, and counted
TIDY_S = 3600.0  # between two looks for cases that are too old
RETRY_S = 60.0  # between two looks whether a disk works again
PROBE_BYTES = 200_000  # a picture
STOP_S = 5.0
Job = Recording | NormalClip | tuple[str, str, Verdict]  # the last: machine, id of the case, verdict


class EvidenceWriter:
    """Takes sound and messages from the worker thread, which never waits here.

    Attributes:
        name: As in `evidence_problem` of the health message.
        problem: Why evidence is not written, in one line; empty if it is. Any thread may read it.
    """

    def __init__(
        self,
        folder: WritableFolder,
        config: EvidenceConfig,
        find_bundle: Callable[[str], Bundle | None],
        publish_picture: Callable[[str, bytes], object] | None = None,
        wall_clock: Callable[[], float] = time.time,
        retry_s: float = RETRY_S,
        most_waiting_bytes: int = MOST_WAITING_BYTES,
    ) -> None:
        """`find_bundle` gives the present bundle of a machine, None for one that has left the configuration.

        `publish_picture` takes the name of a machine and a small `.png` of its alarm, in the thread; None: none is made.
        """
        self.name, self.problem = "evidence", ""
        self._folder, self._config, self._find_bundle = folder, config, find_bundle
        self._wall_clock, self._retry_s, self._most_waiting_bytes = wall_clock, retry_s, most_waiting_bytes
        self._room = Room(folder, config, self._list_open)
        self._cases = CaseWriter(folder, self._room, privacy=config.privacy, publish_picture=publish_picture)
        self._recorders: dict[str, Recorder] = {}
        self._lock = threading.Lock()  # of the two below
        self._open: dict[str, str] = {}  # by machine, the case of an alarm that has not ended
        self._jobs: deque[Job] = deque()
        self._n_lost = self._n_lost_reported = 0
        self._news = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)

    def start(self) -> None:
        """Start the thread, which makes the folder and removes what is half-written."""
        self._thread.start()

    def stop(self) -> None:
        """End the recordings, and write what waits, for STOP_S at most; harmless when the thread does not run."""
        for recorder in self._recorders.values():
            self._put(recorder.finish())
        self._stopping = True
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    def take_sound(self, machine: str, run: Run, time: datetime) -> None:  # noqa: ARG002 - events carry the time of the sound
        """Copy the samples."""
        if (bundle := self._find_bundle(machine)) is not None:
            self._put(self._recorder(machine).hear(run, bundle))

    def take_message(self, machine: str | None, payload: Payload) -> None:
        """Begin or end a recording, and note which cases are open."""
        if machine is None:  # now and then
            self._recorders = {name: each for name, each in self._recorders.items() if self._find_bundle(name)}
            return
        self._note_case(machine, payload)
        self._put(self._recorder(machine).read(payload))
        if isinstance(payload, Event) and payload.case and payload.case.verdict:
            self._put([(machine, payload.case.id, payload.case.verdict)])

    def _note_case(self, machine: str, payload: Payload) -> None:
        """A case is open from `raised` until a state without one, or until its machine is removed."""
        if not (isinstance(payload, Alarm) or (isinstance(payload, Event) and payload.kind in ("raised", "removed"))):
            return
        case = None if isinstance(payload, Event) and payload.kind == "removed" else payload.case
        with self._lock:
            self._open.pop(machine, None)
            if case is not None:
                self._open[machine] = case.id

    def _list_open(self) -> set[tuple[str, str]]:
        with self._lock:
            return set(self._open.items())

    def _recorder(self, machine: str) -> Recorder:
        if machine not in self._recorders:
            self._recorders[machine] = Recorder(machine, keeps_normal=not self._config.privacy)
        return self._recorders[machine]

    def _put(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            with self._lock:
                if sum(map(_size, self._jobs)) + _size(job) > self._most_waiting_bytes:
                    self._n_lost += 1
                else:
                    self._jobs.append(job)
            self._news.set()

    def _run(self) -> None:
        self._attempt(self._prepare, is_proof=True)
        while not self._stopping:
            self._work()
            self._attempt(lambda: self._room.expire(self._wall_clock()))
            self._news.wait(self._retry_s if self.problem else TIDY_S)
            if self.problem and not self._news.is_set():
                self._attempt(self._prepare, is_proof=True)
            self._news.clear()
        self._work()

    def _work(self) -> None:
        while self._jobs:
            with self._lock:
                job = self._jobs.popleft()
            self._attempt(partial(self._do, job), is_proof=not isinstance(job, tuple))

    def _do(self, job: Job) -> None:
        if isinstance(job, Recording):
            self._cases.write_recording(job)
        elif isinstance(job, NormalClip):
            self._cases.write_normal(job)
        else:
            self._folder.mark(*job)

    def _attempt(self, step: Callable[[], object], *, is_proof: bool = False) -> None:
        """Run a step. Its failure is the problem until a step succeeds that is a proof: it has written."""
        try:
            step()
        except OSError as error:
            reason = str(error) if isinstance(error, NoRoomError) else error.strerror or str(error)
            self._report(f"{self._folder.path}: {reason}; alarms have no new sound and pictures until that is mended")
        except Exception as error:
            log.exception("evidence: unexpected error; monitoring goes on")
            self._report(f"unexpected error {error!r}; see the log")
        else:
            self._report("" if is_proof else self.problem)

    def _report(self, problem: str) -> None:
        if not problem and (n_lost := self._n_lost - self._n_lost_reported):
            self._n_lost_reported += n_lost
            problem = f"{self._folder.path}: its disk is too slow; {n_lost} recording(s) of alarms were lost"
        if problem and problem != self.problem:
            log.warning("evidence: %s", problem)
        elif self.problem and not problem:
            log.info("evidence: it is written again")
        self.problem = problem

    def _prepare(self) -> None:
        """Make the folder fit for use, and see whether it can be written."""
        if n_removed := self._folder.prepare():
            log.info("evidence: %d half-written file(s) or case(s) removed", n_removed)
        if self._config.privacy and (n_removed := self._folder.remove_sound()):
            log.warning("evidence: privacy is on: %d sound file(s) of earlier cases deleted, pictures and words are kept", n_removed)
        self._room.make(0)
        self._room.find(PROBE_BYTES)
        self._folder.probe(PROBE_BYTES)


def _size(job: Job) -> int:
    """Memory of a job."""
    return 0 if isinstance(job, tuple) else job.sound.pcm.nbytes
