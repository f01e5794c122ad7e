"""The pictures of the speed benchmark: a folder's, each on its own, and one large picture of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.media import Image

NUM_COLUMNS = 6
STRIP_ROWS = 256
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class DataSet:
    """Pictures that are timed together."""

    name: str
    images: tuple[Image, ...]

    @property
    def megapixels(self) -> float:
        return sum(image.height * image.width for image in self.images) / 1e6


def read(folder: Path, count: int | None = None) -> DataSet:
    """The .png files of a folder, in the order of their names, without metadata. Raises `FileNotFoundError`."""
    paths = sorted(folder.glob("*.png"))[:count]
    if not paths:
        raise FileNotFoundError(f"{folder} holds no .png files; pass the folder that holds kodak/ as --data")
    images = []
    for path in paths:
        with PillowImage.open(path) as opened:
            images.append(Image(np.array(opened.convert("RGB"))))
    return DataSet(folder.name, tuple(images))


def crops(data: DataSet, side: int) -> DataSet:
    """The middle of each picture, `side` pixels square, as networks are trained on."""
    images = []
    for image in data.images:
        y, x = max(image.height - side, 0) // 2, max(image.width - side, 0) // 2
        images.append(Image(np.ascontiguousarray(image.samples[y : y + side, x : x + side])))
    return DataSet("crops", tuple(images))


class Mosaic:
    """Pictures in rows of six, upright ones turned, and mirrored at all four sides without end: no seam at a mirror."""

    def __init__(self, images: Sequence[Image]) -> None:
        lying = [one.samples if one.width >= one.height else np.rot90(one.samples) for one in images]
        height, width = min(len(one) for one in lying), min(one.shape[1] for one in lying)
        cells = [one[:height, :width] for one in lying]
        columns = min(NUM_COLUMNS, len(cells))
        full = len(cells) // columns * columns
        rows = [np.concatenate(cells[first : first + columns], axis=1) for first in range(0, full, columns)]
        self._base = np.concatenate(rows, axis=0)

    def cut(self, height: int, width: int) -> Pixels:
        """Its upper left corner."""
        return self._rows(0, height, width)

    def natural(self, megapixels: float) -> Pixels:
        """Whole bases, one under the other, of at least so many pixels."""
        height, width, _ = self._base.shape
        return self.cut(height * -(-int(megapixels * 1e6) // (height * width)), width)

    def write_ppm(self, path: Path, height: int, width: int) -> None:
        """Its upper left corner as a file; some rows of it are in memory at a time."""
        with path.open("wb") as file:
            file.write(f"P6\n{width} {height}\n255\n".encode())
            for top in range(0, height, STRIP_ROWS):
                file.write(self._rows(top, min(top + STRIP_ROWS, height), width).data)

    def _rows(self, top: int, bottom: int, width: int) -> Pixels:
        down = _mirrored(np.arange(top, bottom), len(self._base))
        across = _mirrored(np.arange(width), self._base.shape[1])
        return np.ascontiguousarray(self._base[down][:, across])


def _mirrored(places: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """0, 1, .. length - 1, length - 1, .. 1, 0, 0, 1, .. for places 0, 1, 2, .."""
    places = places % (2 * length)
    return np.where(places < length, places, 2 * length - 1 - places)
