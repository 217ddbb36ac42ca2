"""The part of the daemon that serves interface and page, in one thread of its own."""

import asyncio
import logging
import socket
import ssl
import threading
from datetime import datetime
from pathlib import Path

import anyio.to_thread

from aegan_monitor.config.web import WebConfig, WebTlsConfig, is_loopback
from aegan_monitor.errors import ConfigError
from aegan_monitor.messages.command_payloads import Result
from aegan_monitor.messages.model import Payload
from aegan_monitor.mqtt.log_once import LogOnce
from aegan_monitor.types import Run
from aegan_monitor.web.access import find_tokens
from aegan_monitor.web.app import make_app
from aegan_monitor.web.commands import Commands
from aegan_monitor.web.connections import Connections, Limits
from aegan_monitor.web.live.hub import Hub
from aegan_monitor.web.live.sound import Sound
from aegan_monitor.web.sources import Sources
from aegan_monitor.web.support import LogTail

log = logging.getLogger(__name__)

RETRY_S = 10.0
STOP_S = 2.0
N_FILE_THREADS = 2  # that read files and the history: an answer waits for another, and memory stays small
BACKLOG = 64


class WebServer:
    """See `service.parts.Part`. An address that cannot be used is logged once, and retried.

    Attributes:
        connections: Those that are open.
    """

    def __init__(self, sources: Sources, limits: Limits | None = None, retry_s: float = RETRY_S) -> None:
        """Read tokens and certificate; nothing starts.

        Raises:
            ConfigError: A token or the certificate cannot be used.
        """
        self.name, self.problem = "web", ""
        self._config = sources.config.web
        self._retry_s = retry_s
        self._hub, self._sound, self._commands, self._log_tail = Hub(), Sound(), Commands(sources.submit), LogTail()
        app = make_app(sources, find_tokens(self._config), self._hub, self._sound, self._commands, self._log_tail)
        self._certificate = Certificate(self._config.tls) if self._config.tls else None
        self.connections = Connections(app, limits or Limits(), self._certificate.find if self._certificate else lambda: None)
        self._log = LogOnce(f"page on {self._config.host}:{self._config.port}:", log)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Begin to listen, in the background."""
        if self._config.insecure and not self._config.tls and not is_loopback(self._config.host):
            log.warning("web.insecure: tokens and sound go over the network without encryption; set web.tls")
        logging.getLogger().addHandler(self._log_tail)
        self._thread.start()

    def stop(self) -> None:
        """End every connection; harmless when it was never started."""
        logging.getLogger().removeHandler(self._log_tail)
        if self._loop is not None and self._main is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._main.cancel)
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def take_message(self, machine: str | None, payload: Payload) -> None:
        """See `Part`."""
        if isinstance(payload, Result):
            self._commands.take(payload)
        self._hub.take(machine, payload)

    def take_sound(self, machine: str, run: Run, time: datetime) -> None:
        """See `Part`."""
        self._sound.take(machine, run, time)

    def is_heard(self, machine: str) -> bool:
        """Whether somebody listens to a machine, or looks at its spectrogram."""
        return self._sound.is_wanted(machine)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except asyncio.CancelledError:
            pass
        except Exception:
            self.problem = "has failed and is off until the next start; the log says why"
            log.exception("the page has failed and is off until the next start; monitoring goes on")

    async def _serve(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        anyio.to_thread.current_default_thread_limiter().total_tokens = N_FILE_THREADS
        while True:
            try:
                listening = open_socket(self._config)
            except (OSError, UnicodeError) as error:  # a host such as a..b is no name at all
                reason = error.strerror if isinstance(error, OSError) else None
                remedy = f"set web.host and web.port to an address that is free; trying again every {self._retry_s:g} s"
                self.problem = f"cannot listen there ({reason or error}); {remedy}"
                self._log.warn(self.problem)
                await asyncio.sleep(self._retry_s)
                continue
            with listening:
                self.problem = ""
                self._log.inform(f"listening; open {describe_address(self._config)}")
                await self.connections.serve(listening)


def open_socket(config: WebConfig) -> socket.socket:
    """A listening socket.

    Raises:
        OSError, UnicodeError: The address cannot be used.
    """
    ((family, *_, address), *_) = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def describe_address(config: WebConfig) -> str:
    """The URL of the page, for people."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{'https' if config.tls else 'http'}://{host}:{config.port}/"


class Certificate:
    """The context of TLS, from the files as they are now: a renewed certificate needs no restart."""

    def __init__(self, config: WebTlsConfig) -> None:
        """Read it.

        Raises:
            ConfigError: A file cannot be read, or has other content than expected.
        """
        self._config = config
        self._files = [path for path in (config.certificate_file, config.key_file) if path is not None]
        self._stamps = self._stamp()
        self._context = self._make()

    def find(self) -> ssl.SSLContext:
        """The context for one connection; that of the files before if new ones are wrong."""
        if (stamps := self._stamp()) != self._stamps:
            self._stamps = stamps
            try:
                self._context = self._make()
            except ConfigError as error:
                log.error("%s; the certificate from before stays in use", error)
        return self._context

    def _stamp(self) -> list[tuple[int, int] | None]:
        return [_stamp(path) for path in self._files]

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(
                self._config.certificate_file, self._config.key_file, password=lambda: b""
            )  # or OpenSSL asks on the terminal
        except OSError as error:  # an SSLError is one
            key = self._config.key_file or "the same file"
            reason = error.strerror or error.reason if isinstance(error, ssl.SSLError) else error.strerror
            raise ConfigError(
                f"web.tls.certificate_file: {self._config.certificate_file}: expected a certificate in PEM and its key in {key}, without a "
                f"passphrase, found: {reason}"
            ) from error
        return context


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
