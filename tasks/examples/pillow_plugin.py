"""The Pillow plugin: programs that open and save pictures by name take .lcn files after one import.

python tasks/examples/pillow_plugin.py [PICTURE]
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

import laconic.codecs.pillow  # noqa: F401 - registers .lcn


def main() -> None:
    default = Path(__file__).parents[2] / "tests" / "data" / "kodim23_crop.png"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture.lcn")
        with Image.open(sys.argv[1] if len(sys.argv) > 1 else default) as picture:
            picture.save(path, quality=60)
        print(f"saved {path.stat().st_size} bytes")
        with Image.open(path) as opened:  # the header only, so far
            print(f"{opened.format} {opened.mode} {opened.size}")
            thumbnail = opened.resize((64, 64))  # decoded now
        print(f"thumbnail {thumbnail.size}, its first pixel {thumbnail.getpixel((0, 0))}")


if __name__ == "__main__":
    main()
