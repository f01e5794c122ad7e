"""Encode a picture by quality, by rate and by size; decode it whole and blurred.

python tasks/examples/encode_decode.py [PICTURE]
"""

import sys
from pathlib import Path

from laconic.codecs import decode, encode
from laconic.codecs import open as open_picture
from laconic.tasks.measures.picture_distortion import psnr
from laconic.tasks.measures.rate import bits_per_pixel


def main() -> None:
    default = Path(__file__).parents[2] / "tests" / "data" / "kodim23_crop.png"
    picture = open_picture(sys.argv[1] if len(sys.argv) > 1 else default)
    files = {
        "quality 50": encode(picture),
        "quality 80": encode(picture, quality=80),
        "0.3 bits per pixel": encode(picture, bits_per_pixel=0.3),
        "10000 bytes": encode(picture, max_bytes=10_000),
    }
    for name, data in files.items():
        rate = bits_per_pixel(data, picture.samples.shape)
        print(f"{name:<18}  {len(data):6} bytes  {rate:.3f} bits per pixel  {psnr(picture, decode(data)):.2f} dB")
    blurred = decode(files["quality 50"], channels=12)  # from the head of the file only
    print(f"12 channels only    {psnr(picture, blurred):.2f} dB")


if __name__ == "__main__":
    main()
