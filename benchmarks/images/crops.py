"""Parts of Kodak pictures as codecs leave them at equal bytes of the whole picture.

    python benchmarks/images/crops.py --data ../shared/data [--out FILE.png] [--bpp 0.25]

A row for each picture, a column for each codec, pixels doubled. Every codec has the quality whose file is nearest to so
many bits per pixel; below a part stand the bits per pixel and the PSNR of the whole picture. Nothing is timed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
from picture_sets import Picture
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from laconic.codecs.codec import Codec
from laconic.codecs.external.avif import Avif
from laconic.codecs.external.jpeg import Jpeg
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.tasks.measures.picture_distortion import psnr
from laconic.tasks.measures.rate import bits_per_pixel

SIZE = (256, 192)
# Pictures, and the upper left corner (x, y) of the part: machines and lettering, a fence, eyes and feathers.
PARTS = {"kodim05": (150, 110), "kodim19": (60, 400), "kodim23": (80, 160)}
CODECS: dict[str, Callable[[int], Codec[Image]]] = {
    "laconic": lambda quality: Lcn(tune="psnr", quality=quality, synthesis="neural"),
    "laconic linear": lambda quality: Lcn(tune="psnr", quality=quality),
    "AVIF": lambda quality: Avif(quality=quality),
    "JPEG": lambda quality: Jpeg(quality=quality, optimize=True, progressive=True),
}
ZOOM, MARGIN, LINE, FONT_SIZE = 2, 8, 26, 18


@dataclass(frozen=True)
class Cell:
    """One part and the lines of text below it."""

    part: PillowImage.Image
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kodak/")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "crops.png", help="file to draw to")
    parser.add_argument("--bpp", type=float, default=0.25, help="bits per pixel of the whole pictures")
    options = parser.parse_args()
    rows = []
    for name, corner in PARTS.items():
        image = Picture(options.data / "kodak" / f"{name}.png").read()
        rows.append([Cell(_part(image, corner), f"{name}, original")])
        for label, codec_of in CODECS.items():
            codec, data = nearest(codec_of, image, options.bpp)
            decoded = codec.decode(data)
            rate, quality = bits_per_pixel(data, image.samples.shape), psnr(image, decoded)
            rows[-1].append(Cell(_part(decoded, corner), f"{label}: {rate:.3f} bpp, {quality:.2f} dB"))
            print(name, codec, f"{rate:.4f} bpp {quality:.3f} dB")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    drawn(rows).save(options.out, optimize=True)


def nearest(codec_of: Callable[[int], Codec[Image]], image: Image, bpp: float) -> tuple[Codec[Image], bytes]:
    """The codec of a quality 1 to 100 whose file is nearest to a rate, and that file. More quality has to be more bytes."""
    low, high = 1, 100
    files: dict[int, bytes] = {}
    while low <= high:
        middle = (low + high) // 2
        files[middle] = codec_of(middle).encode(image)
        if bits_per_pixel(files[middle], image.samples.shape) < bpp:
            low = middle + 1
        else:
            high = middle - 1
    best = min(files, key=lambda quality: abs(bits_per_pixel(files[quality], image.samples.shape) - bpp))
    return codec_of(best), files[best]


def _part(image: Image, corner: tuple[int, int]) -> PillowImage.Image:
    (x, y), (width, height) = corner, SIZE
    part = PillowImage.fromarray(image.samples[y : y + height, x : x + width])
    return part.resize((ZOOM * width, ZOOM * height), PillowImage.Resampling.NEAREST)


def drawn(rows: list[list[Cell]]) -> PillowImage.Image:
    width, height = rows[0][0].part.width + MARGIN, rows[0][0].part.height + LINE + MARGIN
    sheet = PillowImage.new("RGB", (width * len(rows[0]) + MARGIN, height * len(rows) + MARGIN), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            x, y = j * width + MARGIN, i * height + MARGIN
            sheet.paste(cell.part, (x, y))
            draw.text((x, y + cell.part.height + 2), cell.text, fill="black", font=font)
    return sheet


if __name__ == "__main__":
    main()
