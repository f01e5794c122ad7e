"""Folders of labelled signals: FOLDER/<class>/files or FOLDER/<split>/<class>/files, read at one size.

`list_class_folder` decides the classes, the splits and the order of samples, everything by sorted names, so that every
run and every machine sees the same. `read_signal` reads one file as a picture or a sound of the wanted size.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, need_torch
from laconic.codecs.files import picture_extensions, read_image, read_sound
from laconic.codecs.media import Audio, Image
from laconic.codecs.sound_files import SOUND_EXTENSIONS

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["image", "sound"]
# Folders of these names at the top are splits; any other name is a class.
SPLIT_OF_NAME = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
WHOLE = "all"  # the split of samples in folders without splits
_MAX_SIDE = 1 << 14
_MAX_SOUND_SAMPLES = 1 << 28


@dataclass(frozen=True)
class Framing:
    """What a signal is cut to, so that signals fit in one batch; None keeps what the file has.

    Pictures: `size` pixels, shorter side resized, centre cropped. Sound: mixed to mono, resampled to `sample_rate_hz`
    and cut or filled with silence to `seconds`. Raises `CodecError` for values outside.
    """

    size: int | None = None
    sample_rate_hz: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= _MAX_SIDE:
            raise CodecError(f"size is {self.size}; allowed is 1 to {_MAX_SIDE} pixels")
        if self.sample_rate_hz is not None and not 1 <= self.sample_rate_hz <= 768_000:
            raise CodecError(f"sample_rate_hz is {self.sample_rate_hz}; allowed is 1 to 768000")
        if self.seconds is not None and not 0 < self.seconds <= 86_400:
            raise CodecError(f"seconds is {self.seconds}; allowed is above 0 to 86400")


@dataclass(frozen=True)
class Sample:
    """One file: `source` is its path below the folder with forward slashes, `label` an index into the classes."""

    source: str
    split: str
    label: int


@dataclass(frozen=True)
class ClassFolder:
    """What a folder holds. `samples` are sorted by split and source; `skipped` are (source, why) of other files."""

    root: Path
    kind: Kind
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    skipped: tuple[tuple[str, str], ...]


def list_class_folder(root: Path | str) -> ClassFolder:
    """Find classes, splits and samples, without opening any file.

    Where all folders at the top are named as splits (train, val, test, ...) their folders are the classes. Hidden
    files and files outside of class folders are ignored. Raises `CodecError` for a folder without classes or with both
    pictures and sounds.
    """
    root = Path(root)
    if not root.is_dir():
        raise CodecError(f"{root} is no folder; allowed is a folder of class folders")
    tops = _folders_in(root)
    if tops and all(name in SPLIT_OF_NAME for name in tops):
        places = [(SPLIT_OF_NAME[top], name, f"{top}/{name}") for top in tops for name in _folders_in(root / top)]
    else:
        places = [(WHOLE, name, name) for name in tops]
    found = [(split, name, source) for split, name, place in places for source in _files_below(root, place)]
    kind = _kind_of(root, [source for _, _, source in found])
    wanted = file_extensions(kind)
    kept = [entry for entry in found if _suffix(entry[2]) in wanted]
    classes = tuple(sorted({name for _, name, _ in kept}))
    labels = {name: i for i, name in enumerate(classes)}
    what = "picture" if kind == "image" else "sound"
    skipped = ((s, f"its extension is not that of a {what}") for _, _, s in found if _suffix(s) not in wanted)
    samples = (Sample(source, split, labels[name]) for split, name, source in kept)
    return ClassFolder(
        root, kind, classes, tuple(sorted(samples, key=lambda s: (s.split, s.source))), tuple(sorted(skipped))
    )


def read_signal(path: Path | str, kind: Kind, framing: Framing, *, model: str | None = None) -> Image | Audio:
    """A file as RGB picture or mono sound of the wanted size; alpha, ICC and EXIF are dropped, turned pictures upright.

    Raises `OSError`, `BitstreamError` or `CodecError`.
    """
    return _read_picture(path, framing.size, model) if kind == "image" else _read_sound(path, framing, model)


def hold_out(labels: Sequence[int] | NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Mark about this fraction of each class, at least one where it has two, chosen by the seed."""
    labels = np.asarray(labels)
    random = np.random.default_rng((seed, 0x5711))
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))
        count = max(round(fraction * len(places)), 1) if len(places) > 1 and fraction > 0 else 0
        held[places[:count]] = True
    return held


