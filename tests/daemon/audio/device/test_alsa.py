"""Sound cards in an imitated `/proc` and `/sys`: identified by id, USB path or serial number, never by card number."""

import shutil
import threading
from pathlib import Path

import pytest

from aegan_monitor.audio.device.alsa import AlsaCards
from soundcard import plug


def test_cards_are_listed_by_what_stays(tmp_path: Path) -> None:
    """A USB card has its path as identity, another card its id; playback-only cards are left out."""
    plug(tmp_path, 0, "PCH", devices=(0, 2))
    plug(tmp_path, 1, "HDMI", devices=())
    plug(tmp_path, 10, "Device", usb_path="1-1.4", serial="A17")
    found = AlsaCards(tmp_path).list_devices()
    assert [(device.card, device.device, device.identity) for device in found] == [
        (0, 0, "alsa:PCH,0"),
        (0, 2, "alsa:PCH,2"),
        (10, 0, "usb:1-1.4"),
    ]
    assert (found[2].name, found[2].usb_serial) == ("USB Audio", "A17")


@pytest.mark.parametrize(
    ("identity", "places"),
    [
        ("alsa:PCH", [(0, 0), (0, 2)]),
        ("alsa:PCH,2", [(0, 2)]),
        ("alsa:PC", []),
        ("alsa:0", []),
        ("usb:1-1.4", [(5, 0)]),
        ("usb:A17", [(5, 0), (6, 0)]),
        ("usb:1-1", []),
        ("usb:", []),
        ("alsa:Device_1,0", [(6, 0)]),
    ],
)
def test_an_identity_means_what_it_says(tmp_path: Path, identity: str, places: list[tuple[int, int]]) -> None:
    """An identity matches whole words only and no card number; an ambiguous one lists all matches."""
    plug(tmp_path, 0, "PCH", devices=(0, 2))
    plug(tmp_path, 5, "Device", usb_path="1-1.4", serial="A17")
    plug(tmp_path, 6, "Device_1", usb_path="1-1.2", serial="A17")
    assert [(device.card, device.device) for device in AlsaCards(tmp_path).find(identity)] == places


def test_a_card_keeps_its_identity_under_another_number(tmp_path: Path) -> None:
    """A card that is plugged in again under another number keeps its identity."""
    plug(tmp_path / "before", 1, "Device", usb_path="1-1.4")
    plug(tmp_path / "after", 1, "Webcam", usb_path="1-1.1")
    plug(tmp_path / "after", 2, "Device", usb_path="1-1.4")
    assert [device.card for device in AlsaCards(tmp_path / "before").find("usb:1-1.4")] == [1]
    assert [device.card for device in AlsaCards(tmp_path / "after").find("usb:1-1.4")] == [2]


def test_no_sound_system_is_no_card(tmp_path: Path) -> None:
    """Without `/proc/asound` there are no cards."""
    assert AlsaCards(tmp_path).list_devices() == []


def test_a_card_that_goes_while_it_is_listed_is_no_card(tmp_path: Path) -> None:
    """A card that disappears during the listing is left out."""
    plug(tmp_path, 0, "PCH")
    card, over = tmp_path / "proc" / "asound" / "card1", threading.Event()

    def flap() -> None:
        while not over.is_set():
            (card / "pcm0c").mkdir(parents=True)
            shutil.rmtree(card)

    flapping = threading.Thread(target=flap)
    flapping.start()
    try:
        for _ in range(2000):
            assert AlsaCards(tmp_path).list_devices()[0].identity == "alsa:PCH"
    finally:
        over.set()
        flapping.join()
