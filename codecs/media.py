"""Signal values: arrays of samples with what a file of them should keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.formats.orientation import upright

if TYPE_CHECKING:
    from PIL import Image as PillowImage

Samples = NDArray[np.uint8] | NDArray[np.uint16]
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, eq=False)
class Image:
    """A still picture: `samples` of shape (h, w, c), c = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.

    uint8 or uint16 samples over their full range. `metadata` holds bytes to keep beside the picture, by the names
    "icc" (ICC profile) and "exif" (EXIF block that starts with "Exif", orientation included: pixels are never turned).
    Raises `UnsupportedSignalError` for any other shape or sample type.
    """

    samples: Samples
    metadata: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        array = self.samples
        if not isinstance(array, np.ndarray) or array.dtype not in (np.uint8, np.uint16):
            kind = getattr(array, "dtype", type(array).__name__)
            raise UnsupportedSignalError(f"image samples are {kind}; allowed are uint8 and uint16: convert them first")
        if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or 0 in array.shape:
            raise UnsupportedSignalError(
                f"image has shape {array.shape}; allowed is (height, width, 1 to 4 channels), none of them empty"
            )

    @property
    def height(self) -> int:
        return int(self.samples.shape[0])

    @property
    def width(self) -> int:
        return int(self.samples.shape[1])

    @property
    def mode(self) -> str:
        """The channels: "L", "LA", "RGB" or "RGBA"."""
        return _MODES[self.samples.shape[2]]

    @property
    def bit_depth(self) -> int:
        """8 or 16."""
        return self.samples.dtype.itemsize * 8

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The samples, grey without its channel axis: what `numpy.asarray` of the same Pillow image gives."""
        array = self.samples[:, :, 0] if self.samples.shape[2] == 1 else self.samples
        return np.array(array, dtype=dtype, copy=copy)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        return (
            self.samples.dtype == other.samples.dtype
            and np.array_equal(self.samples, other.samples)
            and dict(self.metadata) == dict(other.metadata)
        )

    @classmethod
    def from_array(cls, array: Any) -> Image:
        """From a numpy array (h, w) or (h, w, c), or a torch tensor (c, h, w); uint8 or uint16."""
        if any(base.__module__.split(".")[0] == "torch" for base in type(array).__mro__):  # without importing it
            if str(array.dtype) not in ("torch.uint8", "torch.uint16"):  # some of the others numpy does not know
                raise UnsupportedSignalError(
                    f"image samples are {array.dtype}; allowed are uint8 and uint16: convert them first"
                )
            array = array.detach().cpu().numpy()
            array = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
        array = np.asarray(array)
        return cls(np.ascontiguousarray(array[:, :, None] if array.ndim == 2 else array))

    @classmethod
    def from_pillow(cls, picture: PillowImage.Image, *, exif: bytes | None = None) -> Image:
        """From a Pillow image; palettes and transparent colours are resolved, CMYK is converted, ICC and EXIF are kept.

        The orientation of EXIF or XMP is kept where the pixels are those of a file. `exif` replaces the picture's own.
        Raises `UnsupportedSignalError` for modes that need a decision of the user (LAB, I, F) and for 16-bit colour
        files, which Pillow would silently cut to 8 bits; says what is dropped by `DroppedWarning`.
        """
        from laconic.codecs.formats.pillow_pixels import read_pixels

        return cls(*read_pixels(picture, exif=exif))

    def to_pillow(self) -> PillowImage.Image:
        """As a Pillow image with ICC and EXIF in its `info`. Raises `UnsupportedSignalError` for 16-bit colour."""
        from PIL import Image as PillowImage

        from laconic.codecs.formats.pillow_pixels import mark_stored

        array = np.asarray(self)
        if self.bit_depth == 16 and self.mode != "L":
            raise UnsupportedSignalError(
                f"16-bit {self.mode} cannot be held by Pillow; allowed are 8-bit and 16-bit grey: "
                "write it as .png, .tif or .npy"
            )
        picture = PillowImage.fromarray(array)
        for key, name in (("icc", "icc_profile"), ("exif", "exif")):
            if key in self.metadata:
                picture.info[name] = self.metadata[key]
        mark_stored(picture)
        return picture

    def upright(self) -> Image:
        """The picture as it is to be shown: turned as its EXIF block says, which then says that it is upright."""
        samples, metadata = upright(self.samples, self.metadata)
        return Image(samples.copy(), metadata)


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound: `samples` (channels, t) float32, full scale -1 to 1, `sample_rate` in Hz. t may be 0.

    Raises `UnsupportedSignalError` for any other shape, sample type or a rate outside 1 Hz to 2**31 - 1 Hz.
    """

    samples: NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        array = self.samples
        if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != 2 or not len(array):
            seen = f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
            raise UnsupportedSignalError(f"sound samples are {seen}; allowed is float32 (channels, t), channels >= 1")
        if not 1 <= self.sample_rate < 1 << 31:
            raise UnsupportedSignalError(f"the sample rate is {self.sample_rate} Hz; allowed is 1 to 2147483647")
        if not np.isfinite(array).all():
            raise UnsupportedSignalError("sound samples hold NaN or infinity; allowed are finite numbers: repair them")

    @property
    def num_channels(self) -> int:
        return len(self.samples)

    @property
    def duration_seconds(self) -> float:
        return float(self.samples.shape[1] / self.sample_rate)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Audio):
            return NotImplemented
        return self.sample_rate == other.sample_rate and np.array_equal(self.samples, other.samples)


@dataclass(frozen=True, eq=False)
class Cube:
    """Any regular signal of several planes: `samples` (c, h, w) or (c, t); uint8, uint16, int16 or float32.

    Raises `UnsupportedSignalError` for any other shape or sample type, or samples that are not finite.
    """

    samples: NDArray[Any]

    def __post_init__(self) -> None:
        array = self.samples
        allowed = (np.uint8, np.uint16, np.int16, np.float32)
        if not isinstance(array, np.ndarray) or array.dtype not in allowed:
            kind = getattr(array, "dtype", type(array).__name__)
            raise UnsupportedSignalError(f"cube samples are {kind}; allowed are uint8, uint16, int16 and float32")
        if array.ndim not in (2, 3) or 0 in array.shape:
            raise UnsupportedSignalError(f"cube has shape {array.shape}; allowed is (c, h, w) or (c, t), none empty")
        if not np.isfinite(array).all():
            raise UnsupportedSignalError("cube samples hold NaN or infinity; allowed are finite numbers: repair them")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cube):
            return NotImplemented
        return self.samples.dtype == other.samples.dtype and np.array_equal(self.samples, other.samples)


Signal = Image | Audio | Cube
