"""The first use on real data: a photograph and a sound as files. Needs the core only.

    python tasks/examples/demo.py [FOLDER]

Writes to FOLDER (demo_output): encoded files, `side_by_side.png` (each quality beside the JPEG of equal bytes) and the
decoded sound.
"""

import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from laconic.codecs import Lcn, decode, encode
from laconic.codecs import open as open_picture
from laconic.codecs.codec import Codec
from laconic.codecs.external.mp3 import Mp3
from laconic.codecs.files import read_sound, signal_bytes
from laconic.codecs.media import Audio
from laconic.tasks.measures.picture_distortion import psnr
from laconic.tasks.measures.rate import bits_per_pixel, kilobits_per_second
from laconic.tasks.measures.sound_distortion import log_mel_distance, snr_db

DATA = Path(__file__).parents[2] / "tests" / "data"
QUALITIES = (30, 50, 70)
CAPTION_HEIGHT = 18
Row = tuple[tuple[str, np.ndarray], ...]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output")
    folder.mkdir(parents=True, exist_ok=True)
    _show_photograph(DATA / "kodim23_crop.png", folder)
    _show_sound(DATA / "ljspeech_excerpt.flac", folder)


def _show_photograph(path: Path, folder: Path) -> None:
    """Encode at three qualities, decode, compare with JPEG at equal bytes."""
    picture = open_picture(path)
    encode(picture)  # loads the model, so that the times below are those of a running program
    print(f"1. A photograph: {path.name}, {picture.width}x{picture.height}")
    print("quality   bytes    bpp  PSNR dB  encode ms  decode ms   JPEG at equal bytes")
    rows: list[Row] = [((f"original: {path.stat().st_size} bytes", np.asarray(picture)),)]
    for quality in QUALITIES:
        start = time.perf_counter()
        data = encode(picture, quality=quality)
        encoded = time.perf_counter()
        shown = decode(data)
        decoded = time.perf_counter()
        (folder / f"{path.stem}_q{quality}.lcn").write_bytes(data)
        jpeg, jpeg_bytes = _jpeg_of_size(picture.to_pillow(), len(data))
        ours, theirs = psnr(picture, shown), psnr(np.asarray(picture), jpeg)
        print(
            f"{quality:7d} {len(data):7d} {bits_per_pixel(data, (picture.height, picture.width)):6.3f} {ours:8.2f} "
            f"{1e3 * (encoded - start):10.1f} {1e3 * (decoded - encoded):10.1f}   {jpeg_bytes} bytes, {theirs:.2f} dB"
        )
        caption = f"laconic q{quality}: {len(data)} bytes, {ours:.2f} dB"
        rows.append(((caption, np.asarray(shown)), (f"JPEG: {jpeg_bytes} bytes, {theirs:.2f} dB", jpeg)))
    sheet(rows).save(folder / "side_by_side.png")
    print(f"   look at {folder / 'side_by_side.png'}\n")


def _show_sound(path: Path, folder: Path) -> None:
    """Encode speech at three qualities, beside MP3."""
    sound = read_sound(path)
    print(f"2. A sound: {path.name}, {sound.duration_seconds:.1f} s at {sound.sample_rate} Hz")
    print('   Recognisers ask for small log-mel distances, for which Lcn is, or with tune="snr" for a high SNR.')
    ours: list[Codec[Any]] = [Lcn(quality=quality) for quality in QUALITIES]
    theirs: list[Codec[Any]] = [Mp3(compression_level=0.9), Mp3(compression_level=0.5)]
    for codec in (*ours, *theirs):
        data = codec.encode(sound)
        decoded = codec.decode(data)
        assert isinstance(decoded, Audio)
        rate = kilobits_per_second(data, sound.duration_seconds)
        distance_db = log_mel_distance(sound, decoded, sound.sample_rate)
        print(
            f"   {type(codec).__name__:8} {len(data):6d} bytes {rate:6.1f} kbit/s  log-mel distance {distance_db:4.2f} dB, "
            f"SNR {snr_db(sound, decoded):5.1f} dB"
        )
        if codec == Lcn(quality=QUALITIES[1]):
            (folder / "speech.wav").write_bytes(signal_bytes(decoded, ".wav"))
    print(f"   listen to {folder / 'speech.wav'} (quality {QUALITIES[1]})\n")


def _jpeg_of_size(picture: PillowImage.Image, num_bytes: int) -> tuple[np.ndarray, int]:
    """The smallest optimised, progressive JPEG that is not smaller than `num_bytes`, and its size."""
    for quality in range(1, 96):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.tell() >= num_bytes:
            break
    return np.asarray(PillowImage.open(file)), file.tell()


def sheet(rows: Sequence[Row]) -> PillowImage.Image:
    """Captioned pictures in rows."""
    height, width = rows[0][0][1].shape[:2]
    out = PillowImage.new("RGB", (2 * width, len(rows) * (height + CAPTION_HEIGHT)), "white")
    draw = ImageDraw.Draw(out)
    for y, row in enumerate(rows):
        for x, (caption, pixels) in enumerate(row):
            top = y * (height + CAPTION_HEIGHT)
            draw.text((x * width + 4, top + 3), caption, fill="black")
            out.paste(PillowImage.fromarray(pixels), (x * width, top + CAPTION_HEIGHT))
    return out


if __name__ == "__main__":
    main()
