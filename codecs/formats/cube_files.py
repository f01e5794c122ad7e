"""Files of other regular signals than pictures and sounds, as arrays (planes, ...): .npy, .npz, MATLAB, TIFF stacks and
WFDB records; the content tells which.
"""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.arguments import shown
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.formats.mat_files import is_mat, read_mat
from laconic.codecs.formats.named_arrays import chosen_array
from laconic.codecs.formats.npy_files import NPY_MAGIC, read_npy
from laconic.codecs.formats.tiff_files import TIFF_MAGICS, num_pages
from laconic.codecs.formats.wfdb_files import looks_like_wfdb, read_wfdb
from laconic.codecs.notes import note
from laconic.entropy import BitstreamError, CorruptStreamError, LimitError, Limits, TruncatedError

if TYPE_CHECKING:
    from jaxtyping import Num, Shaped

CUBE_EXTENSIONS: Final = frozenset({".npy", ".npz", ".mat", ".tif", ".tiff", ".hea"})
_ZIP_MAGIC: Final = b"PK\x03\x04"
_HEAD_BYTES: Final = 1 << 12
_WIDEST: Final = 8  # bytes of a sample
_EXACT_TYPES = (np.uint8, np.int16, np.uint16)  # of integers, the first that holds them is taken
_KEPT_TYPES = (*_EXACT_TYPES, np.float32)
_READ_TYPES = (*_KEPT_TYPES, np.int8, np.int32, np.uint32, np.int64, np.uint64, np.float16, np.float64)


def read_cube_samples(
    file: BinaryIO, *, path: Path | None = None, array: str | None = None, limits: Limits | None = None
) -> Num[NDArray[Any], " c *sides"]:
    """Samples as a `Cube` holds them. `path`: where the file is, for formats of several files; `array`: which one, of files
    that hold several.

    Integers become the narrowest of uint8, int16 and uint16 that holds all of them, where they are of another type; other
    fractions become float32. What is dropped is noted. Raises `CodecError`, `BitstreamError`, `MissingDependencyError`.
    """
    limits = limits or Limits()
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise TruncatedError("the file is empty; a cube is needed")
    if head.startswith(_ZIP_MAGIC):
        return _held(_read_npz(file, array, limits))
    if is_mat(head):
        return _held(read_mat(file, head, array, limits))
    if array is not None:
        raise CodecError(f"the file holds one array, and array is {shown(array)}; leave it out")
    if head.startswith(NPY_MAGIC):
        return _held(read_npy(file, allowed=_READ_TYPES))
    if head.startswith(TIFF_MAGICS):
        return _held(_read_stack(file, limits))
    if looks_like_wfdb(head):
        return _held(read_wfdb(file, path, limits))
    raise UnsupportedSignalError(
        f"the file begins with {head[:8]!r}, which is no cube; allowed are .npy, .npz, .mat of version 5, TIFF stacks and "
        "WFDB headers (.hea)"
    )


def _read_npz(file: BinaryIO, array: str | None, limits: Limits) -> Shaped[NDArray[Any], " ..."]:
    try:
        with zipfile.ZipFile(file) as members:
            names = [name.removesuffix(".npy") for name in members.namelist() if name.endswith(".npy")]
            found = members.getinfo(chosen_array(names, array) + ".npy")
            if found.file_size > _WIDEST * limits.max_pixels:
                raise LimitError(f"the array has {found.file_size} bytes; allowed are {_WIDEST * limits.max_pixels}")
            with members.open(found) as member:
                return read_npy(member, allowed=_READ_TYPES)  # type: ignore[arg-type]
    except (CodecError, BitstreamError):
        raise
    except Exception as err:  # zipfile fails in many ways on damaged archives
        raise CorruptStreamError(f"the .npz file is damaged: {err}") from err


def _read_stack(file: BinaryIO, limits: Limits) -> Shaped[NDArray[Any], "c h w"]:
    """The pages of a TIFF file, each a plane."""
    count = num_pages(file)
    file.seek(0)
    try:
        with PillowImage.open(file) as stack:
            if count * prod(stack.size) > limits.max_pixels:
                raise LimitError(
                    f"the stack has {count} pages of {stack.width}x{stack.height} pixels, over the limit of "
                    f"{limits.max_pixels} samples"
                )
            return np.stack([_page(stack, number, stack.size) for number in range(count)])
    except (CodecError, BitstreamError):
        raise
    except Exception as err:  # Pillow's parsers raise nearly anything
        raise CorruptStreamError(f"the TIFF stack cannot be read: {err}") from err


def _page(stack: PillowImage.Image, number: int, size: tuple[int, int]) -> NDArray[Any]:
    stack.seek(number)
    if stack.size != size:
        raise UnsupportedSignalError(
            f"page {number} has {stack.width}x{stack.height} pixels, page 0 {size[0]}x{size[1]}; all must be alike"
        )
    plane = np.array(stack)
    if plane.ndim != 2 or stack.mode in ("P", "1"):
        raise UnsupportedSignalError(
            f"page {number} has mode {stack.mode}; allowed are grey pages, each a plane: encode pictures without a model "
            "for cubes, or convert it to .npy"
        )
    return plane


def _held(array: NDArray[Any]) -> NDArray[Any]:
    """In a type that cubes have."""
    if array.dtype in _KEPT_TYPES or array.ndim not in (2, 3) or not array.size:
        return array  # other shapes are refused by `Cube`
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # infinite then, which is refused
            single = array.astype(np.float32)
        if not np.array_equal(single, array):
            note(f"samples of {array.dtype} became float32: 24 of their bits count")
        return single
    least, largest = int(array.min()), int(array.max())
    for kind in _EXACT_TYPES:
        if np.iinfo(kind).min <= least and largest <= np.iinfo(kind).max:
            return array.astype(kind)
    raise UnsupportedSignalError(
        f"samples are whole numbers from {least} to {largest}; allowed are those of int16 and uint16: scale them, or "
        "convert them to float32"
    )
