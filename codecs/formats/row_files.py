"""Pictures row by row, for those larger than memory: binary PPM, PGM and PAM, and TIFF."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from laconic.codecs.arguments import (
    file_argument,
    is_path_argument,
    path_argument,
    shown,
    typed_argument,
    whole_number_argument,
    whole_numbers_argument,
    writable_file_argument,
)
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.formats.bit_depths import (
    FULL_DEPTH,
    STORED_DEPTHS,
    rescaled_to_bit_depth,
    with_alpha_of_full_bit_depth,
)
from laconic.codecs.formats.picture_files import (
    check_frame_of_picture_file,
    note_frames_of_picture_file,
    note_lost_metadata,
)
from laconic.codecs.formats.stored_blocks import StoredCut, check_stored_sizes, stored_blocks
from laconic.codecs.formats.tiff_files import TIFF_MAGICS, cut_of_tiff, num_pages, start_tiff
from laconic.codecs.media import Samples, metadata_of_media
from laconic.entropy.errors import CorruptStreamError

if TYPE_CHECKING:
    from jaxtyping import UInt

_HEAD_BYTES = 1 << 12
# A gap between numbers holds white space and comments; exactly one white space ends the header (ppm(5)).
_PNM_HEAD = re.compile(rb"P([56])" + rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})" * 3 + rb"\s")
_PAM_HEAD = re.compile(rb"P7\n(.*?\n)??ENDHDR\n", re.DOTALL)
_PAM_TYPES = ("GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA")
_LARGEST = {1: 255, 2: 65535}  # by bytes of a sample
ROW_EXTENSIONS = frozenset([".ppm", ".pgm", ".pnm", ".pam", ".tif", ".tiff"])


class RowReader:
    """A picture (`height`, `width`, `num_channels`) read from the top; channels and `metadata` as those of `Image`.

    `dtype` is uint8 or uint16; `bit_depth` is what the file says of it, 9 to 15, 0 for nothing. A context manager.
    """

    def __init__(
        self, file: BinaryIO, cut: StoredCut, metadata: Mapping[str, bytes], *, bit_depth: int = 0, max_value: int = 0
    ) -> None:
        """`max_value`: the largest sample, where the file says it; other samples are spread so that it becomes that of the
        bit depth, or of alpha."""
        self.height, self.width, self.num_channels = cut.shape
        self.dtype: np.dtype[Any] = cut.dtype.newbyteorder("=")
        self.metadata = metadata
        self.bit_depth = bit_depth
        self._max_value = max_value or _LARGEST[cut.dtype.itemsize]
        self._opened = ExitStack()
        self._blocks = stored_blocks(file, cut)
        self._block: Samples = np.empty((0, *cut.shape[1:]), self.dtype)
        self._num_left = self.height

    def read_rows(self, count: int) -> UInt[Samples, "count w c"]:
        """The next rows, (count, w, c).

        Raises `CodecError` where fewer are left, `BitstreamError` for damaged samples, `OSError`.
        """
        if not 0 < count <= self._num_left:
            raise CodecError(f"{count} rows are asked for; allowed is 1 to the {self._num_left} that are left")
        rows: Samples = np.empty((count, self.width, self.num_channels), self.dtype)
        filled = 0
        while filled < count:
            if not len(self._block):
                self._block = self._next_block()
            part = self._block[: count - filled]
            rows[filled : filled + len(part)] = part
            self._block = self._block[len(part) :]
            filled += len(part)
        self._num_left -= count
        return rows

    def _next_block(self) -> Samples:
        for block in self._blocks:
            return _spread(block, self._max_value, self.bit_depth)
        raise CorruptStreamError("the rows above are damaged, so that these cannot be read; copy the file again")

    def close(self) -> None:
        """Close the file if it was given by its path."""
        self._opened.close()

    def __enter__(self) -> RowReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RowWriter:
    """Takes a picture from the top; made by `create_rows`. A context manager."""

    def __init__(
        self, file: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype[Any], max_alpha: int | None = None
    ) -> None:
        self._file, self._shape, self._dtype = file, shape, dtype
        self._max_alpha = max_alpha or _LARGEST[dtype.itemsize]
        self._num_left = shape[0]

    def write_rows(self, rows: UInt[Samples, "count w c"]) -> None:
        """Rows (any, w, c) of the type that was announced. Raises `CodecError` for others or too many, `OSError`."""
        native = self._dtype.newbyteorder("=")
        if rows.dtype != native or rows.ndim != 3 or rows.shape[1:] != self._shape[1:] or len(rows) > self._num_left:
            raise CodecError(
                f"the rows are {rows.dtype} {rows.shape}; allowed are {native} "
                f"(up to {self._num_left}, {self._shape[1]}, {self._shape[2]})"
            )
        rows = with_alpha_of_full_bit_depth(rows, self._max_alpha, back=True)
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self._num_left -= len(rows)

    def close(self) -> None:
        """Check that the picture is complete, else raise `CodecError`; the file stays open, as it is the caller's."""
        if self._num_left:
            raise CodecError(
                f"{self._shape[0] - self._num_left} rows were written, the file announces {self._shape[0]}; "
                "write all of them"
            )

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()


