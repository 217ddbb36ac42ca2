"""Lists input devices, and finds and opens the one that a configuration names, never another."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aegan_monitor.audio.device.alsa import AlsaCards, AlsaDevice
from aegan_monitor.audio.device.portaudio import PortAudio
from aegan_monitor.audio.device.pulseaudio.connection import NoServerError
from aegan_monitor.audio.device.pulseaudio.source import PulseServer, Source
from aegan_monitor.audio.device.stream import Stream
from aegan_monitor.config.capture import DEVICE_KINDS
from aegan_monitor.config.names import make_printable
from aegan_monitor.errors import CaptureError

SOUND_SERVER = "PulseAudio"  # or PipeWire, which speaks its protocol

_PLACE = re.compile(r" ?(\(hw:(\d+),(\d+)\))$")  # ALSA's numbers after a name
_SEE = "see aegan-monitor devices"


@dataclass(frozen=True, slots=True)
class InputDevice:
    """An input device.

    Attributes:
        name: Name for people and for `capture.device`, without ALSA's numbers.
        host_api: ALSA, or the sound server.
        n_channels, default_sample_rate_hz: 0 if unknown.
        is_default: It is the system's default input.
        identity: Value of `capture.device` for this device alone, also after it was plugged in again.
        place: PortAudio's name, valid until it is unplugged; empty for a source of a sound server.
        is_monitor: It carries the sound of an output, and is found only by its whole name.
    """

    name: str
    host_api: str
    n_channels: int
    default_sample_rate_hz: float
    is_default: bool
    identity: str
    place: str = ""
    is_monitor: bool = False


class Devices:
    """The input devices of this computer, listed anew at each call."""

    def __init__(self, server: PulseServer | None = None, cards: AlsaCards | None = None, portaudio: PortAudio | None = None) -> None:
        self._server, self._cards, self._portaudio = server or PulseServer(), cards or AlsaCards(), portaudio or PortAudio()

    def list_all(self) -> list[InputDevice]:
        """Sources of the sound server, and sound cards.

        Raises:
            CaptureError: There is no sound server, and PortAudio finds no card, is missing or cannot start.
        """
        try:
            sources = [_describe_source(source) for source in self._server.list_sources()]
        except NoServerError as error:
            if hardware := self._list_hardware():
                return hardware
            raise CaptureError(f"no microphone found: no sound card has one, and {error}") from error
        try:
            hardware = self._list_hardware()
        except CaptureError:
            hardware = []
        return sources + [device for device in hardware if device.place.startswith("(hw:")]

    def find(self, wanted: str | None) -> InputDevice:
        """Find one device by its identity, its name or a part of it, or as the default.

        With a sound server, names and the default are those of its sources.

        Raises:
            CaptureError: There is no such device, or there are several.
        """
        kind = find_kind(wanted)
        if wanted and kind == "pulse":
            return InputDevice(wanted.removeprefix("pulse:"), SOUND_SERVER, 0, 0.0, False, wanted)
        if wanted and kind:
            return self._find_card(wanted)
        sources = self._list_sources()
        devices = self._list_hardware() if sources is None else list(map(_describe_source, sources))
        matches = [device for device in devices if device.is_default] if wanted is None else match_devices(wanted, devices)
        if not matches:
            missing = "there is no default input device" if wanted is None else f"no input device matches {wanted!r}"
            raise CaptureError(f"{missing}; available: {_identities(devices)}, {_SEE}")
        if len(matches) > 1:
            raise CaptureError(f"several input devices match {wanted!r}: {_identities(matches)}; give the identity of one, {_SEE}")
        if wanted is None and matches[0].is_monitor:  # a sound server without a microphone
            raise CaptureError(
                "there is no microphone, and the default input is the sound of an output; "
                f"plug one in, or name {matches[0].identity} to use that"
            )
        return matches[0]

    def open(self, device: InputDevice) -> Stream:
        """Open a device.

        Raises:
            CaptureError: It is gone, in use, or another device is in its place.
        """
        if not device.place:
            return self._server.open(device.identity.removeprefix("pulse:"))
        stream = self._portaudio.open(device.name, device.place)
        if find_kind(device.identity) in ("alsa", "usb"):  # another card may have taken the number meanwhile
            try:
                now = self._find_card(device.identity)
                if now.place != device.place:
                    raise CaptureError(f"microphone {device.name!r}: was plugged in anew while it was opened; trying again")
            except CaptureError:
                stream.close()
                raise
        return stream

    def look(self, wanted: str | None) -> object:
        """A cheap snapshot of all devices that `find` could return; it changes when one appears or disappears."""
        kind = find_kind(wanted)
        cards = () if kind == "pulse" else tuple(self._cards.list_devices())
        sources = None if kind in ("alsa", "usb") else self._list_sources()
        return cards, sources and tuple(sources)

    def _list_sources(self) -> list[Source] | None:
        """Sources; None without a sound server."""
        try:
            return self._server.list_sources()
        except NoServerError:
            return None

    def _list_hardware(self) -> list[InputDevice]:
        cards = {f"(hw:{card.card},{card.device})": card for card in self._cards.list_devices()}
        return [_describe_hardware(device, cards) for device in self._portaudio.list_devices()]

    def _find_card(self, identity: str) -> InputDevice:
        found = self._cards.find(identity)
        if not found:
            there = ", ".join(device.identity for device in self._cards.list_devices()) or "none"
            raise CaptureError(f"no sound card is {identity}; available: {there}; plug it in, or {_SEE}")
        if len(found) > 1:
            places = ", ".join(device.identity for device in found)
            raise CaptureError(f"several devices are {identity}: {places}; name one of these")
        card = found[0]
        return InputDevice(f"{card.name} ({identity})", "ALSA", 0, 0.0, False, card.identity, f"(hw:{card.card},{card.device})")


def find_kind(wanted: str | None) -> str:
    """Kind of an identity; empty for a name or the default."""
    kind, colon, _ = (wanted or "").partition(":")
    return kind if colon and kind in DEVICE_KINDS else ""


def _describe_source(source: Source) -> InputDevice:
    return InputDevice(
        make_printable(source.description),
        SOUND_SERVER,
        source.n_channels,
        float(source.sample_rate_hz),
        source.is_default,
        f"pulse:{make_printable(source.name)}",
        is_monitor=source.is_monitor,
    )


def _describe_hardware(device: dict[str, Any], cards: dict[str, AlsaDevice]) -> InputDevice:
    match = _PLACE.search(device["name"])
    card = cards.get(match[1]) if match else None
    name = make_printable(device["name"][: match.start()] if match else device["name"])
    return InputDevice(
        name,
        device["host_api"],
        device["n_channels"],
        device["default_sample_rate_hz"],
        device["is_default"],
        card.identity if card else name,
        match[1] if match else device["name"],
    )


def match_devices(wanted: str, devices: Sequence[InputDevice]) -> list[InputDevice]:
    """Devices of exactly that identity or name, or else the microphones with it as a part of their name, in any case."""
    names = [(device, (device.name, device.identity.removeprefix("pulse:"))) for device in devices]
    exact = [device for device, both in names if wanted in (*both, device.identity)]
    part = wanted.casefold()
    return exact or [device for device, both in names if not device.is_monitor and any(part in name.casefold() for name in both)]


def _identities(devices: list[InputDevice]) -> str:
    return ", ".join(f"{device.name!r} ({device.identity})" for device in devices) or "none"
