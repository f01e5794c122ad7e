"""Readers of training batches: packs of latents, and the same squares in other forms, for bench_loading.py.

A reader is an iterator over one epoch of float32 batches, ready for a model, (n, channels, h, w); what it reads is on disk.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.latent_loader import LatentLoader
from laconic.tasks.datasets.latents import LatentDataset

BATCH = 64
MIDDLE, DEVIATION = 127.5, 64.0  # of pixels, about those of photographs
Decode = Callable[[bytes], NDArray[np.uint8]]


@dataclass(frozen=True)
class Reader:
    """`epoch` gives batches of `num_items` items, for which `num_bytes` are on disk."""

    name: str
    num_items: int
    num_bytes: int
    epoch: Callable[[], Iterable[Tensor]]


def lcn_reader(name: str, pack: Path, channels: int, *, augmented: bool = False, num_threads: int = 1) -> Reader:
    """All splits of a pack, shuffled; augmented: flips, and crops of all but an eighth of the places each way."""
    dataset = LatentDataset(pack, channels=channels)
    rows, columns = dataset.shape[1:]
    wanted = Augmentation(crop=(rows - rows // 8, columns - columns // 8), flip=0.5) if augmented else None
    loader = LatentLoader(dataset, BATCH, augmentation=wanted, num_threads=num_threads)
    return Reader(name, len(dataset), folder_bytes(pack), lambda: (x for x, _ in loader))


def jpeg_reader(name: str, paths: list[Path], side: int, decode: Decode) -> Reader:
    """Files of one size, shuffled, one after the other into the memory of a batch."""
    order = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))]
    return Reader(
        name,
        len(paths),
        sum(path.stat().st_size for path in paths),
        lambda: batches_of_squares((decode(path.read_bytes()) for path in order), side),
    )


def draft_reader(name: str, paths: list[Path], side: int) -> Reader:
    """The folder's own pictures by Pillow: decoded near the size, centre square resized."""
    return Reader(
        name,
        len(paths),
        sum(path.stat().st_size for path in paths),
        lambda: batches_of_squares((drafted(path, side) for path in paths), side),
    )


def memmap_reader(name: str, path: Path, side: int) -> Reader:
    """Raw uint8 squares, (n, side, side, 3), in a file, shuffled."""
    squares = np.memmap(path, np.uint8, "r").reshape(-1, side, side, 3)
    order = np.random.default_rng(0).permutation(len(squares))
    return Reader(
        name, len(squares), path.stat().st_size, lambda: batches_of_squares((squares[i] for i in order), side)
    )


def webdataset_reader(name: str, shards: list[Path], count: int) -> Reader:
    """JPEG files in tar shards as WebDataset reads them."""
    import webdataset

    def epoch() -> Iterator[Tensor]:
        urls = [str(path) for path in shards]
        pipeline = webdataset.WebDataset(urls, shardshuffle=False).decode("torchrgb8").to_tuple("jpg").batched(BATCH)
        for (pictures,) in pipeline:
            yield (pictures.float() - MIDDLE) / DEVIATION

    return Reader(name, count, sum(path.stat().st_size for path in shards), epoch)


class JpegItems(torch.utils.data.Dataset[Tensor]):
    """The files for `DataLoader` with worker processes, as most trainings read them."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Tensor:
        square = torch.from_numpy(by_pillow(self._paths[index].read_bytes()))
        return (square.permute(2, 0, 1).float() - MIDDLE) / DEVIATION


def batches_of_squares(squares: Iterable[NDArray[np.uint8]], side: int) -> Iterator[Tensor]:
    """Normalised planes of squares, in memory that is used again."""
    batch, count = np.empty((BATCH, 3, side, side), np.float32), 0
    for square in squares:
        np.subtract(square.transpose(2, 0, 1), np.float32(MIDDLE), out=batch[count])
        count += 1
        if count == BATCH:
            batch *= np.float32(1 / DEVIATION)
            yield torch.from_numpy(batch)
            count = 0
    if count:
        batch[:count] *= np.float32(1 / DEVIATION)
        yield torch.from_numpy(batch[:count])


def by_pillow(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as picture:
        return np.array(picture.convert("RGB"))


def by_turbo(data: bytes) -> NDArray[np.uint8]:
    """libjpeg-turbo with its quickest transform."""
    import simplejpeg

    square: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=True)
    return square


def drafted(path: Path, side: int) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        picture.draft("RGB", (side, side))
        upright = picture.convert("RGB")
    short = min(upright.size)
    left, top = (upright.width - short) / 2, (upright.height - short) / 2
    box = (left, top, left + short, top + short)
    return np.array(upright.resize((side, side), Image.Resampling.BILINEAR, box=box))


def write_squares(sources: list[Path], folder: Path, side: int, quality: int) -> tuple[list[Path], Path, list[Path]]:
    """The squares as JPEG files, as raw pixels in one file, and as JPEG files in tar shards; kept between calls."""
    raw, done = folder / "squares.u8", folder / "done"
    paths = [folder / "jpeg" / f"{i:05d}.jpg" for i in range(len(sources))]
    shards = [folder / f"shard-{i:03d}.tar" for i in range(-(-len(sources) // 500))]
    if done.exists():
        return paths, raw, shards
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    with raw.open("wb") as file:
        for source, path in zip(sources, paths, strict=True):
            square = np.asarray(read_signal(source, "image", Framing(side)))
            file.write(square.tobytes())
            Image.fromarray(square).save(path, "JPEG", quality=quality)
    for i, shard in enumerate(shards):
        with tarfile.open(shard, "w") as tar:
            for path in paths[500 * i : 500 * (i + 1)]:
                tar.add(path, path.name)
    done.touch()
    return paths, raw, shards


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def drain(batches: Iterable[Any]) -> int:
    """How many items there were."""
    return sum(len(batch) for batch in batches)
