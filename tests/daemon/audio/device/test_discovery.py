"""Choosing a device: by identity, name or default, never by number, and never a monitor by chance."""

from pathlib import Path

import pytest

from aegan_monitor.audio.device.alsa import AlsaCards
from aegan_monitor.audio.device.discovery import Devices
from aegan_monitor.audio.device.pulseaudio.source import PulseServer
from aegan_monitor.errors import CaptureError
from devices import FalsePortAudio, FalseServer, make_source
from soundcard import plug

MICROPHONES = (
    make_source("usb-left", "Pump microphone", default=True),
    make_source("usb-right", "Pump microphone (right)"),
    make_source("pci.monitor", "Monitor of loudspeaker", monitor=True),
)


def no_server() -> FalseServer:
    """A sound server that does not run."""
    server = FalseServer()
    server.sources = None
    return server


def refusal(devices: Devices, wanted: str | None) -> str:
    """The error of choosing a device."""
    with pytest.raises(CaptureError) as caught:
        devices.find(wanted)
    assert caught.value.fault == "missing"
    return str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "identity"),
    [
        (None, "pulse:usb-left"),
        ("Pump microphone", "pulse:usb-left"),
        ("RIGHT", "pulse:usb-right"),
        ("usb-l", "pulse:usb-left"),
        ("pci.monitor", "pulse:pci.monitor"),
        ("Monitor of loudspeaker", "pulse:pci.monitor"),
        ("pulse:what was never there", "pulse:what was never there"),
    ],
)
def test_names_are_those_of_the_sound_server(tmp_path: Path, wanted: str | None, identity: str) -> None:
    """A whole name comes before a part; a monitor needs its whole name; PortAudio is not used."""
    devices = Devices(FalseServer(*MICROPHONES), AlsaCards(tmp_path), FalsePortAudio("Pump microphone"))
    assert devices.find(wanted).identity == identity


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            "pump",
            (
                "several input devices match 'pump': 'Pump microphone' (pulse:usb-left), 'Pump microphone (right)' (pulse:usb-right); "
                "give the identity of one, see aegan-monitor devices"
            ),
        ),
        (
            "loud",
            (
                "no input device matches 'loud'; available: "
                "'Pump microphone' (pulse:usb-left), 'Pump microphone (right)' (pulse:usb-right), "
                "'Monitor of loudspeaker' (pulse:pci.monitor), see aegan-monitor devices"
            ),
        ),
        ("alsa:PCH", "no sound card is alsa:PCH; available: none; plug it in, or see aegan-monitor devices"),
    ],
)
def test_what_is_not_one_device_is_refused(tmp_path: Path, wanted: str, message: str) -> None:
    """No match and several matches are refused with a list of devices."""
    assert refusal(Devices(FalseServer(*MICROPHONES), AlsaCards(tmp_path), FalsePortAudio()), wanted) == message


def test_cards_are_named_without_their_numbers(tmp_path: Path) -> None:
    """Without a sound server PortAudio's names count without card numbers; equal names need an identity."""
    plug(tmp_path, 1, "Device", usb_path="1-1.4")
    plug(tmp_path, 2, "Device_1", usb_path="1-1.2")
    portaudio = FalsePortAudio("USB Mic: Audio (hw:1,0)", "USB Mic: Audio (hw:2,0)", "default")
    devices = Devices(no_server(), AlsaCards(tmp_path), portaudio)
    assert [(device.name, device.identity) for device in devices.list_all()] == [
        ("USB Mic: Audio", "usb:1-1.4"),
        ("USB Mic: Audio", "usb:1-1.2"),
        ("default", "default"),
    ]
    assert refusal(devices, "usb mic") == (
        "several input devices match 'usb mic': 'USB Mic: Audio' (usb:1-1.4), 'USB Mic: Audio' (usb:1-1.2); "
        "give the identity of one, see aegan-monitor devices"
    )
    assert refusal(devices, "hw:1") == (
        "no input device matches 'hw:1'; available: 'USB Mic: Audio' (usb:1-1.4), 'USB Mic: Audio' (usb:1-1.2), 'default' (default), "
        "see aegan-monitor devices"
    )
    assert devices.find(None).identity == "usb:1-1.4"
    devices.open(devices.find("usb:1-1.2"))
    assert portaudio.opened == ["(hw:2,0)"]


def test_an_ambiguous_identity_is_refused(tmp_path: Path) -> None:
    """Two cards with one serial number, and a card with two capture devices, are refused."""
    plug(tmp_path, 1, "A", usb_path="1-1", serial="0001")
    plug(tmp_path, 2, "B", usb_path="1-2", serial="0001")
    plug(tmp_path, 3, "C", devices=(0, 1))
    devices = Devices(no_server(), AlsaCards(tmp_path), FalsePortAudio())
    assert refusal(devices, "usb:0001") == "several devices are usb:0001: usb:1-1, usb:1-2; name one of these"
    assert refusal(devices, "alsa:C") == "several devices are alsa:C: alsa:C,0, alsa:C,1; name one of these"
    assert devices.find("alsa:C,1").place == "(hw:3,1)"
    for device in AlsaCards(tmp_path).list_devices():
        assert devices.find(device.identity).place == f"(hw:{device.card},{device.device})"


