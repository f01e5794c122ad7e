"""Arrays of MATLAB files of version 5, by scipy where it is installed."""

from __future__ import annotations

import warnings
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError
from laconic.codecs.formats.named_arrays import chosen_array
from laconic.entropy import BitstreamError, CorruptStreamError, LimitError, Limits

if TYPE_CHECKING:
    from jaxtyping import Shaped

_MAT_START: Final = b"MATLAB "
_HDF5_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_NUMBERS: Final = frozenset(
    {"double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "logical"}
)


def is_mat(head: bytes) -> bool:
    """Whether a file that starts so is of MATLAB, of whatever version that says its name."""
    return head.startswith((_MAT_START, _HDF5_MAGIC))


def read_mat(file: BinaryIO, head: bytes, array: str | None, limits: Limits) -> Shaped[NDArray[Any], " ..."]:
    """The array of this name, or the only one of numbers with two or three sides, none of them 1. Raises `CodecError`,
    `BitstreamError`, `MissingDependencyError`."""
    if head.startswith((_MAT_START + b"7.3", _HDF5_MAGIC)):
        raise UnsupportedSignalError(
            "the file is of MATLAB 7.3 (HDF5), which is not read here; allowed is version 5: save it with -v7, or "
            "convert it to .npy"
        )
    try:
        from scipy import io
    except ImportError as err:
        raise MissingDependencyError("scipy is not installed; .mat files need it: pip install laconic[cubes]") from err
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of variables that are named twice; the last one counts
            shapes = {name: shape for name, shape, kind in io.whosmat(file) if kind in _NUMBERS}
            usual = [name for name, shape in shapes.items() if len(shape) in (2, 3) and min(shape, default=0) > 1]
            name = chosen_array(list(shapes) if array is not None else usual, array)
            if prod(shapes[name]) > limits.max_pixels:
                raise LimitError(f"array {name} has {shapes[name]} samples, over the limit of {limits.max_pixels}")
            file.seek(0)
            found = io.loadmat(file, variable_names=[name])[name]
    except (CodecError, BitstreamError):
        raise
    except Exception as err:  # scipy's parser fails in many ways on damaged files
        raise CorruptStreamError(f"the .mat file is damaged: {err}") from err
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iuf":
        raise UnsupportedSignalError(f"array {name} is no array of real numbers; a cube is needed")
    return np.ascontiguousarray(found.astype(found.dtype.newbyteorder("=")))