@dataclass(frozen=True, eq=False)
class SignalDataset:
    """Signals of a class folder as a map-style dataset, read and resized at every access.

    Items are (float32 tensor (c, h, w), label): pictures with values around -2 to 2, sounds as (1, 1, t) at full scale.
    """

    folder: ClassFolder
    samples: tuple[Sample, ...]
    framing: Framing

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.array([sample.label for sample in self.samples], np.int64)

    @property
    def bytes_per_item(self) -> list[int]:
        """What reading each item takes from disk."""
        return [(self.folder.root / sample.source).stat().st_size for sample in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample = self.samples[index]
        signal = read_signal(self.folder.root / sample.source, self.folder.kind, self.framing)
        return tensor_of(signal_array(signal)), sample.label


def signal_array(signal: Image | Audio) -> NDArray[np.float32]:
    """(3, h, w) of a picture, (1, 1, t) of a sound, scaled to a deviation near 1 by constants."""
    if isinstance(signal, Audio):
        return signal.samples[None] * np.float32(8)  # speech and everyday sounds have an RMS around 1/8
    planes = np.ascontiguousarray(np.moveaxis(signal.samples, -1, 0), np.float32)
    planes -= np.float32(127.5)
    planes /= np.float32(64)  # about the deviation of photographs
    return planes


def tensor_of(array: NDArray[Any]) -> Tensor:
    """The same memory as a tensor. Raises `MissingDependencyError`."""
    need_torch("training")
    from torch import from_numpy

    return from_numpy(array)


def _folders_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _files_below(root: Path, place: str) -> Iterator[str]:
    for parent, folders, names in os.walk(root / place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(parent).relative_to(root)
        yield from ((below / name).as_posix() for name in sorted(names) if not name.startswith("."))


def _kind_of(root: Path, sources: Sequence[str]) -> Kind:
    suffixes = {_suffix(source) for source in sources}
    has_pictures, has_sounds = bool(suffixes & file_extensions("image")), bool(suffixes & file_extensions("sound"))
    if has_pictures and has_sounds:
        raise CodecError(f"{root} holds both pictures and sounds; allowed is one kind: pack them apart")
    if not has_pictures and not has_sounds:
        raise CodecError(f"{root} holds no class folder with pictures or sounds; allowed are FOLDER/<class>/files")
    return "image" if has_pictures else "sound"


def _suffix(source: str) -> str:
    return os.path.splitext(source)[1].lower()


def file_extensions(kind: Kind) -> frozenset[str]:
    """Of the files that are taken as samples, with their dots, in lower case."""
    return picture_extensions() if kind == "image" else SOUND_EXTENSIONS


def _read_picture(path: Path | str, size: int | None, model: str | None) -> Image:
    from PIL import Image as PillowImage
    from PIL import ImageOps

    image = read_image(path, model=model)
    if image.bit_depth == 16:
        eight_bits = ((image.samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
        image = Image(eight_bits, image.metadata)
    picture = image.to_pillow()
    upright = ImageOps.exif_transpose(picture).convert("RGB")
    if size is not None:
        side = min(upright.size)
        left, top = (upright.width - side) / 2, (upright.height - side) / 2
        box = (left, top, left + side, top + side)
        upright = upright.resize((size, size), PillowImage.Resampling.LANCZOS, box=box)
    return Image(np.array(upright))


def _read_sound(path: Path | str, framing: Framing, model: str | None) -> Audio:
    sound = read_sound(path, model=model)
    samples = sound.samples.mean(axis=0, dtype=np.float32)
    if framing.seconds is not None:  # what comes later cannot matter
        samples = samples[: math.ceil(framing.seconds * sound.sample_rate)]
    rate = framing.sample_rate_hz or sound.sample_rate
    if rate != sound.sample_rate:
        samples = resampled(samples, sound.sample_rate, rate)
    if framing.seconds is not None:
        length = round(framing.seconds * rate)
        if not 1 <= length <= _MAX_SOUND_SAMPLES:
            raise CodecError(f"{framing.seconds} s at {rate} Hz are {length} samples; allowed is 1 to 2**28")
        samples = np.pad(samples[:length], (0, max(length - len(samples), 0)))
    return Audio(np.ascontiguousarray(samples[None]), rate)


def resampled(samples: NDArray[np.float32], rate_hz: int, new_rate_hz: int) -> NDArray[np.float32]:
    """The same sound at another rate: its spectrum cut or extended, after a mirrored copy that joins the ends."""
    if rate_hz == new_rate_hz or not len(samples):
        return samples
    divisor = math.gcd(rate_hz, new_rate_hz)
    block, new_block = rate_hz // divisor, new_rate_hz // divisor
    # Lengths before and after are whole blocks, and a product of small factors, which the transform is fast for.
    num_blocks = _smooth(-(-len(samples) // block))
    held = np.pad(samples, (0, num_blocks * block - len(samples)), mode="edge")
    length = num_blocks * new_block
    spectrum = np.fft.rfft(np.concatenate([held, held[::-1]]).astype(np.float64))[: length + 1]
    out = np.fft.irfft(spectrum, 2 * length) * (new_block / block)
    return np.ascontiguousarray(out[: -(-len(samples) * new_block // block)], np.float32)


def _smooth(count: int) -> int:
    """The next power of two or three times a power of two."""
    power = 1 << (count - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= count else power
