"""The main job on a real photograph: encode at three qualities, decode, compare with JPEG at equal bytes.

    python tasks/examples/demo.py [PICTURE] [FOLDER]

Writes the files and `side_by_side.png` to FOLDER (demo_output): on top the original, then for each quality ours on the
left and on the right the JPEG that is not smaller.
"""

import io
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from laconic.codecs import decode, encode
from laconic.codecs import open as open_picture
from laconic.tasks.distortion import psnr
from laconic.tasks.rate import bits_per_pixel

QUALITIES = (30, 50, 70)
CAPTION_HEIGHT = 18
Row = tuple[tuple[str, np.ndarray], ...]


def main() -> None:
    default = Path(__file__).parents[2] / "tests" / "data" / "kodim23_crop.png"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "demo_output")
    folder.mkdir(parents=True, exist_ok=True)
    picture = open_picture(path)
    encode(picture)  # loads the model, so that the times below are those of a running program
    print(f"{path.name}: {picture.width}x{picture.height}")
    print("quality   bytes    bpp  PSNR dB  encode ms  decode ms   JPEG at equal bytes")
    rows: list[Row] = []
    for quality in QUALITIES:
        start = time.perf_counter()
        data = encode(picture, quality=quality)
        encoded = time.perf_counter()
        shown = decode(data)
        decoded = time.perf_counter()
        (folder / f"{path.stem}_q{quality}.lcn").write_bytes(data)
        jpeg, jpeg_bytes = jpeg_of_size(picture.to_pillow(), len(data))
        ours, theirs = psnr(picture, shown), psnr(np.asarray(picture), jpeg)
        print(
            f"{quality:7d} {len(data):7d} {bits_per_pixel(data, (picture.height, picture.width)):6.3f} {ours:8.2f} "
            f"{1e3 * (encoded - start):10.1f} {1e3 * (decoded - encoded):10.1f}   {jpeg_bytes} bytes, {theirs:.2f} dB"
        )
        rows.append(
            (
                (f"laconic q{quality}: {len(data)} bytes, {ours:.2f} dB", np.asarray(shown)),
                (f"JPEG: {jpeg_bytes} bytes, {theirs:.2f} dB", jpeg),
            )
        )
    rows.insert(0, ((f"original: {path.stat().st_size} bytes", np.asarray(picture)),))
    sheet(rows).save(folder / "side_by_side.png")
    print(f"files and {folder / 'side_by_side.png'} written")


def jpeg_of_size(picture: PillowImage.Image, num_bytes: int) -> tuple[np.ndarray, int]:
    """The smallest optimised, progressive JPEG that is not smaller than `num_bytes`, and its size."""
    for quality in range(1, 96):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.tell() >= num_bytes:
            break
    return np.asarray(PillowImage.open(file)), file.tell()


def sheet(rows: list[Row]) -> PillowImage.Image:
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
