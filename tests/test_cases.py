"""Files that went wrong once, each with its right value; the folder of them stands beside the project, or nothing runs.

What the project's own tests make themselves is the same kinds of files; these are the very ones that were met.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps
from typer.testing import CliRunner

from laconic.codecs.files import read_image
from laconic.entropy import LimitError, Limits
from laconic.tasks.cli import app
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.measures.sound_distortion import log_mel_distance

CASES = Path(__file__).parents[1].parent / "shared" / "cases"
PICTURES, SOUNDS = CASES / "pictures", CASES / "sounds"
ORIENTATION, MAKE = 274, 271
# By quality: dB that a picture and a sound keep at least, and a bit less than white noise does.
PICTURE_DB = {50: 25, 90: 43}
SOUND_DB = {20: 10, 50: 23, 80: 43, 90: 48}

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is not there")


def laconic(*arguments: object, exit_code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def item_of(*arguments: object) -> dict[str, Any]:
    """What a command says of its file in JSON."""
    found: dict[str, Any] = json.loads(laconic(*arguments, "--json").stdout)
    return found


def decoded(
    path: Path, folder: Path, *, quality: int = 90, extension: str | None = None, tune: str | None = None
) -> Path:
    """The file that a file becomes through `encode` and `decode`."""
    ours = folder / "x.lcn"
    laconic("encode", path, "--quality", quality, "-o", ours, "--force", *([] if tune is None else ["--tune", tune]))
    options = [] if extension is None else ["--format", extension]
    return Path(item_of("decode", ours, "-o", f"{folder / 'out'}/", "--force", *options)["output"])


def shown(path: Path) -> NDArray[Any]:
    """Upright RGB by Pillow."""
    with PillowImage.open(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB")).astype(float)


def psnr_db(expected: NDArray[Any], found: NDArray[Any], most: int = 255) -> float:
    assert expected.shape == found.shape
    error = expected.astype(float) - found.astype(float)
    return float(10 * np.log10(most**2 / max(np.mean(error**2), 1e-9)))


def snr_db(expected: NDArray[Any], found: NDArray[Any]) -> NDArray[Any]:
    """Of each channel of samples (t, channels)."""
    assert expected.shape == found.shape
    error: NDArray[Any] = np.sum((found - expected) ** 2, axis=0)
    return 10 * np.log10(np.sum(expected**2, axis=0) / np.maximum(error, 1e-30))


def sound_of(path: Path) -> NDArray[Any]:
    samples: NDArray[Any] = soundfile.read(path, always_2d=True)[0]
    return samples


def check_bar_on_top(path: Path, folder: Path) -> None:
    """A bright bar on the upper quarter, in what is decoded and in what is packed for training."""
    expected = shown(path)
    assert expected.shape == (96, 64, 3)
    pictures = [shown(decoded(path, folder, extension=extension)) for extension in ("png", "bmp", "tif", "ppm", "jpg")]
    pictures.append(read_image(decoded(path, folder, extension="npy")).samples)
    pictures.append(read_signal(path, "image", Framing()).samples)
    for picture in pictures:
        assert psnr_db(expected, np.broadcast_to(picture, expected.shape)) > 35
        assert picture[:24].mean() - picture[24:].mean() > 25


def check_alpha_of_a_palette(path: Path, folder: Path) -> None:
    found = np.asarray(PillowImage.open(decoded(path, folder)))
    with PillowImage.open(path) as picture:
        expected = np.asarray(picture.convert("RGBA"))
    assert [(found[..., 3] == value).sum() for value in (0, 128, 255)] == [1248, 1296, 1296]
    assert np.array_equal(found[..., 3], expected[..., 3])
    is_seen = expected[..., 3] > 0
    assert psnr_db(expected[is_seen], found[is_seen]) > PICTURE_DB[90]


def check_transparent_value_of_16_bits(path: Path, folder: Path) -> None:
    found = read_image(decoded(path, folder)).samples
    expected = np.asarray(PillowImage.open(path)).astype(np.uint16)
    assert (found.dtype, found.shape) == (np.uint16, (48, 80, 2))
    assert np.array_equal(found[..., 1], np.where(expected == 65535, 0, 65535))
    assert (found[..., 1] == 0).sum() == 240
    is_seen = expected < 65535
    assert psnr_db(expected[is_seen], found[..., 0][is_seen], most=65535) > PICTURE_DB[90]


def check_bad_text(path: Path, folder: Path) -> None:
    result = laconic("encode", path, "--quality", 90, "-o", folder / "x.lcn")
    assert result.stderr == f"laconic: {path}: its EXIF block is damaged and was left out\n"
    with PillowImage.open(path) as picture:
        assert psnr_db(np.asarray(picture), shown(decoded(path, folder))) > PICTURE_DB[90]


def check_orientation_of_xmp(path: Path, folder: Path) -> None:
    expected = shown(path)
    assert expected.shape == (80, 48, 3)
    for extension in ("png", "bmp"):
        assert psnr_db(expected, shown(decoded(path, folder, extension=extension))) > 35
    with PillowImage.open(decoded(path, folder)) as picture:
        assert dict(picture.getexif()) == {ORIENTATION: 6, MAKE: "maker"}


def check_default_decode_of_16_bit_colour(path: Path, folder: Path) -> None:
    found, expected = decoded(path, folder), read_image(path).samples
    assert found.suffix == ".png"
    assert (expected.dtype, expected[-1, -1].tolist()) == (np.uint16, [60909, 60395, 64764])
    assert psnr_db(expected, read_image(found).samples, most=65535) > PICTURE_DB[90]


def check_pages(path: Path, folder: Path) -> None:
    result = laconic("encode", path, "-o", folder / "x.lcn")
    said = f"laconic: {path}: the first of 3 pages was taken; --frame (frame=) 1 to 2 takes another"
    assert said in result.stderr.splitlines()
    for number, means in enumerate(((132.7, 115.8, 124.1), (100.5, 85.6, 91.9), (73.6, 70.2, 75.0))):
        result = laconic("encode", path, "--quality", 90, "--frame", number, "-o", folder / "x.lcn", "--force")
        laconic("decode", folder / "x.lcn", "--force")
        assert "pages was taken" not in result.stderr
        assert np.abs(shown(folder / "x.png").mean(axis=(0, 1)) - means).max() < 0.5


def check_damaged_png(path: Path, folder: Path) -> None:
    error = laconic("encode", path, "-o", folder / "x.lcn", exit_code=1).stderr
    assert error.startswith(f"laconic: {path}: the PNG file is damaged: ")
    assert error.count("\n") == 1
    assert "file type" not in error


def check_192_megapixels(path: Path, folder: Path) -> None:
    assert not read_image(path).samples.any()
    assert read_image(path).samples.shape == (12000, 16000, 1)
    with pytest.raises(LimitError, match="12000 x 16000 pixels, over the limit of 191999999; raise max_pixels"):
        read_image(path, limits=Limits(max_pixels=191_999_999))


def check_12_bits_in_16(path: Path, folder: Path) -> None:
    expected = np.asarray(PillowImage.open(path)).astype(int)
    for quality in (50, 90):
        found = decoded(path, folder, quality=quality)
        assert item_of("info", folder / "x.lcn")["bit_depth"] == 12
        samples = np.asarray(PillowImage.open(found))
        assert samples.max() < 4096
        assert psnr_db(expected, samples, most=4095) > PICTURE_DB[quality]
    result = laconic("encode", path, "-o", folder / "x.lcn", "--force")
    assert "16-bit samples count as 12 bits" in result.stderr


PICTURE_CHECKS: dict[str, Callable[[Path, Path], None]] = {
    "orient6_palette.tif": check_bar_on_top,
    "orient6_jpeg_rgb.tif": check_bar_on_top,
    "orient6_g4.tif": check_bar_on_top,
    "orient6_lzw_control.tif": check_bar_on_top,
    "palette_rgba.tga": check_alpha_of_a_palette,
    "grey16_trns.png": check_transparent_value_of_16_bits,
    "rawprofile_badhex.png": check_bad_text,
    "xmp_orient6_exif_without.jpg": check_orientation_of_xmp,
    "rgb16.tif": check_default_decode_of_16_bit_colour,
    "three_pages.tif": check_pages,
    "png_badcrc_ihdr.png": check_damaged_png,
    "mono_16000x12000.png": check_192_megapixels,
    "grey12in16.png": check_12_bits_in_16,
}


def check_no_silence(path: Path, folder: Path) -> None:
    expected = sound_of(path)
    for quality in (20, 50, 80):
        of_waveform = sound_of(decoded(path, folder, quality=quality, tune="snr"))
        assert snr_db(expected, of_waveform).min() > SOUND_DB[quality]
        usual = sound_of(decoded(path, folder, quality=quality))
        assert 0.5 < np.square(usual).sum() / np.square(expected).sum() < 2


def check_quiet_channel(path: Path, folder: Path) -> None:
    for quality in (50, 80):
        left, right = snr_db(sound_of(path), sound_of(decoded(path, folder, quality=quality, tune="snr")))
        assert left > SOUND_DB[quality]
        assert right > left - 6  # of its own level; rounding to 16 bits takes its part
        energies = np.square(sound_of(decoded(path, folder, quality=quality))).sum(axis=0)
        assert (np.abs(10 * np.log10(energies / np.square(sound_of(path)).sum(axis=0))) < 1).all()


def check_harmonics(path: Path, folder: Path) -> None:
    expected = sound_of(path)
    assert snr_db(expected, sound_of(decoded(path, folder, quality=50, tune="snr"))).min() > 28
    usual = sound_of(decoded(path, folder, quality=50))
    assert log_mel_distance(expected.T, usual.T, 48_000) < 2
    found = sound_of(decoded(path, folder, quality=80))
    spectrum, original = (np.abs(np.fft.rfft(samples[:, 0] * np.hanning(24_000))) for samples in (found, expected))
    assert 20 * np.log10(spectrum[7600 // 2 : 8700 // 2].max() / original.max()) < -65  # lines of 2 Hz


def check_number_of_samples_that_the_file_does_not_tell(path: Path, folder: Path) -> None:
    with soundfile.SoundFile(path) as file:
        file.seekable = lambda: False  # soundfile would seek at the end, and fail
        expected = file.read(8000, always_2d=True)
        assert len(file.read(1)) == 0
    assert snr_db(expected, sound_of(decoded(path, folder))).min() > SOUND_DB[90]


def check_batch(path: Path, folder: Path) -> None:
    result = laconic("encode", path, "-o", f"{folder}/", "-j", 1)
    assert sorted(each.stem for each in folder.glob("*.lcn")) == ["a", "b", "b2", "c", "d", "e"]
    assert "6 of 6 files done" in result.stderr
    for name in ("a", "b", "c", "d", "e"):
        decoded_file = decoded(path / f"{name}.wav", folder)
        assert snr_db(sound_of(path / f"{name}.wav"), sound_of(decoded_file)).min() > SOUND_DB[90]


def check_peak_above_full_scale(path: Path, folder: Path) -> None:
    expected, found = sound_of(path), sound_of(decoded(path, folder))
    assert np.abs(expected).max() == 1.5
    assert abs(np.abs(found).max() - 1.5) < 0.01
    assert snr_db(expected, found).min() > SOUND_DB[90]


def check_chain(path: Path, folder: Path) -> None:
    found = sound_of(decoded(path, folder))
    assert found.shape == (3 * 44_100, 1)
    assert snr_db(sound_of(path), found[:44_100]).min() > SOUND_DB[90]  # soundfile reads the first second
    assert np.sqrt(np.mean(found[44_100:] ** 2)) > 0.01


def check_big_endian(path: Path, folder: Path) -> None:
    assert snr_db(sound_of(path), sound_of(decoded(path, folder))).min() > SOUND_DB[90]


def check_channel_mask(path: Path, folder: Path) -> None:
    found = decoded(path, folder)
    levels = snr_db(sound_of(path), sound_of(found))
    assert len(levels) == 6
    assert levels.min() > SOUND_DB[80]
    body = found.read_bytes()
    at = body.index(b"fmt ") + 8
    tag, channels = struct.unpack_from("<HH", body, at)
    (mask,) = struct.unpack_from("<I", body, at + 20)
    assert (tag, channels, mask) == (0xFFFE, 6, 0x60F)


def check_title(path: Path, folder: Path) -> None:
    found = decoded(path, folder)
    assert snr_db(sound_of(path), sound_of(found)).min() > SOUND_DB[90]
    with soundfile.SoundFile(found) as file:
        assert file.title == "A title"


SOUND_CHECKS: dict[str, Callable[[Path, Path], None]] = {
    "click_minus48dB.wav": check_no_silence,
    "click_kept.wav": check_no_silence,
    "dither_1lsb.wav": check_no_silence,
    "quiet_right.flac": check_quiet_channel,
    "harmonics_220_4400.flac": check_harmonics,
    "flac_no_total.flac": check_number_of_samples_that_the_file_does_not_tell,
    "batch": check_batch,
    "peak1p5_float.wav": check_peak_above_full_scale,
    "chain.ogg": check_chain,
    "rifx.wav": check_big_endian,
    "m51side.wav": check_channel_mask,
    "tag.wav": check_title,
}


@pytest.mark.parametrize("name", PICTURE_CHECKS)
def test_picture(name: str, tmp_path: Path) -> None:
    PICTURE_CHECKS[name](PICTURES / name, tmp_path)


@pytest.mark.parametrize("name", SOUND_CHECKS)
def test_sound(name: str, tmp_path: Path) -> None:
    SOUND_CHECKS[name](SOUNDS / name, tmp_path)


@pytest.mark.parametrize(("folder", "checks"), [(PICTURES, PICTURE_CHECKS), (SOUNDS, SOUND_CHECKS)])
def test_every_case_is_tested(folder: Path, checks: dict[str, object]) -> None:
    assert set(checks) == {path.name for path in folder.iterdir()} - {"README", "README.txt"}