def open_rows(source: str | os.PathLike[str] | BinaryIO, *, frame: int | None = None) -> RowReader | None:
    """A reader of a picture file's rows; None for all that `read_image` has to judge as a whole.

    `frame` counts the pages of a TIFF file from 0; None takes the first, and notes where there are more.

    Read are binary PPM and PGM with a maximum of 255 and more, PAM, and the first picture of TIFF files, in strips or
    tiles, with 8 or 16 bits, grey or RGB, with or without alpha; not compressed, or by deflate, LZW or PackBits. A
    binary file has to seek and stay open; it is read from its start. Raises `OSError`, `BitstreamError` for files that
    are shorter than they claim, `UnsupportedSignalError` for other kinds of PAM, which nothing else here reads.
    """
    if not is_path_argument(source):
        return _reader_of(file_argument("source", source), frame)
    with ExitStack() as opened:
        reader = _reader_of(opened.enter_context(path_argument("source", source).open("rb")), frame)
        if reader is not None:
            reader._opened = opened.pop_all()
        return reader


def create_rows(
    file: BinaryIO,
    extension: str,
    *,
    shape: tuple[int, int, int],
    dtype: DTypeLike,
    metadata: Mapping[str, bytes] | None = None,
    bit_depth: int = 0,
) -> RowWriter:
    """Start a picture of `shape` (h, w, c) and `dtype` (uint8, uint16) in an empty binary file; write its rows next.

    `extension` is one of `ROW_EXTENSIONS`; the first three hold c = 1 or 3. TIFF files (uncompressed) have to seek;
    they keep the ICC profile and the orientation, the others no metadata: give them upright rows. All say a `bit_depth`
    below 16 of 16-bit samples. Raises `UnsupportedSignalError`, `OSError`.
    """
    extension = typed_argument("extension", extension, str, 'a string such as ".ppm"').lower()
    metadata = metadata_of_media({} if metadata is None else metadata)
    kind, sides = _sample_type(dtype), whole_numbers_argument("shape (h, w, c)", shape, 3)
    shape = (sides[0], sides[1], sides[2])
    writable_file_argument("file", file)
    bit_depth = whole_number_argument("bit_depth", bit_depth, 0, FULL_DEPTH)
    if kind not in (np.uint8, np.uint16) or min(shape) < 1 or shape[2] > 4:
        raise UnsupportedSignalError(
            f"the picture is {kind} {shape}; allowed are uint8 and uint16 (height, width, 1 to 4 channels)"
        )
    if extension not in ROW_EXTENSIONS:
        raise UnsupportedSignalError(
            f"{extension!r} cannot be written row by row; allowed are {', '.join(sorted(ROW_EXTENSIONS))}"
        )
    if extension in (".tif", ".tiff"):
        start_tiff(file, shape, kind, metadata, bit_depth)
        return RowWriter(file, shape, kind.newbyteorder("<"))
    h, w, c = shape
    max_value = (1 << bit_depth) - 1 if bit_depth in STORED_DEPTHS else _LARGEST[kind.itemsize]
    if extension == ".pam":
        head = f"P7\nWIDTH {w}\nHEIGHT {h}\nDEPTH {c}\nMAXVAL {max_value}\nTUPLTYPE {_PAM_TYPES[c - 1]}\nENDHDR\n"
    elif c in (1, 3):
        head = f"P{5 if c == 1 else 6}\n{w} {h}\n{max_value}\n"
    else:
        raise UnsupportedSignalError(f"{extension} holds no alpha, the picture has {c} channels; write .pam or .tif")
    note_lost_metadata(metadata, extension.lstrip("."))
    file.write(head.encode())
    return RowWriter(file, shape, kind.newbyteorder(">"), max_value)


