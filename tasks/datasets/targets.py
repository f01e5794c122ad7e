"""Target files of a sample: what stands beside its .lcn in a shard, named by a suffix as WebDataset names it.

    00000012.lcn  00000012.cls  00000012.txt  00000012.depth.png

`cls` is the number of a class, `txt` text, `json` any value of it, `npy` an array, `png` a picture (a palette's numbers are
kept: they are labels); other suffixes give bytes.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from laconic.codecs.arguments import bytes_argument, name_argument
from laconic.codecs.errors import CodecError

LABEL_SUFFIX = "cls"
NO_LABEL = -1  # of samples without a class
_SUFFIX = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_OWN = ("lcn", LABEL_SUFFIX)  # that the packer makes itself
_MOST_LETTERS = 80  # a name in a tar has 100, of which the key, two dots and MANY are the others
MANY = "many"  # the part of a member's name that says that it holds many samples


def check_target_suffix(suffix: str) -> str:
    """The suffix of a target file that may stand in a shard. Raises `CodecError`."""
    suffix = name_argument("suffix", suffix)
    if len(suffix) > _MOST_LETTERS:
        raise CodecError(
            f"the suffix of a target is {suffix[:20]}..., of {len(suffix)} letters; allowed are {_MOST_LETTERS}: rename it"
        )
    if not _SUFFIX.fullmatch(suffix) or suffix.split(".")[-1] in _OWN or MANY in suffix.split("."):
        raise CodecError(
            f"the suffix of a target is {suffix!r}; allowed are lower-case letters, digits, _, - and dots between them, "
            f"such as txt or depth.png, and not {', '.join(_OWN)} or {MANY}"
        )
    return suffix


def decode_target(suffix: str, data: bytes) -> Any:
    """The value of a target file, by the last part of its suffix. Raises `CodecError` for damaged ones."""
    suffix, data = name_argument("suffix", suffix), bytes_argument("data", data)
    decode = _DECODERS.get(suffix.split(".")[-1], bytes)
    try:
        return decode(data)
    except Exception as err:  # each decoder fails in its own way on bytes from outside
        reason = " ".join(str(err).split()) or type(err).__name__
        raise CodecError(f"the target {suffix} cannot be read: {reason}; repair the file or leave it out") from err


def no_target(suffix: str, source: str, found: Sequence[str]) -> CodecError:
    """To be raised for a target that a sample does not have."""
    return CodecError(f"{source} has no target {suffix!r}; it has {', '.join(found) or 'none'}")


def _array(data: bytes) -> Any:
    return np.load(io.BytesIO(data), allow_pickle=False)


def _picture(data: bytes) -> Any:
    """(h, w) or (h, w, c), in the file's own sample type."""
    from PIL import Image as PillowImage

    with PillowImage.open(io.BytesIO(data), formats=["PNG"]) as file:
        return np.array(file)


_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    LABEL_SUFFIX: int,
    "txt": lambda data: data.decode("utf-8"),
    "json": json.loads,
    "npy": _array,
    "png": _picture,
}
