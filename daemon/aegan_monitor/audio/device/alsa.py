"""Sound cards of the kernel: finds the present number of a card by an identity that plugging in does not change."""

import re
from dataclasses import dataclass
from pathlib import Path

from aegan_monitor.config.names import make_printable

_CARD = re.compile(r"card(\d+)$")
_CAPTURE_DEVICE = re.compile(r"pcm(\d+)c$")


@dataclass(frozen=True, slots=True)
class AlsaDevice:
    """One capture device of a card; `card` and `device` are the numbers in `hw:1,0`, valid until it is unplugged.

    Attributes:
        card_id: The kernel's name of the card (`/proc/asound/card1/id`); with two equal cards it depends on their order.
        usb_path: Its USB port (`1-1.4`: bus and ports); empty for other devices.
        usb_serial: Its serial number, or empty.
        is_alone: The card has no other capture device.
    """

    card: int
    device: int
    card_id: str
    name: str
    usb_path: str
    usb_serial: str
    is_alone: bool

    @property
    def identity(self) -> str:
        """Value of `capture.device`: the USB port, which does not depend on other devices, or the id of the card."""
        card = f"usb:{self.usb_path}" if self.usb_path else f"alsa:{self.card_id}"
        return card if self.is_alone else f"{card},{self.device}"


class AlsaCards:
    """The cards of this machine; `root` holds `/proc` and `/sys`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._proc, self._sys = root / "proc" / "asound", root / "sys" / "class" / "sound"

    def list_devices(self) -> list[AlsaDevice]:
        """All devices that can capture, by their numbers."""
        cards = sorted((int(match[1]), path) for path in _list(self._proc) if (match := _CARD.match(path.name)))
        return [device for card, path in cards for device in self._list_card(card, path)]

    def find(self, identity: str) -> list[AlsaDevice]:
        """The devices of an identity (`alsa:CARD`, `usb:PATH or SERIAL`, each with `,DEVICE` or without)."""
        kind, _, rest = identity.partition(":")
        card, _, device = rest.partition(",")
        if not card:  # the empty path of a card that is not on USB
            return []
        return [
            found
            for found in self.list_devices()
            if card in ((found.card_id,) if kind == "alsa" else (found.usb_path, found.usb_serial)) and device in ("", str(found.device))
        ]

    def _list_card(self, card: int, path: Path) -> list[AlsaDevice]:
        card_id = make_printable(_read(path / "id"))
        usb_path, usb_serial = self._find_usb(card)
        devices = sorted(int(match[1]) for entry in _list(path) if (match := _CAPTURE_DEVICE.match(entry.name)))
        return [
            AlsaDevice(card, device, card_id, _read_field(path / f"pcm{device}c" / "info", "name"), usb_path, usb_serial, len(devices) == 1)
            for device in devices
        ]

    def _find_usb(self, card: int) -> tuple[str, str]:
        """Path and serial number of the USB device of the card."""
        place = (self._sys / f"card{card}" / "device").resolve()
        usb = next((folder for folder in (place, *place.parents) if _read(folder / "idVendor")), None)
        return (usb.name, make_printable(_read(usb / "serial"))) if usb else ("", "")


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # unplugged, or missing
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # likewise
        return ""


def _read_field(path: Path, key: str) -> str:
    lines = (line.partition(":") for line in _read(path).splitlines())
    return next((make_printable(value.strip()) for name, _, value in lines if name == key), "")
