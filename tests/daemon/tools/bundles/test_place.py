"""A bundle is put in place and taken back; whatever fails leaves what was there."""

import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.config.model import load_config
from aegan_monitor.detection.bundle import Bundle, load_bundle
from aegan_monitor.errors import AeganError, BundleError, ConfigError
from aegan_monitor.service.build import build
from aegan_monitor.service.inference import Sessions
from aegan_monitor.tools.bundles.command import change_bundle
from aegan_monitor.tools.bundles.place import exchange, find_previous, put_bundle, take_back
from fakes import ScriptedCapture
from other_bundles import find_digest, make_bundle


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three bundles, by their digests."""
    folder = tmp_path_factory.mktemp("bundles")
    return {make_bundle(folder / str(number), 1.0 + number): folder / str(number) for number in range(3)}


def list_hidden(folder: Path) -> list[str]:
    """What an installation has left beside the bundles."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@settings(max_examples=12)
@given(calls=st.lists(st.sampled_from([0, 1, 2, None]), max_size=5))
def test_place_and_previous_follow_the_calls(
    bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, calls: list[int | None]
) -> None:
    """Whatever is installed and rolled back (None): two bundles at most are kept, the present one and the one before."""
    target = tmp_path_factory.mktemp("box") / "pump"
    digests, present, previous = list(bundles), "", ""
    for call in calls:
        if call is not None:
            put_bundle(bundles[digests[call]], target, load_bundle)
            present, previous = (present, previous) if digests[call] == present else (digests[call], present)
        elif previous:
            take_back(target, load_bundle)
            present, previous = previous, present
        else:
            with pytest.raises(AeganError, match="pump.previous: no previous bundle is kept; install one with: aegan-monitor bundle"):
                take_back(target, load_bundle)
    for folder, digest in ((target, present), (find_previous(target), previous)):
        assert (find_digest(folder) if folder.exists() else "") == digest
    assert list_hidden(target.parent) == []


def refuse(folder: Path) -> Bundle:
    """A proof that fails."""
    raise BundleError(f"{folder}: golden check failed at z")


def test_what_is_refused_changes_nothing(bundles: dict[str, Path], tmp_path: Path) -> None:
    """A failed proof and damage name the source; the place, the previous bundle and the folder stay as they were."""
    one, two, three = bundles
    for digest in (one, two):
        put_bundle(bundles[digest], tmp_path / "pump", load_bundle)
    damaged = shutil.copytree(bundles[three], tmp_path / "damaged")
    with (damaged / "weights.bin").open("r+b") as file:
        file.write(b"other")
    with pytest.raises(BundleError, match=f"^{damaged}/weights.bin: expected sha256 "):
        put_bundle(damaged, tmp_path / "pump", load_bundle)
    with pytest.raises(BundleError, match=f"^{bundles[three]}: golden check failed at z$"):
        put_bundle(bundles[three], tmp_path / "pump", refuse)
    with pytest.raises(BundleError, match="pump.previous: golden check failed at z$"):
        take_back(tmp_path / "pump", refuse)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letters").touch()
    with pytest.raises(ConfigError, match="full: is there and is no bundle; remove it, or configure another folder"):
        put_bundle(bundles[three], tmp_path / "full", load_bundle)
    assert (find_digest(tmp_path / "pump"), find_digest(tmp_path / "pump.previous")) == (two, one)
    assert list_hidden(tmp_path) == []


def test_two_installations_do_not_meet(bundles: dict[str, Path], tmp_path: Path) -> None:
    """The second ends with one line while the first proves its bundle."""
    proving, go_on = threading.Event(), threading.Event()

    def prove(folder: Path) -> Bundle:
        proving.set()
        assert go_on.wait(30.0)
        return load_bundle(folder)

    first, second, _ = bundles.values()
    thread = threading.Thread(target=put_bundle, args=(first, tmp_path / "pump", prove))
    thread.start()
    assert proving.wait(30.0)
    with pytest.raises(AeganError, match="another aegan-monitor bundle works there; wait for its end"):
        put_bundle(second, tmp_path / "pump", load_bundle)
    go_on.set()
    thread.join(30.0)
    assert find_digest(tmp_path / "pump") == find_digest(first)


def test_no_line_mixes_two_bundles(bundles: dict[str, Path], tmp_path: Path) -> None:
    """A bundle that takes the place of another between the reading of its record and of its networks is read whole."""
    first, second, _ = bundles.values()
    target, other = (shutil.copytree(folder, tmp_path / folder.name) for folder in (first, second))
    (tmp_path / "monitor.yaml").write_text(f"node: box\nmachines: [{{name: pump, bundle: {target}}}]\n")

    class ExchangingSessions(Sessions):
        """Another bundle comes while the first one is read."""

        n_reads = 0

        def load_bundle(self, folder: Path) -> Bundle:
            """Load, and let the other one take the place."""
            loaded = super().load_bundle(folder)
            self.n_reads += 1
            if self.n_reads == 1:
                exchange(target, other)
            return loaded

    setup = build(load_config(tmp_path / "monitor.yaml"), lambda _, rate: ScriptedCapture([], rate), make_sessions=ExchangingSessions)
    assert setup.lines[0].bundle.record.record_sha256 == find_digest(second)


def test_the_bundle_of_the_demo_is_not_replaced(tmp_path: Path) -> None:
    """It is a part of the program: the line says what to configure."""
    from aegan_monitor.arguments import make_parser
    from aegan_monitor.detection.bundle import demo_bundle

    (tmp_path / "monitor.yaml").write_text(f"node: box\nmachines: [{{name: pump, bundle: {demo_bundle()}}}]\n")
    arguments = make_parser().parse_args(["bundle", "install", "pump.tar", "--config", str(tmp_path / "monitor.yaml")])
    with pytest.raises(
        ConfigError, match="machine pump: bundle: is the demo's; set a folder of its own, as /etc/aegan-monitor/bundles/pump"
    ):
        change_bundle(arguments, print, {})
