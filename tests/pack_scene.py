"""A small pack with targets, and ways to damage it, for the tests of what reads packs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_index import PackIndexOptions, read_index


def make_pictures(root: Path, *, count: int = 4, side: int = 40) -> Path:
    """Pictures of two classes in two splits."""
    random = np.random.default_rng(5)
    for split in ("train", "test"):
        for name, colour in (("blue", (30, 40, 200)), ("red", (210, 30, 40))):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                noise = random.normal(colour, 20, (side, side + 6, 3)).clip(0, 255).astype(np.uint8)
                PillowImage.fromarray(noise).save(folder / f"{name}{i}.png")
    return root


def make_pack(root: Path, *, count: int = 4, size: int = 32, options: PackIndexOptions | None = None) -> Path:
    """A pack whose samples have a text each, and every second one a picture of labels."""
    folder = list_class_folder(make_pictures(root / "pictures", count=count))
    samples = []
    for number, sample in enumerate(folder.samples):
        places = {"txt": f"{number}.txt", **({"mask.png": f"{number}.mask.png"} if number % 2 else {})}
        (folder.root / places["txt"]).write_text(f"text of {sample.source}", encoding="utf-8")
        PillowImage.fromarray(np.full((4, 4), number, np.uint8)).save(folder.root / f"{number}.mask.png")
        samples.append(replace(sample, targets=tuple(places.items())))
    options = options or PackIndexOptions(size=size)
    archive.pack(replace(folder, samples=tuple(samples)), root / "pack", options)
    return root / "pack"


def overwrite(pack: Path, row: int, *, at: int = 40, data: bytes = b"\xff\x00\xaa\x55\x12\x34") -> None:
    """Damage the .lcn file of a sample where it lies."""
    index = read_index(pack)
    path = pack / index.shards[index.shard[row]].name
    with path.open("r+b") as file:
        file.seek(int(index.offset[row]) + at)
        file.write(data)


def items_by_key(pack: Path, split: str | None = None) -> dict[str, tuple[Any, int, str]]:
    """What LatentDataset gives, by key."""
    dataset = LatentDataset(pack, channels=12, split=split, targets=("cls", "txt"))
    index = dataset.index
    rows = [row for row in range(len(index)) if split in (None, index.shards[index.shard[row]].split)]
    return {index.key[row]: (dataset.array(i)[0], dataset[i][1], dataset[i][2]) for i, row in enumerate(rows)}
