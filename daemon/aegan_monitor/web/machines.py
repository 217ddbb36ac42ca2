"""Endpoints of what is live: machines, health, messages, sound, and commands."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from aegan_monitor.messages.command_payloads import Command, Result
from aegan_monitor.messages.payloads import Health
from aegan_monitor.messages.recording import Recording, read_recording
from aegan_monitor.web.answers import Commissioning, DemoFault, Machines, MachineState
from aegan_monitor.web.endpoints import Endpoint, Json, find_bundle, find_viewer, read_body
from aegan_monitor.web.guard import RefusedError
from aegan_monitor.web.live.streams import Stream


async def show_health(request: Request) -> Response:
    """The health message of this moment."""
    return Json(await asyncio.to_thread(request.app.state.sources.read_health))


async def show_metrics(request: Request) -> Response:
    """The text for Prometheus."""
    text = await asyncio.to_thread(request.app.state.sources.read_metrics)
    return Response(text, media_type="text/plain; version=0.0.4", headers={"cache-control": "no-store"})


async def list_machines(request: Request) -> Response:
    """The state of each."""
    state = request.app.state
    health = await asyncio.to_thread(state.sources.read_health)
    names = state.sources.find_bundles()
    machines = [_find_state(request, name, health) for name in names]
    return Json(Machines(node=state.sources.config.node, listens=state.listens, machines=machines))


async def show_machine(request: Request) -> Response:
    """The state of one."""
    name, _ = find_bundle(request)
    return Json(_find_state(request, name, await asyncio.to_thread(request.app.state.sources.read_health)))


async def show_commissioning(request: Request) -> Response:
    """What its normal sound proves."""
    name, _ = find_bundle(request)
    return Json(Commissioning(lines=await asyncio.to_thread(request.app.state.sources.describe_proof, name)))


async def show_recording(request: Request) -> Response:
    """How far its recording is."""
    name, _ = find_bundle(request)
    folder = request.app.state.sources.config.web.recordings
    if folder is None:
        return Json(Recording(state="none"))
    try:
        return Json(await asyncio.to_thread(read_recording, folder, name))
    except OSError as error:
        words = f"web.recordings: {folder}: cannot be read ({error.strerror}); make it readable for the daemon"
        raise RefusedError(503, words) from error


async def watch_live(request: Request) -> Response:
    """Messages as they are published."""
    return Stream(request.app.state.hub.watch())


async def watch_spectrogram(request: Request) -> Response:
    """Columns as they are heard."""
    return Stream(request.app.state.spectrograms.watch(*find_bundle(request)))


async def listen(request: Request) -> Response:
    """Sound as it is heard."""
    name, bundle = find_bundle(request)
    if not request.app.state.listens:
        raise RefusedError(404, "there is no sound to listen to: evidence.privacy is set")
    return Stream(request.app.state.sound.listen(name, bundle.record.features.sample_rate_hz), "audio/wav")


async def command(request: Request) -> Response:
    """Obey a command."""
    name, _ = find_bundle(request)
    viewer, state = find_viewer(request, "operator"), request.app.state
    sent = await read_body(request, Command, state.sources.config.mqtt.commands.max_bytes)
    by = viewer.name or sent.by or "the page"
    return Json(await state.commands.send(name, sent.model_copy(update={"by": by})))


async def switch_fault(request: Request) -> Response:
    """Switch the fault of a synthesised machine."""
    wanted, faults = await read_body(request, DemoFault), request.app.state.sources.demo_faults
    if wanted.machine not in faults:
        raise RefusedError(404, f"no machine {wanted.machine[:64]!r}; there are: {', '.join(faults)}")
    faults[wanted.machine] = wanted.faulty
    return Json(wanted)


def _find_state(request: Request, name: str, health: Health) -> MachineState:
    hub, sources = request.app.state.hub, request.app.state.sources
    bundle = sources.find_bundles().get(name)
    return MachineState(
        name=name,
        alarm=hub.find(name, "alarm"),
        sensor=hub.find(name, "sensor"),
        score=hub.find(name, "score"),
        health=health.machines.get(name),
        sample_rate_hz=bundle.record.features.sample_rate_hz if bundle else 0,
        demo_fault=(sources.demo_faults or {}).get(name),
    )


ENDPOINTS = (
    Endpoint("GET", "health", "reader", "The health message of this moment.", show_health, Health),
    Endpoint("GET", "machines", "reader", "The present state of all machines.", list_machines, Machines),
    Endpoint("GET", "machines/{machine}", "reader", "The present state of one machine.", show_machine, MachineState),
    Endpoint(
        "GET",
        "machines/{machine}/commissioning",
        "reader",
        "What the normal sound of its bundle proves about false alarms.",
        show_commissioning,
        Commissioning,
    ),
    Endpoint(
        "GET",
        "machines/{machine}/recording",
        "reader",
        "The newest recording of its normal sound in `web.recordings`, and whether it goes on.",
        show_recording,
        Recording,
    ),
    Endpoint(
        "POST",
        "machines/{machine}/command",
        "operator",
        "Obeys a command, under the rate limit of those over MQTT, and answers with its result, which is also published.",
        command,
        Result,
        body=Command,
    ),
    Endpoint(
        "GET",
        "live",
        "reader",
        "Server-sent events. `reset` comes first, and where the viewer was too slow: then follows the present state. After it "
        '`health`, `score`, `alarm`, `sensor` and `event` come as they are published, with `{"machine": ..., "payload": ...}`: the payload '
        "of the MQTT message. `alive` comes after 5 s without a message.",
        watch_live,
        "text/event-stream",
    ),
    Endpoint(
        "GET",
        "machines/{machine}/spectrogram",
        "reader",
        "Server-sent events. `scale` comes first: `db_min` and `db_max` of the bytes 0 and 255, `n_bands`, `column_s`, `edges_hz`. "
        "`columns` follow: `columns` is base64 of one byte a band, column after column, the lowest band first; `time` is the end of the "
        "last one, `after_gap` says that sound before them is missing. `residual` comes once a second: the level of each band less that "
        "of the most similar normal clips, with the scale in `residual` of `scale`. It is left out first where the processor has too much "
        "to do. It is computed only while a viewer is connected.",
        watch_spectrogram,
        "text/event-stream",
    ),
    Endpoint(
        "GET",
        "machines/{machine}/listen.wav",
        "reader",
        "The sound from now on, an endless WAV (16 bit, mono). It is less than 2 s late; what a slow link cannot take is left out. "
        "There is none in privacy mode.",
        listen,
        "audio/wav",
    ),
    Endpoint("GET", "metrics", "reader", "[Metrics](metrics.md) for Prometheus.", show_metrics, "text/plain", at_top=True),
)

DEMO_ENDPOINTS = (
    Endpoint("POST", "demo/fault", "operator", "Switches the fault of a synthesised machine.", switch_fault, DemoFault, body=DemoFault),
)
