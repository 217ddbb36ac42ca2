"""The composition root: builds the parts from the configuration, starts their threads, and stops them in the order of the data."""

import logging
import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from aegan_monitor.audio.source import Capture
from aegan_monitor.audio.supervisor import stop_all
from aegan_monitor.clock import now, since_boot_s
from aegan_monitor.config.model import InferenceConfig, MachineConfig, MonitorConfig
from aegan_monitor.homeassistant.birth import Birth, list_birth_topics
from aegan_monitor.homeassistant.discovery import announce
from aegan_monitor.messages.note import Note
from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.connection import NOTICE_KEEPALIVES
from aegan_monitor.mqtt.connection_settings import FIRST_RETRY_S, ConnectionSettings
from aegan_monitor.mqtt.publisher import MqttPublisher
from aegan_monitor.outbox.outbox import KEEP_S, Outbox
from aegan_monitor.outbox.store import Store, find_path
from aegan_monitor.outbox.writer import Writer
from aegan_monitor.service.build import Setup, build
from aegan_monitor.service.command_queue import CommandQueue
from aegan_monitor.service.console import Console
from aegan_monitor.service.health import HealthReport
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.make_parts import make_parts
from aegan_monitor.service.parts import Part, Parts
from aegan_monitor.service.reload import Reloader
from aegan_monitor.service.reload_answer import Answer, find_answer_path, write_answer
from aegan_monitor.service.runtime import make_capture
from aegan_monitor.service.systemd import Notifier, watchdog_interval_s
from aegan_monitor.service.worker import Worker

log = logging.getLogger(__name__)

TURN_S = 0.3  # at most between two checks of signals and the watchdog; more than a hop of segments, so that sound alone wakes it
STATUS_S = 1.0  # between two status lines for systemd
FEEDS = 4  # notifications to systemd's watchdog in its interval

NO_MACHINE = "no such machine: a reload has just removed it"
STOPPING = "the monitor is stopping"


