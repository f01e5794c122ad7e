"""The same small pictures, classes, splits and targets in whatever people keep them, for tests of packing."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from laconic.codecs.files import read_image
from laconic.tasks.datasets.sources.pack_source import PackSource, open_source_signal

CLASSES = ("blue", "green", "red")
SPLITS = ("train", "test")
NUM_SAMPLES = 12
Content = set[tuple[str, str, bytes, tuple[tuple[str, bytes], ...]]]


def picture_of(split: str, label: int, number: int, *, side: int = 12) -> np.ndarray[Any, np.dtype[np.uint8]]:
    random = np.random.default_rng((SPLITS.index(split), label, number))
    return random.integers(0, 256, (side, side + 4, 3)).astype(np.uint8)


def png_bytes(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def samples() -> list[dict[str, Any]]:
    """(split, label, name, png, caption, boxes, mask)."""
    return [
        {
            "split": split,
            "label": label,
            "name": f"{number}",
            "png": png_bytes(picture_of(split, label, number)),
            "caption": f"Größe {number}, “{CLASSES[label]}”",
            "boxes": [number, 2.5],
            "mask": png_bytes(picture_of(split, label, number)[:, :, 0] // 64),
        }
        for split in SPLITS
        for label in range(len(CLASSES))
        for number in range(2)
    ]


def content_of(source: PackSource) -> Content:
    """Split, class, pixels and targets of every sample."""
    found: Content = set()
    for sample in source.samples:
        with open_source_signal(source, sample) as file:
            pixels = read_image(file).samples.tobytes()
        targets = tuple(sorted((suffix, source.read_target(sample, suffix)) for suffix, _ in sample.targets))
        found.add((sample.split, source.classes[sample.label], pixels, targets))
    assert len(found) == len(source.samples)
    return found


def expected(*suffixes: str, classes: tuple[str, ...] = CLASSES, split: str | None = None) -> Content:
    """What `content_of` gives of a source with these targets, in one split where it has none."""
    values = {
        "txt": lambda s: s["caption"].encode(),
        "boxes.json": lambda s: json.dumps(s["boxes"]).encode(),
        "json": lambda s: json.dumps(s["boxes"]).encode(),
        "mask.png": lambda s: s["mask"],
    }
    return {
        (
            split or sample["split"],
            classes[sample["label"]],
            np.array(PillowImage.open(io.BytesIO(sample["png"]))).tobytes(),
            tuple(sorted((suffix, values[suffix](sample)) for suffix in suffixes)),
        )
        for sample in samples()
    }


def make_class_folder(root: Path, *, with_targets: bool = False) -> Path:
    for sample in samples():
        folder = root / sample["split"] / CLASSES[sample["label"]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{sample['name']}.png").write_bytes(sample["png"])
        if with_targets:
            (folder / f"{sample['name']}.txt").write_text(sample["caption"], encoding="utf-8")
            (folder / f"{sample['name']}.json").write_text(json.dumps(sample["boxes"]))
            (folder / f"{sample['name']}.mask.png").write_bytes(sample["mask"])
    return root


def make_files(root: Path) -> list[dict[str, str]]:
    """Pictures and masks in plain folders, and rows of a manifest that name them."""
    rows = []
    for sample in samples():
        stem = f"{sample['split']}{sample['label']}{sample['name']}"
        for folder, data in (("images", sample["png"]), ("masks", sample["mask"])):
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / folder / f"{stem}.png").write_bytes(data)
        row = {"path": f"images/{stem}.png", "label": CLASSES[sample["label"]], "split": sample["split"]}
        rows.append(row | {"caption": sample["caption"], "mask_path": f"masks/{stem}.png"})
    return rows


def csv_bytes(rows: list[dict[str, str]], **options: Any) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(rows[0]), **options)
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def make_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def add_negative_header(path: Path, num_bytes: int, *, is_pax: bool = False) -> int:
    """Put a member of a negative size, and a good one, in place of the end of a tar; where it is."""
    kind = tarfile.PAX_FORMAT if is_pax else tarfile.GNU_FORMAT
    with tarfile.open(path, "a", format=kind) as tar:
        place = tar.offset
        member = tarfile.TarInfo("bad.jpg")
        member.size, member.pax_headers = (0, {"size": str(num_bytes)}) if is_pax else (num_bytes, {})
        tar.addfile(member)
        tar.addfile(tarfile.TarInfo("after.jpg"))
    return place


def tar_members(split: str, *, by_number: bool = True) -> list[tuple[str, bytes]]:
    members: list[tuple[str, bytes]] = []
    for sample in samples():
        if sample["split"] == split:
            key = f"{sample['label']}{sample['name']}"
            label = str(sample["label"]) if by_number else CLASSES[sample["label"]]
            members += [(f"{key}.png", sample["png"]), (f"{key}.cls", label.encode())]
            members += [(f"{key}.txt", sample["caption"].encode()), (f"{key}.mask.png", sample["mask"])]
    return members


def make_zip(path: Path, folder: Path, *, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for found in sorted(folder.rglob("*")):
            if found.is_file():
                file.write(found, prefix + found.relative_to(folder).as_posix())
    return path