def _sample_type(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        return np.dtype(dtype)
    except (TypeError, ValueError):
        raise CodecError(f"dtype is {shown(dtype)}; allowed are uint8 and uint16") from None


def _reader_of(file: BinaryIO, frame: int | None) -> RowReader | None:
    num_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    metadata: dict[str, bytes] = {}
    cut, count, max_value, depth = None, 1, 0, 0
    if match := _PNM_HEAD.match(head):
        kind, width, height, max_value = map(int, match.groups())
        if max_value >= _LARGEST[1]:  # Pillow spreads the others over 8 bits
            cut = _stored(match.end(), (height, width, 1 if kind == 5 else 3), max_value)
    elif head.startswith(b"P7\n"):
        cut, max_value = _pam_cut(head)
    elif head.startswith(TIFF_MAGICS):
        count = num_pages(file)
        check_frame_of_picture_file(frame, count)
        cut, metadata, depth = cut_of_tiff(file, frame or 0)
        file.seek(0)
    if cut is None:
        return None
    check_frame_of_picture_file(frame, count)
    check_stored_sizes(cut, num_bytes)
    if frame is None:
        note_frames_of_picture_file(count, "pages")
    if max_value.bit_length() in STORED_DEPTHS:
        depth = max_value.bit_length()
    return RowReader(file, cut, metadata, bit_depth=depth if cut.dtype.itemsize == 2 else 0, max_value=max_value)


def _spread(samples: Samples, max_value: int, bit_depth: int) -> Samples:
    """Samples of a file of this maximum, so that it becomes the largest colour of so many bits and the largest alpha."""
    most = _LARGEST[samples.itemsize]
    peak = (1 << bit_depth) - 1 if bit_depth else most
    if max_value == most:
        return samples
    if samples.max() > max_value:
        raise CorruptStreamError(f"a sample is {samples.max()}, above the largest that the file allows, {max_value}")
    if max_value == peak:
        return with_alpha_of_full_bit_depth(samples, max_value)
    spread = rescaled_to_bit_depth(samples, max_value, peak)
    return with_alpha_of_full_bit_depth(spread, peak)


def _stored(offset: int, shape: tuple[int, int, int], max_value: int) -> StoredCut | None:
    if not 1 <= max_value <= _LARGEST[2] or min(shape) < 1:
        return None
    dtype = np.dtype(np.uint8 if max_value <= _LARGEST[1] else ">u2")
    h, w, c = shape
    return StoredCut(shape, dtype, h, w, (offset,), (h * w * c * dtype.itemsize,))


def _pam_cut(head: bytes) -> tuple[StoredCut, int]:
    """How a PAM file is cut, and its largest sample."""
    match = _PAM_HEAD.match(head)
    lines = (match[1] or b"").decode("ascii", "replace").splitlines() if match else []
    fields = {words[0]: words[1] for line in lines if len(words := line.split()) == 2}
    cut = None
    if match and all(re.fullmatch("[0-9]{1,9}", fields.get(n, "")) for n in ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL")):
        shape = int(fields["HEIGHT"]), int(fields["WIDTH"]), int(fields["DEPTH"])
        if 1 <= shape[2] <= 4 and fields.get("TUPLTYPE", _PAM_TYPES[shape[2] - 1]) == _PAM_TYPES[shape[2] - 1]:
            cut = _stored(match.end(), shape, int(fields["MAXVAL"]))
    if cut is None:
        raise UnsupportedSignalError(
            f"the PAM file starts with {head[:99]!r}; allowed are {', '.join(_PAM_TYPES)} with MAXVAL 1 to 65535"
        )
    return cut, int(fields["MAXVAL"])
