"""Lines of scanned receipts (SROIE) to learn to read from, each a grey PNG of 32 rows with its text beside.

    python benchmarks/learning/prepare_receipt_lines.py --data FOLDER -o FOLDER [--fonts FOLDER ...]

The data folder holds train/ and test/ with images/ and boxes/ each. Lines of whole receipts become the splits: every sixth
training receipt is "val". Each line of "train" is cut `--cuts` times, of which all but the first are moved a little.
`--synthetic` lines are added: random texts (`receipt_texts`, with words of the "train" receipts alone) in fonts
(`receipt_prints`). Without `--fonts` these are the freely licensed ones that matplotlib brings (DejaVu, STIX, Computer
Modern). More kinds of print teach more; free are those of Debian's packages
fonts-liberation, fonts-freefont-ttf, fonts-roboto-unhinted, fonts-texgyre, fonts-croscore, fonts-courier-prime,
fonts-noto-mono, fonts-open-sans, fonts-lato, fonts-hack, fonts-inconsolata, fonts-jetbrains-mono, fonts-go, fonts-spleen,
fonts-ocr-b, fonts-gnutypewriter and fonts-dotgothic16.

What it writes is packed by `laconic pack FOLDER -o PACK`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import numpy as np
import receipt_prints
import receipt_texts
from PIL import Image as PillowImage

from laconic.tasks.mpq.reading import read_lines

EVERY = 6  # training receipts, of which the last validates
CLASS = "lines"  # class folders have classes
SEED = 2026


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train/ and test/ with images/ and boxes/")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, nargs="*", default=[], help="folders of .ttf and .otf files")
    parser.add_argument("--cuts", type=int, default=3, help="of each line of the training split")
    parser.add_argument("--synthetic", type=int, default=20_000, help="lines to add to the training split")
    options = parser.parse_args()
    cuts = {"train": options.cuts, "val": 1, "test": 1}
    texts = {split: write_scans(options.data, options.output / split / CLASS, split, cuts[split]) for split in cuts}
    print(", ".join(f"{split}: {len(found)} lines" for split, found in texts.items()))
    fonts = receipt_prints.fonts_below(options.fonts or [matplotlib_fonts()])
    write_prints(options.output / "train" / CLASS, options.synthetic, receipt_texts.TextSource(texts["train"]), fonts)
    print(f"{options.synthetic} synthetic lines in {len(fonts)} fonts")


def matplotlib_fonts() -> Path:
    from matplotlib import get_data_path

    return Path(get_data_path()) / "fonts" / "ttf"


def receipts_of_split(data: Path, split: str) -> list[Path]:
    """Pictures of whole receipts, by their names."""
    pictures = sorted((data / ("test" if split == "test" else "train") / "images").glob("*.jpg"))
    if split == "test":
        return pictures
    return [file for number, file in enumerate(pictures) if (number % EVERY == EVERY - 1) == (split == "val")]


def write_scans(data: Path, folder: Path, split: str, cuts: int) -> list[str]:
    """The annotated lines of a split, and their texts, each once."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = []
    for file in receipts_of_split(data, split):
        with PillowImage.open(file) as opened:
            picture = opened.convert("L")
        for number, (box, text) in enumerate(annotated_lines(file)):
            texts.append(text)
            for cut in range(cuts):
                name = f"{file.stem}-{number:03}" + (f"-{cut}" if cut else "")
                moved = moved_box(box, np.random.default_rng((SEED, number, cut))) if cut else box
                receipt_prints.line_of_scan(picture, moved).save(folder / f"{name}.png")
                (folder / f"{name}.txt").write_text(text)
    return texts


def annotated_lines(file: Path) -> Iterator[tuple[tuple[int, int, int, int], str]]:
    """Boxes and texts of a receipt, in capitals as nearly all are annotated."""
    for line in read_lines(file.parent.with_name("boxes") / f"{file.stem}.csv"):
        text = " ".join(line.text.upper().split())
        left, top, right, bottom = line.box
        if text and right > left and bottom > top:
            yield line.box, text


def moved_box(box: tuple[int, int, int, int], random: np.random.Generator) -> tuple[int, int, int, int]:
    """With each side moved by up to 6 % of its height, outwards up to 12 %."""
    left, top, right, bottom = box
    out = random.uniform(-0.06, 0.12, 4) * (bottom - top)
    moved = (left - out[0], top - out[1], right + out[2], bottom + out[3])
    rounded = tuple(round(float(side)) for side in moved)
    return (rounded[0], rounded[1], max(rounded[2], rounded[0] + 2), max(rounded[3], rounded[1] + 2))


def write_prints(folder: Path, count: int, source: receipt_texts.TextSource, fonts: list[Path]) -> None:
    for number in range(count):
        random = np.random.default_rng((SEED, number))
        text = source.draw(random)
        line = receipt_prints.printed_line(receipt_texts.in_print(text, random), fonts, random)
        line.save(folder / f"synthetic-{number:06}.png")
        (folder / f"synthetic-{number:06}.txt").write_text(text)


if __name__ == "__main__":
    main()
