"""Arrays <-> .npy files; numpy's own reader allocates what a header claims."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.formats.picture_files import check_pixels_of_picture_file
from laconic.entropy import CorruptStreamError, Limits

if TYPE_CHECKING:
    from jaxtyping import Shaped

NPY_MAGIC: Final = b"\x93NUMPY"


def npy_bytes(array: Shaped[NDArray[Any], " ..."]) -> bytes:
    """An array of any shape as a file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def read_npy(
    file: BinaryIO, *, allowed: tuple[type[np.generic], ...], limits: Limits | None = None
) -> Shaped[NDArray[Any], " ..."]:
    """An array of these types in native byte order; its size is checked against the file's before anything is allocated,
    and against the limits of a picture where they are given."""
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read_header(file)
    except Exception as err:  # numpy evaluates the header as Python source, which can fail in any way
        raise CorruptStreamError(f"the header of the .npy file is damaged: {err}") from err
    if dtype.newbyteorder("=") not in [np.dtype(kind) for kind in allowed]:
        names = ", ".join(kind.__name__ for kind in allowed)
        raise UnsupportedSignalError(f"image samples are {dtype}; allowed are {names}: convert them first")
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise UnsupportedSignalError(f"the array has shape {shape}; allowed are two or three sides, none empty")
    if limits is not None:
        check_pixels_of_picture_file(shape[0], shape[1], limits)
    data, expected = file.read(), math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise CorruptStreamError(
            f"the .npy file has {len(data)} bytes of samples, its shape {shape} needs {expected}; copy the file again"
        )
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
    return np.ascontiguousarray(array.astype(dtype.newbyteorder("=")))
