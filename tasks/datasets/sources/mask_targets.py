"""Masks in a folder beside that of their pictures, as data sets of segmentation are kept: the mask is a target "png".

    FOLDER/images/0.jpg   FOLDER/masks/0.png
    FOLDER/<split>/images/0.jpg   FOLDER/<split>/masks/0.png

To whom looks for classes these are the classes "images" and "masks"; here they become pictures without a class.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.pack_source import SourceSample
from laconic.tasks.datasets.targets import NO_LABEL

PICTURES_FOLDER, MASKS_FOLDER = "images", "masks"
_MASK_SUFFIX = "png"
_Name = tuple[str, str]  # the split, and the path in its folder without extension


@dataclass(frozen=True)
class MaskedPictures:
    """`samples` with their masks; `skipped` are (source, why) of pictures and masks that belong to none."""

    samples: tuple[SourceSample, ...]
    skipped: tuple[tuple[str, str], ...]


def has_mask_folders(name: str, classes: Sequence[str]) -> bool:
    """Whether folders of these names are pictures and masks. Raises `CodecError` where there are others beside them."""
    folded = {one.casefold() for one in classes}
    if not folded >= {PICTURES_FOLDER, MASKS_FOLDER}:
        return False
    if others := [one for one in classes if one.casefold() not in (PICTURES_FOLDER, MASKS_FOLDER)]:
        raise CodecError(
            f"{name} has the folders {PICTURES_FOLDER} and {MASKS_FOLDER} beside {', '.join(others[:3])}, so it is not "
            "clear whether these are classes; move the others away, or list files and masks in a manifest"
        )
    return True


def pictures_with_masks(name: str, classes: Sequence[str], samples: Sequence[SourceSample]) -> MaskedPictures:
    """The samples in the folder of pictures, each with the mask of its name; in splits without masks, each without.

    Raises `CodecError` where no picture has the name of a mask.
    """
    skipped: dict[str, str] = {}
    masks: dict[_Name, str] = {}
    pictures: dict[_Name, list[SourceSample]] = {}
    for sample in samples:
        key = _name_in_folder(sample, classes[sample.label])
        if classes[sample.label].casefold() == PICTURES_FOLDER:
            pictures.setdefault(key, []).append(replace(sample, label=NO_LABEL))
        elif why := _no_mask(sample, masks.get(key)):
            skipped[sample.source] = why
        else:
            masks[key] = sample.source
    if masks.keys().isdisjoint(pictures):
        first = next(iter(masks.values()), "none")
        raise CodecError(
            f"no picture of {name} has the name of a mask, such as {first}; allowed is one name up to the extension"
        )
    skipped |= {masks[key]: "there is no picture of its name" for key in masks.keys() - pictures.keys()}
    kept = tuple(_masked(pictures, masks, skipped))
    return MaskedPictures(kept, tuple(skipped.items()))


def _masked(
    pictures: Mapping[_Name, Sequence[SourceSample]], masks: Mapping[_Name, str], skipped: dict[str, str]
) -> Iterator[SourceSample]:
    """Fills `skipped` with those that have none of their own."""
    with_masks = {split for split, _ in masks}
    for key, same in pictures.items():
        mask = masks.get(key)
        if mask is None and key[0] not in with_masks:
            yield from same
        elif mask is None:
            skipped |= {one.source: f"there is no mask of its name in {MASKS_FOLDER}" for one in same}
        elif len(same) > 1:
            skipped |= {one.source: f"{mask} is the mask of {len(same)} pictures; allowed is one" for one in same}
        else:
            yield replace(same[0], targets=(*same[0].targets, (_MASK_SUFFIX, mask)))


def _no_mask(sample: SourceSample, other: str | None) -> str:
    """Why a file in the folder of masks is none; "" if it is one."""
    extension = posixpath.splitext(sample.source)[1].lower()
    if extension != f".{_MASK_SUFFIX}":
        return f"its extension is {extension}; allowed are masks as .{_MASK_SUFFIX}, whose values are classes"
    return "" if other is None else f"it has the name of {other}; allowed is one mask of a name"


def _name_in_folder(sample: SourceSample, label: str) -> _Name:
    parts = sample.source.split("/")
    at = parts.index(label)
    return sample.split, posixpath.splitext("/".join([*parts[:at], *parts[at + 1 :]]))[0]