class Monitor:
    """The running daemon."""

    def __init__(
        self,
        config: MonitorConfig,
        *,
        read_again: Callable[[], MonitorConfig] | None = None,
        capture: Callable[[MachineConfig, int], Capture] = make_capture,
        make_sessions: Callable[[InferenceConfig, Path], Sessions] = Sessions,
        notifier: Notifier | None = None,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        shelf_clock: Callable[[], float] = since_boot_s,
        wall_clock: Callable[[], datetime] = now,
        parts: Iterable[Part] | None = None,
        demo_faults: dict[str, bool] | None = None,
    ) -> None:
        """Load every bundle and run its golden check; no thread starts. `wall_clock` stamps what is published and stored.

        `read_again` reads the configuration for a reload; else that loads the bundles of `config` again. `demo_faults`: see `make_parts`.

        Raises:
            ConfigError, BundleError, InferenceError: As the parts raise.
        """
        self._stopping, self._status = False, ""  # no Event, see stop_on_signals
        self._notifier = notifier or Notifier(os.environ.get("NOTIFY_SOCKET"))
        self._console, self._now = console, wall_clock
        self._topics = Topics(config.mqtt.base_topic, config.node)
        self._setup = build(config, capture, make_sessions=make_sessions)
        self._reloader = Reloader(lambda before: build(read_again() if read_again else config, capture, before, make_sessions))
        self._answer_path = find_answer_path(os.environ.get("RUNTIME_DIRECTORY"))
        self._outbox = Outbox(
            max_bytes=round(config.outbox.max_mb * 1e6),
            max_age_s=config.outbox.max_age_h * 3600,
            keep_s=KEEP_S + NOTICE_KEEPALIVES * config.mqtt.keepalive_s,  # the end of a connection is noticed so late at most
        )
        self._commands, self._birth, self._parts = CommandQueue(), Birth(), Parts()
        self._worker = Worker(self._topics, self._outbox, self._commands, clock, shelf_clock, wall_clock, self._parts, config.web.url)
        self._publisher = MqttPublisher(self._find_connection(self._setup), self._outbox)
        store = Store(find_path(config.outbox.path, config.node, os.environ))
        self._writer = Writer(self._outbox, store, self._publisher.flush, wall_clock=lambda: wall_clock().timestamp())
        self._outbox.notify = self._wake
        self._health = HealthReport(
            lambda: self._setup.lines, self._outbox, self._writer, self._publisher, self._commands, self._reloader, self._parts,
            self._worker.shedding,
        )  # fmt: skip
        if parts is None:
            parts = make_parts(config, self._health.read, self._commands, lambda: self._setup.lines, self._outbox.put, demo_faults)
        self._parts.add(parts)
        interval_s = watchdog_interval_s(os.environ, os.getpid())
        self._feed_every_s = None if interval_s is None else interval_s / FEEDS

    def stop(self) -> None:
        """Ask `run` to end; safe in a signal handler."""
        self._stopping = True

    def reload(self) -> None:
        """Request a reload of configuration and bundles; safe in a signal handler."""
        self._reloader.request()

    def run(self) -> None:
        """Monitor until `stop`, or until every finite capture has ended.

        Raises:
            HeldStoreError: Another process has the outbox; nothing was started.
            CaptureError: A finite capture failed; everything else was shut down in order first.
            InferenceRunError: The inference of every machine has failed, and retries do not help; likewise.
        """
        self._writer.start()
        try:
            self._begin()
            self._work()
        finally:
            self._notifier.send("STOPPING=1")
            stop_all([line.supervisor for line in reversed(self._setup.lines)])
            for line in self._setup.lines:
                self._worker.store(line)
            self._publish_health()
            self._reloader.stop()
            self._worker.obey([], STOPPING)
            self._parts.stop()
            self._writer.stop()  # first, because an event is sent once it is written
            self._publisher.stop()
        failed = [error for line in self._setup.lines if (error := line.error)]
        if failed:
            raise failed[0]

    def _begin(self) -> None:
        self._worker.remove_departed([line.machine.name for line in self._setup.lines])
        self._apply_settings()
        for line in self._setup.lines:
            self._worker.begin(line)
        self._publisher.start()
        for line in self._setup.lines:
            self._worker.listen(line)
        self._parts.start()
        self._send_status()
        self._notifier.send("READY=1")

    def _work(self) -> None:
        next_health_s = next_feed_s = next_status_s = time.monotonic()
        while not self._stopping:
            was_over = self._is_over()  # before this turn, which publishes its last decision
            self._worker.woken.wait(TURN_S)
            self._worker.woken.clear()
            self._worker.obey(self._setup.lines, NO_MACHINE)
            self._worker.turn_all(self._setup.lines, looks=was_over)
            if self._console:
                self._console.show((line.machine.name, line.sensor(), line.machine.last_score) for line in self._setup.lines)
            now_s = time.monotonic()
            if now_s >= next_health_s:
                self._publish_health()
                next_health_s = now_s + self._setup.config.health_interval_s
            if now_s >= next_status_s:
                self._send_status()
                next_status_s = now_s + STATUS_S
            if self._worker.is_alive() and self._feed_every_s is not None and now_s >= next_feed_s:
                self._notifier.send("WATCHDOG=1")
                next_feed_s = now_s + self._feed_every_s
            if self._birth.is_due():
                self._outbox.repeat_retained()
            self._reload()
            if all(line.is_lost for line in self._setup.lines) and (error := self._setup.lines[0].retry.error):
                raise error  # exit code 1: systemd restarts the daemon
            if was_over and self._is_over():
                return

    def _is_over(self) -> bool:
        return all(line.ring.ended for line in self._setup.lines)

    def _reload(self) -> None:
        """Start a requested reload, and apply one that is finished."""
        if self._reloader.begin(self._setup):
            self._notifier.reloading()
        ended, setup = self._reloader.finish()
        if not ended:
            return
        refusal = f"reload failed, the configuration from before stays in use: {self._reloader.problem}"
        text = f"reloaded: {self._adopt(setup)}" if setup else refusal
        log.log(logging.INFO if setup else logging.ERROR, "%s", text)
        self._parts.take_message(None, Note(time=self._now(), kind="reload", text=text))
        self._publish_health()
        self._send_status()
        self._notifier.send("READY=1")
        write_answer(self._answer_path, Answer(self._reloader.began_s, self._reloader.problem))

    def _adopt(self, setup: Setup) -> str:
        """Apply another setup, in which lines that are in both keep running; returns what has changed."""
        before, self._setup = self._setup, setup
        gone = [line for line in before.lines if line not in setup.lines]
        for line in setup.lines:
            line.machine.set_budget(setup.budgets[line.machine.name])
        new = [line for line in setup.lines if line not in before.lines]
        stop_all([line.supervisor for line in gone])
        for line in gone:
            self._worker.end(line)
        self._worker.remove_departed([line.machine.name for line in setup.lines])
        self._apply_settings()
        for line in new:
            self._worker.begin(line)
            self._worker.listen(line)
        if not setup.has_broker_of(before):
            self._publisher.reconfigure(self._find_connection(setup))
        logging.getLogger().setLevel(setup.config.log_level.upper())
        return setup.describe_changes(before)

    def _apply_settings(self) -> None:
        """Apply the settings that need no other part, at the start and after a reload."""
        config = self._setup.config
        self._commands.configure(config.mqtt.commands, [machine.name for machine in config.machines])
        self._worker.common.window_s = config.common_cause_s
        announce(config, self._topics, self._outbox)

    def _find_connection(self, setup: Setup) -> ConnectionSettings:
        mqtt, home_assistant = setup.config.mqtt, setup.config.home_assistant
        listeners = {self._topics.name("command", "+"): self._commands.hear} if mqtt.commands.enabled else {}
        if home_assistant.discovery:
            listeners |= dict.fromkeys(list_birth_topics(home_assistant.prefix), self._birth.hear)
        return ConnectionSettings(
            endpoint=setup.connection,
            protocol=mqtt.protocol,
            topics=self._topics,
            listeners=listeners,
            keepalive_s=mqtt.keepalive_s,
            retry_s=(min(FIRST_RETRY_S, mqtt.retry_s), mqtt.retry_s),
        )

    def _publish_health(self) -> None:
        health = self._health.read(self._now()).health
        self._parts.take_message(None, health)
        self._outbox.put(self._topics.message(health))

    def _wake(self) -> None:
        """Wake the threads that take from the outbox."""
        if self._outbox.is_unwritten:  # a score is not written
            self._writer.notify()
        self._publisher.flush()

    def _send_status(self) -> None:
        """Send the line for `systemctl status` if it has changed."""
        if (status := self._health.describe()) != self._status:
            self._status = status
            self._notifier.status(status)
