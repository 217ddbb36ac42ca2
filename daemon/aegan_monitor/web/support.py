"""The support bundle: what one needs to find out from afar why a daemon behaves as it does, without secrets and without sound."""

import asyncio
import importlib.metadata
import io
import json
import logging
import os
import platform
import zipfile
from collections import deque
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from aegan_monitor import __version__
from aegan_monitor.clock import now
from aegan_monitor.logs import PLAIN_FORMAT
from aegan_monitor.web.endpoints import Endpoint
from aegan_monitor.web.sources import Sources

N_LINES, LONGEST_LINE = 1000, 1000  # characters
PACKAGES = ("numpy", "onnxruntime", "onnxruntime-gpu", "pydantic", "paho-mqtt", "sounddevice", "soundfile", "soxr", "starlette", "uvicorn")
HIDDEN = "..."


class LogTail(logging.Handler):
    """Keeps the last lines of the log: the daemon may not read the journal."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(PLAIN_FORMAT))
        self._lines: deque[str] = deque(maxlen=N_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._lines.extend(line[:LONGEST_LINE] for line in self.format(record).splitlines())

    def text(self) -> str:
        """All of them."""
        return "".join(f"{line}\n" for line in self._lines.copy())


def make_bundle(sources: Sources, log: str) -> bytes:
    """The content of the ZIP file."""
    config = sources.config.model_dump(mode="json")
    if config["mqtt"]["username"] is not None:
        config["mqtt"]["username"] = HIDDEN
    bundles = {name: {"folder": str(each.folder), **_describe(each.record)} for name, each in sources.find_bundles().items()}
    parts = {
        "configuration.json": config,
        "health.json": sources.read_health().model_dump(mode="json"),
        "bundles.json": bundles,
        "versions.json": _list_versions(),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, json.dumps(part, indent=2))
        archive.writestr("metrics.txt", sources.read_metrics())
        archive.writestr("log.txt", log)
    return content.getvalue()


async def download(request: Request) -> Response:
    """All of it."""
    state = request.app.state
    content = await asyncio.to_thread(make_bundle, state.sources, state.log_tail.text())
    name = f"aegan-{state.sources.config.node}-{now():%Y%m%d-%H%M%S}.zip"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(content, media_type="application/zip", headers=headers)


def _describe(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name, None) for name in ("format", "record_sha256", "created", "score")}


def _list_versions() -> dict[str, str]:
    found = {
        "aegan-monitor": __version__,
        "python": platform.python_version(),
        "system": f"{os.uname().sysname} {os.uname().release} {os.uname().machine}",
    }
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


ENDPOINTS = (
    Endpoint(
        "GET",
        "support_bundle",
        "operator",
        "A ZIP file for whoever helps from afar: configuration, health, metrics, versions, the last 1000 lines of the log. It has no "
        "secret and no sound.",
        download,
        "application/zip",
    ),
)