def test_a_card_that_changes_its_number_is_not_mistaken(tmp_path: Path) -> None:
    """If the card number changes while opening, the device is closed again."""
    plug(tmp_path / "before", 1, "Device", usb_path="1-1.4")
    plug(tmp_path / "after", 2, "Device", usb_path="1-1.4")
    found = Devices(no_server(), AlsaCards(tmp_path / "before"), FalsePortAudio()).find("usb:1-1.4")
    with pytest.raises(CaptureError, match=r"microphone 'USB Audio \(usb:1-1.4\)': was plugged in anew while it was opened; trying again"):
        Devices(no_server(), AlsaCards(tmp_path / "after"), FalsePortAudio()).open(found)


def test_sources_and_cards_are_listed_together(tmp_path: Path) -> None:
    """With a sound server ALSA's plug-ins are not listed; without PortAudio the server's sources are."""
    plug(tmp_path, 1, "Device", usb_path="1-1.4")
    server, portaudio = FalseServer(MICROPHONES[0]), FalsePortAudio("default", "pulse", "USB Mic (hw:1,0)")
    devices = Devices(server, AlsaCards(tmp_path), portaudio)
    assert [device.identity for device in devices.list_all()] == ["pulse:usb-left", "usb:1-1.4"]
    portaudio.names = None
    assert [device.identity for device in devices.list_all()] == ["pulse:usb-left"]
    server.sources = None
    with pytest.raises(CaptureError, match="PortAudio is not installed"):
        devices.list_all()


def test_no_device_is_reported(tmp_path: Path) -> None:
    """Without any device, default or not, the error says so."""
    devices = Devices(no_server(), AlsaCards(tmp_path), FalsePortAudio())
    assert refusal(devices, None) == "there is no default input device; available: none, see aegan-monitor devices"
    with pytest.raises(CaptureError) as caught:
        devices.list_all()
    assert str(caught.value) == "no microphone found: no sound card has one, and no sound server"
    assert Devices(FalseServer(), AlsaCards(tmp_path), FalsePortAudio()).list_all() == []


def test_a_sound_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """A sound server that does not answer is named with its address, not reported as without microphone."""
    address = f"unix:{tmp_path}/none"
    devices = Devices(PulseServer(environ={"PULSE_SERVER": address}), AlsaCards(tmp_path), FalsePortAudio())
    with pytest.raises(CaptureError) as caught:
        devices.list_all()
    assert str(caught.value) == (
        f"no microphone found: no sound card has one, and no sound server at {address} (No such file or directory); "
        "start it, or name its address in PULSE_SERVER"
    )


def test_a_loudspeaker_is_no_default_microphone(tmp_path: Path) -> None:
    """A default source that is a monitor is refused unless it is named."""
    devices = Devices(FalseServer(make_source("pci.monitor", monitor=True, default=True)), AlsaCards(tmp_path), FalsePortAudio())
    assert refusal(devices, None) == (
        "there is no microphone, and the default input is the sound of an output; plug one in, or name pulse:pci.monitor to use that"
    )
    assert devices.find("pci.monitor").identity == "pulse:pci.monitor"


def test_a_look_tells_what_has_come(tmp_path: Path) -> None:
    """A source that returns counts as news; a card does not, for a capture that waits for a source."""
    server = FalseServer(MICROPHONES[0])
    devices = Devices(server, AlsaCards(tmp_path), FalsePortAudio())
    sources, all_before = devices.look("pulse:usb-left"), devices.look(None)
    assert devices.look("pulse:usb-left") == sources
    plug(tmp_path, 1, "Device", usb_path="1-1.4")
    assert devices.look("pulse:usb-left") == sources
    assert devices.look(None) != all_before
    server.sources = [make_source("usb-left", "Pump microphone", default=True, index=7)]
    assert devices.look("pulse:usb-left") != sources
    before = devices.look("usb:1-1.4")
    server.sources = None
    assert devices.look("usb:1-1.4") == before


def test_a_hanging_server_is_not_no_server(tmp_path: Path) -> None:
    """With a hanging sound server devices are not looked for elsewhere."""
    server = FalseServer()
    server.hangs = True
    devices = Devices(server, AlsaCards(tmp_path), FalsePortAudio("USB Mic (hw:1,0)"))
    for wanted in (None, "usb"):
        with pytest.raises(CaptureError, match="the sound server hangs") as caught:
            devices.find(wanted)
        assert caught.value.fault == "stalled"


def test_a_name_is_one_line_and_steers_no_terminal(tmp_path: Path) -> None:
    """Names of sources, cards, serial numbers and devices are printed without control characters."""
    evil, told = "Mic\n<2>pump: alarm raised\x1b[2J", r"Mic\n<2>pump: alarm raised\x1b[2J"
    plug(tmp_path, 1, evil, serial=evil)
    plug(tmp_path, 2, "Device", usb_path="1-1.4", serial="0\x1b[2J1")
    devices = Devices(FalseServer(make_source("usb\x07", evil)), AlsaCards(tmp_path), FalsePortAudio(f"{evil} (hw:1,0)"))
    assert [(device.name, device.identity) for device in devices.list_all()] == [(told, r"pulse:usb\x07"), (told, f"alsa:{told}")]
    assert refusal(devices, "yard") == f"no input device matches 'yard'; available: {told!r} (pulse:usb\\x07), see aegan-monitor devices"
    assert refusal(devices, "alsa:x").startswith(f"no sound card is alsa:x; available: alsa:{told}, usb:1-1.4; ")
    assert devices.find(f"alsa:{told}").place == "(hw:1,0)"
    assert devices.find(r"usb:0\x1b[2J1").place == "(hw:2,0)"
    bare = Devices(no_server(), AlsaCards(tmp_path / "none"), FalsePortAudio(evil))
    assert [(device.name, device.identity, device.place) for device in bare.list_all()] == [(told, told, evil)]
