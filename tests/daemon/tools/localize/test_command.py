"""`aegan-monitor localize`: its output, and what it refuses."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.cli import main
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from synthetic import RATE_HZ, add_tone, write_wav

CLIP_SAMPLES = 10 * RATE_HZ
ARRAYS = ["bands_hz", "denoised", "excess", "map", "mean_normal", "residual", "times_s"]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The built-in bundle."""
    return load_bundle(demo_bundle())


@pytest.fixture
def clip(bundle: Bundle, tmp_path: Path) -> Path:
    """A recording with a tone at 3 s."""
    return write_wav(tmp_path / "a$b$_é.wav", add_tone(bundle, Pump(52).read(CLIP_SAMPLES), 3000.0, 3.0, 20.0))


@pytest.mark.process
def test_the_command_writes_picture_arrays_and_words(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command writes a picture 1200 pixels wide and prints one line for each region."""
    pytest.importorskip("matplotlib")
    assert main(["localize", str(demo_bundle()), str(clip), "--out", str(tmp_path / "map.png")]) == 0

    out, err = capsys.readouterr()
    assert re.fullmatch(r"3\.0 to 3\.5 s, 2\.9\d to 3\.\d\d kHz: louder than expected, \d+ times the usual deviation\n", out)
    assert err == ""
    png = (tmp_path / "map.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png[16:20]) == 1200
    with np.load(tmp_path / "map.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ARRAYS
        assert {arrays[name].shape for name in ARRAYS if name not in ("bands_hz", "times_s")} == {(128, 313)}


def test_arrays_alone_need_no_picture(clip: Path, tmp_path: Path) -> None:
    """`--out map.npz` writes arrays alone."""
    assert main(["localize", str(demo_bundle()), str(clip), "--out", str(tmp_path / "map.npz")]) == 0
    assert sorted(path.name for path in tmp_path.glob("map*")) == ["map.npz"]


@pytest.mark.process
def test_without_the_plotting_library_a_picture_is_refused(clip: Path, tmp_path: Path) -> None:
    """Without the plotting library one line says what to install, before any computation."""
    out = tmp_path / "map.png"
    arguments = ["localize", str(demo_bundle()), str(clip), "--out", str(out)]
    program = f"import sys; sys.modules['matplotlib'] = None; from aegan_monitor.cli import main; sys.exit(main({arguments}))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"{out}: needs matplotlib: pip install 'aegan-monitor[plot]', or choose --out {out.with_suffix('.npz')}" in done.stderr
    assert not list(tmp_path.glob("map*"))


def test_a_full_disk_leaves_no_torn_arrays(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk gives one line and leaves no file."""
    before, out = resource.getrlimit(resource.RLIMIT_FSIZE), tmp_path / "map.npz"
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        assert main(["localize", str(demo_bundle()), str(clip), "--out", str(out)]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"{out}: cannot be written: File too large; choose another --out" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("bundle", "sound", "out", "code", "line"),
    [
        (demo_bundle(), "short.wav", "map.npz", 1, "short.wav: expected at least 4.06 s, found 1.00 s; record longer clips or remove it"),
        (demo_bundle(), "rate.wav", "map.npz", 1, "rate.wav: expected a rate of at least 16000 Hz, found 8000 Hz, so no sound "),
        (demo_bundle(), "none.wav", "map.npz", 1, "none.wav: expected a WAV or FLAC recording, found: No such file or directory"),
        (
            "none",
            "good.wav",
            "map.npz",
            1,
            "none: no such bundle folder; mount its disk, correct the path, or make one with: aegan-export RUN --out none",
        ),
        (demo_bundle(), "good.wav", "none/map.npz", 1, "none/map.npz: cannot be written: No such file or directory; choose another --out"),
        (demo_bundle(), "good.wav", "taken.npz", 1, "taken.npz: cannot be written: Is a directory; choose another --out"),
    ],
)
def test_bad_input_is_one_clear_line(
    bundle: Path,
    sound: str,
    out: str,
    code: int,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Bad recordings, bundles and output paths give one line and leave no picture."""
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "good.wav", Pump(52).read(5 * RATE_HZ))
    write_wav(tmp_path / "short.wav", np.zeros(16_000))
    write_wav(tmp_path / "rate.wav", np.zeros(8000), 8000)
    (tmp_path / "taken.npz").mkdir()

    assert main(["localize", str(bundle), sound, "--out", out]) == code
    reported = capsys.readouterr()
    assert reported.out == ""
    assert reported.err.startswith(f"aegan-monitor: {line}")
    assert reported.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.wav", "rate.wav", "short.wav", "taken.npz"]


def test_an_out_of_another_kind_is_wrong_usage(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another suffix of --out is wrong usage, found before any computation."""
    with pytest.raises(SystemExit) as stopped:
        main(["localize", str(demo_bundle()), str(clip), "--out", "map.jpg"])
    assert stopped.value.code == 2
    line = "aegan-monitor localize: error: argument --out: expected a path that ends in .png or .npz, found 'map.jpg'"
    assert capsys.readouterr().err.splitlines()[-1] == line
