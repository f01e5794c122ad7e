"""The script that compares folders with the peers' decode: what it counts, and that it sees what is planted."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from PIL import Image as PillowImage

HERE = Path(__file__).parent
RATE_HZ = 16_000


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("compare_folder")


@pytest.fixture
def signals(compare: ModuleType) -> ModuleType:
    return importlib.import_module("compare_signals")


def ramps() -> PillowImage.Image:
    y, x = np.mgrid[0:40, 0:56]
    return PillowImage.fromarray(np.stack([4 * x, 5 * y, 255 - 2 * x - y], axis=2).astype(np.uint8))


def folder_of_four(folder: Path) -> Path:
    """A picture, a file of two pages, a text and a sound."""
    folder.mkdir()
    ramps().save(folder / "a.png")
    ramps().save(folder / "b.tif", save_all=True, append_images=[ramps()])
    (folder / "c.txt").write_text("no signal at all")
    soundfile.write(folder / "d.wav", 0.3 * np.sin(np.arange(8000) / 5), RATE_HZ)
    return folder


def test_a_folder_is_counted_by_outcome(tmp_path: Path) -> None:
    folder = folder_of_four(tmp_path / "in")
    command = [sys.executable, str(HERE / "compare_folder.py"), str(folder), "--processes", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    counts = [int(line.split()[0]) for line in done.stdout.splitlines()]
    assert counts == [2, 1, 1, 0, 0, 0, 0, 0, 0]


def test_a_planted_difference_is_found(compare: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of_four(tmp_path / "in")
    shutil.copy(folder / "a.png", folder / "turned.png")
    current: list[Path] = []

    def turning(verb: str, *arguments: object) -> object:
        done = compare.laconic(verb, *arguments)
        if verb == "decode" and current[-1].name == "turned.png":
            with PillowImage.open(done.fields["output"]) as picture:
                picture.transpose(PillowImage.Transpose.ROTATE_180).save(done.fields["output"])
        return done

    def results() -> object:
        for path in compare.files_below([folder], None):
            current.append(path)
            yield compare.compare_file(path, tmp_path, turning)

    assert compare.report(results()) == 1
    first, *counts = capsys.readouterr().out.splitlines()
    assert first.startswith(f"DIFFERENT WITHOUT A WORD: {folder}/turned.png: PSNR ")
    assert [int(line.split()[0]) for line in counts] == [2, 1, 1, 0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("verb", "run", "outcome"),
    [
        ("encode", {"code": 1, "fault": "Traceback"}, "CRASH"),
        ("encode", {"code": 1, "fields": {"error": "it is no picture"}}, "REFUSED_ALONE"),
        ("info", {"code": 0, "fields": {"kind": "sound"}}, "SILENT"),
        ("verify", {"code": 1}, "BROKEN"),
        ("decode", {"code": 0, "fault": "a line of a library"}, "CRASH"),
    ],
)
def test_what_commands_do_wrong_is_found(
    compare: ModuleType, tmp_path: Path, verb: str, run: dict[str, object], outcome: str
) -> None:
    ramps().save(tmp_path / "a.png")

    def broken(name: str, *arguments: object) -> object:
        done = compare.laconic(name, *arguments)
        return compare.Run(**run) if name == verb else done

    assert compare.compare_file(tmp_path / "a.png", tmp_path, broken).outcome == compare.Outcome[outcome]


def test_a_line_written_past_python_and_a_traceback_are_faults(
    compare: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object, **__: object) -> None:
        os.write(2, b"libtiff: oh\n")
        raise KeyError("a bug")

    with compare._written_past_python() as file, pytest.raises(KeyError):
        write()
    monkeypatch.setattr("laconic.tasks.cli.jobs.find_job_sources", write)
    assert "KeyError: 'a bug'" in compare.laconic("info", "x").fault
    assert file.closed


def test_a_process_that_takes_too_long_or_ends_is_replaced(compare: ModuleType, tmp_path: Path) -> None:
    ramps().save(tmp_path / "a.png")
    worker = compare.Worker(seconds=0)
    assert worker.compare(tmp_path / "a.png").outcome is compare.Outcome.TIME_OUT
    worker._seconds = 300
    worker._process.kill()
    worker._process.join()
    assert worker.compare(tmp_path / "a.png").outcome is compare.Outcome.CRASH
    assert worker.compare(tmp_path / "a.png").outcome is compare.Outcome.SAME
    worker.close()


def test_a_limit_takes_files_of_every_folder(compare: ModuleType, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(10):
            (tmp_path / name / f"{number}").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in compare.files_below([tmp_path], 3)]
    assert found == ["a/0", "a/4", "a/8", "b/0", "b/4", "b/8"]


PICTURE_FAULTS = {
    "size": lambda p, cls: cls(p.pixels[1:], p.icc, p.exif, 1, False),
    "alpha": lambda p, cls: cls(np.dstack([p.pixels[:, :, :3], p.pixels[:, :, 3:] * 0 + 1]), p.icc, p.exif, 1, False),
    "pixels": lambda p, cls: cls(p.pixels[::-1], p.icc, p.exif, 1, False),
    "icc": lambda p, cls: cls(p.pixels, b"", p.exif, 1, False),
    "exif": lambda p, cls: cls(p.pixels, p.icc, {}, 1, False),
}


@pytest.mark.parametrize("kind", PICTURE_FAULTS)
def test_differences_of_pictures(signals: ModuleType, kind: str, tmp_path: Path) -> None:
    picture = ramps()
    picture.putalpha(PillowImage.new("L", picture.size, 90))
    exif = PillowImage.Exif()
    exif[0x010F] = "a camera"
    picture.save(tmp_path / "a.png", icc_profile=b"profile", exif=exif)
    expected = signals.read_peer(tmp_path / "a.png")
    assert list(signals.differences(expected, expected)) == []
    found = PICTURE_FAULTS[kind](expected, signals.Picture)
    assert [difference.kind for difference in signals.differences(expected, found)] == [kind]


@pytest.mark.parametrize("error", [2 / 255, -2 / 255])
def test_a_shift_of_all_pixels_is_seen(signals: ModuleType, error: float) -> None:
    pixels = np.ones((9, 9, 4), np.float32)
    pixels[..., :3] = 0.5
    shifted = pixels + np.float32(error) * np.array([0, 1, 0, 0], np.float32)
    pictures = [signals.Picture(each, b"", {}, 1, False) for each in (pixels, shifted)]
    assert [difference.kind for difference in signals.differences(*pictures)] == ["pixels"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
def test_the_peer_is_read_upright(signals: ModuleType, orientation: int, extension: str, tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[274] = orientation
    ramps().save(tmp_path / f"a.{extension}", exif=exif)
    shown = signals.read_peer(tmp_path / f"a.{extension}").pixels
    assert shown.shape[:2] == ((40, 56) if orientation < 5 else (56, 40))
    corner = shown[0 if orientation in (1, 2, 5, 6) else -1, 0 if orientation in (1, 4, 5, 8) else -1]
    assert np.abs(corner - [0, 0, 1, 1]).max() < 0.1  # of the stored row 0 and column 0


def sines() -> np.ndarray:
    t = np.arange(9000)
    noise = np.random.default_rng(0).normal(0, 1, (2, 9000))
    return np.stack([0.5 * np.sin(t / 7), 0.001 * np.cos(t / 9)]) + [[0.1], [0.0001]] * noise


SOUND_FAULTS = {
    "rate": lambda s, cls: cls(s.samples, 8000),
    "channels": lambda s, cls: cls(s.samples[:1], s.rate_hz),
    "length": lambda s, cls: cls(s.samples[:, :-1], s.rate_hz),
    "samples": lambda s, cls: cls(s.samples * [[1], [0]], s.rate_hz),
}


@pytest.mark.parametrize("kind", SOUND_FAULTS)
def test_differences_of_sounds(signals: ModuleType, kind: str) -> None:
    expected = signals.Sound(sines(), RATE_HZ)
    assert list(signals.differences(expected, signals.Sound(sines() * 1.001, RATE_HZ))) == []
    found = SOUND_FAULTS[kind](expected, signals.Sound)
    assert [difference.kind for difference in signals.differences(expected, found)] == [kind]


def test_a_lag_is_told(signals: ModuleType) -> None:
    found = [signals.Sound(np.roll(sines(), lag, axis=1), RATE_HZ) for lag in (0, 5, -3)]
    for lag, late in ((5, found[1]), (-3, found[2])):
        first = next(signals.differences(found[0], late))
        assert first.text.endswith(f"is best at a lag of {lag}")


def test_a_difference_is_said_by_a_note_of_its_kind_only(signals: ModuleType) -> None:
    frames = signals.Difference("frames", "3 frames became 1")
    assert frames.is_said(["the first of 3 frames was taken"])
    assert not frames.is_said(["CMYK was converted to sRGB"])
    assert not signals.Difference("size", "4x3 became 3x4").is_said(["the first of 3 frames was taken"])


def test_a_sound_is_no_picture(signals: ModuleType, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sines().T, RATE_HZ)
    ramps().save(tmp_path / "a.png")
    sound, picture = (signals.read_peer(tmp_path / name) for name in ("a.wav", "a.png"))
    assert [difference.kind for difference in signals.differences(sound, picture)] == ["signal"]


def test_a_sound_is_read_by_its_content(signals: ModuleType, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sines().T, RATE_HZ)
    (tmp_path / "a.wav").rename(tmp_path / "a.raw")
    assert signals.read_peer(tmp_path / "a.raw").rate_hz == RATE_HZ
    (tmp_path / "b.raw").write_bytes(bytes(10))
    assert signals.read_peer(tmp_path / "b.raw") is None
