"""Signal values: arrays of samples with what a file of them should keep.

The classes themselves are strict; `from_array` takes what other libraries give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import bytes_argument, settle_arguments, shown, typed_argument, whole_number_argument
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.formats.bit_depths import bit_depth_of, check_bit_depth, check_bit_depth_of_colors
from laconic.codecs.formats.orientation import upright
from laconic.codecs.sound_metadata import SoundMetadata

if TYPE_CHECKING:
    from jaxtyping import Float, Num, Shaped, UInt
    from PIL import Image as PillowImage

Samples = NDArray[np.uint8] | NDArray[np.uint16]
_MOST_SHORT_CHANNELS = 32  # sounds of more have at least as many samples, or their axes are in the other order
MODES = ("L", "LA", "RGB", "RGBA")  # of 1 to 4 channels


@dataclass(frozen=True, eq=False)
class Image:
    """A still picture: `samples` of shape (h, w, c), c = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.

    uint8 or uint16 samples. `metadata` holds bytes to keep beside the picture, by the names "icc" (ICC profile) and "exif"
    (EXIF block that starts with "Exif", orientation included: pixels are never turned). `bit_depth`: colours run from 0 to
    2**bit_depth - 1, 8 of uint8, 9 to 16 of uint16, where 0 becomes what the largest of them needs; alpha runs over the
    sample type. Raises `UnsupportedSignalError` for any other shape, sample type or depth.
    """

    samples: UInt[Samples, "h w c"]
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    bit_depth: int = 0

    def __post_init__(self) -> None:
        array = self.samples
        if not isinstance(array, np.ndarray) or array.dtype not in (np.uint8, np.uint16):
            kind = getattr(array, "dtype", type(array).__name__)
            raise UnsupportedSignalError(f"image samples are {kind}; allowed are uint8 and uint16: convert them first")
        if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or 0 in array.shape:
            raise UnsupportedSignalError(
                f"image has shape {array.shape}; allowed is (height, width, 1 to 4 channels), none of them empty"
                + _picture_advice(array.shape)
            )
        bit_depth = whole_number_argument("bit_depth", self.bit_depth, 0)
        if bit_depth:
            check_bit_depth("uint16" if self.is_deep else "uint8", bit_depth)
            check_bit_depth_of_colors(array, bit_depth)
        settle_arguments(self, metadata=metadata_of_media(self.metadata), bit_depth=bit_depth or bit_depth_of(array))

    @property
    def height(self) -> int:
        return int(self.samples.shape[0])

    @property
    def width(self) -> int:
        return int(self.samples.shape[1])

    @property
    def mode(self) -> str:
        """The channels: "L", "LA", "RGB" or "RGBA"."""
        return MODES[self.samples.shape[2] - 1]

    @property
    def peak(self) -> int:
        """The largest colour that there can be."""
        return (1 << self.bit_depth) - 1

    @property
    def is_deep(self) -> bool:
        """Whether samples have 16 bits."""
        return self.samples.dtype == np.uint16

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Shaped[NDArray[Any], "h w *c"]:
        """The samples, grey without its channel axis: what `numpy.asarray` of the same Pillow image gives."""
        array = self.samples[:, :, 0] if self.samples.shape[2] == 1 else self.samples
        return np.array(array, dtype=dtype, copy=copy)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        return (
            (self.samples.dtype, self.bit_depth) == (other.samples.dtype, other.bit_depth)
            and np.array_equal(self.samples, other.samples)
            and dict(self.metadata) == dict(other.metadata)
        )

    @classmethod
    def from_array(cls, array: Any, *, bit_depth: int = 0) -> Image:
        """From a numpy array (h, w) or (h, w, c), or a torch tensor (h, w) or (c, h, w); uint8 or uint16.

        Raises `UnsupportedSignalError`; for axes in another order it says which they seem to be.
        """
        if _is_tensor(array):
            if str(array.dtype) not in ("torch.uint8", "torch.uint16"):  # some of the others numpy does not know
                raise UnsupportedSignalError(
                    f"image samples are {array.dtype}; allowed are uint8 and uint16: convert them first"
                )
            if array.ndim == 3 and array.shape[0] > 4 >= array.shape[2] >= 1:
                raise UnsupportedSignalError(
                    f"the tensor has shape {tuple(array.shape)}; allowed is (1 to 4 channels, height, width): its "
                    "channels seem to be last, pass tensor.permute(2, 0, 1)"
                )
            array = array.detach().cpu().numpy()
            array = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
        array = _plain_array("the picture", array)
        return cls(np.ascontiguousarray(array[:, :, None] if array.ndim == 2 else array), bit_depth=bit_depth)

    @classmethod
    def from_pillow(cls, picture: PillowImage.Image, *, exif: bytes | None = None, bit_depth: int = 0) -> Image:
        """From a Pillow image; palettes and transparent colours are resolved, CMYK is converted, ICC and EXIF are kept.

        The orientation of EXIF or XMP is kept where the pixels are those of a file. `exif` replaces the picture's own,
        `bit_depth` what the tags of a TIFF file say, of 16-bit pictures.
        Raises `UnsupportedSignalError` for modes that need a decision of the user (LAB, I, F) and for 16-bit colour
        files, which Pillow would silently cut to 8 bits; says what is dropped by `DroppedWarning`.
        """
        from PIL import Image as PillowImage

        from laconic.codecs.formats.pillow_pixels import read_pillow_pixels

        typed_argument("the picture", picture, PillowImage.Image, "a Pillow image")
        exif = None if exif is None else bytes_argument("exif", exif)
        bit_depth = whole_number_argument("bit_depth", bit_depth, 0)
        samples, metadata, tagged = read_pillow_pixels(picture, exif=exif)
        if samples.dtype == np.uint8:
            return cls(samples, metadata)
        return cls(samples, metadata, bit_depth or max(tagged, bit_depth_of(samples)))

    def to_pillow(self) -> PillowImage.Image:
        """As a Pillow image with ICC and EXIF in its `info`. Raises `UnsupportedSignalError` for 16-bit colour."""
        from PIL import Image as PillowImage

        from laconic.codecs.formats.pillow_pixels import mark_pillow_pixels_stored

        array = np.asarray(self)
        if self.is_deep and self.mode != "L":
            raise UnsupportedSignalError(
                f"16-bit {self.mode} cannot be held by Pillow; allowed are 8-bit and 16-bit grey: "
                "write it as .png, .tif or .npy"
            )
        picture = PillowImage.fromarray(array)
        for key, name in (("icc", "icc_profile"), ("exif", "exif")):
            if key in self.metadata:
                picture.info[name] = self.metadata[key]
        mark_pillow_pixels_stored(picture)
        return picture

    def upright(self) -> Image:
        """The picture as it is to be shown: turned as its EXIF block says, which then says that it is upright."""
        samples, metadata = upright(self.samples, self.metadata)
        return replace(self, samples=samples.copy(), metadata=metadata)


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound: `samples` (channels, t) float32, full scale -1 to 1, `sample_rate` in Hz. t may be 0. `metadata` is what a
    file should keep beside them.

    A float that is a whole number is taken as rate. Raises `UnsupportedSignalError` for any other shape, sample type or a
    rate outside 1 Hz to 2**31 - 1 Hz; `from_array` takes integers, (t,) and tensors.
    """

    samples: Float[NDArray[np.float32], "c t"]
    sample_rate: int
    metadata: SoundMetadata = field(default_factory=SoundMetadata)

    def __post_init__(self) -> None:
        array = checked_sound_samples(self.samples)
        if len(array) > _MOST_SHORT_CHANNELS and len(array) > array.shape[1] > 0:
            raise _transposed(array.shape)
        settle_arguments(self, sample_rate=sound_rate_argument(self.sample_rate))
        typed_argument("metadata", self.metadata, SoundMetadata, "SoundMetadata")

    @classmethod
    def from_array(cls, array: Any, sample_rate: float) -> Audio:
        """From a numpy array or torch tensor (t,) or (channels, t) of samples.

        Floats (16 to 64 bits) have full scale -1 to 1; int16, int32 and uint8 the full scale of WAV files, whose uint8
        has its middle at 128. (t, channels), as soundfile and scipy give it, is refused with more than `channels` samples,
        as it cannot be told for sure: pass `array.T`. Raises `UnsupportedSignalError`.

        >>> Audio.from_array(np.array([0, 16384], np.int16), 8000).samples.tolist()
        [[0.0, 0.5]]
        """
        if _is_tensor(array):
            array = (array.detach().cpu().float() if array.is_floating_point() else array.detach().cpu()).numpy()
        array = _plain_array("the sound", array)
        if array.ndim == 2 and array.shape[0] > max(array.shape[1], 2) and array.shape[1] > 0:
            raise _transposed(array.shape)
        return cls(np.ascontiguousarray(np.atleast_2d(_float_samples(array))), sample_rate)  # type: ignore[arg-type]

    @property
    def num_channels(self) -> int:
        return len(self.samples)

    @property
    def duration_seconds(self) -> float:
        return float(self.samples.shape[1] / self.sample_rate)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Audio):
            return NotImplemented
        same_form = (self.sample_rate, self.metadata) == (other.sample_rate, other.metadata)
        return same_form and np.array_equal(self.samples, other.samples)


@dataclass(frozen=True, eq=False)
class Cube:
    """Any regular signal of several planes: `samples` (c, h, w) or (c, t); uint8, uint16, int16 or float32.

    Raises `UnsupportedSignalError` for any other shape or sample type, or samples that are not finite.
    """

    samples: Num[NDArray[Any], " c *sides"]

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


def checked_sound_samples(array: object) -> Float[NDArray[np.float32], "c t"]:
    """What are samples of a sound, or of a block of one. Raises `UnsupportedSignalError` for all else."""
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != 2 or not len(array):
        seen = f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
        raise UnsupportedSignalError(
            f"sound samples are {seen}; allowed is float32 (channels, t), channels >= 1: Audio.from_array converts "
            "other types"
        )
    if not np.isfinite(array).all():
        raise UnsupportedSignalError("sound samples hold NaN or infinity; allowed are finite numbers: repair them")
    return array


def metadata_of_media(metadata: Mapping[str, bytes], allowed: Sequence[str] = ("icc", "exif")) -> dict[str, bytes]:
    """Metadata as a dictionary of bytes, by default those of a picture. Raises `CodecError` for other names."""
    names = " and ".join(map(repr, allowed))
    typed_argument("metadata", metadata, Mapping, f"a mapping of {names} to bytes")
    if unknown := [name for name in metadata if name not in allowed]:
        raise CodecError(f"metadata has the name {shown(unknown[0])}; allowed are {names}")
    return {name: bytes_argument(f"metadata {name}", value) for name, value in metadata.items()}


def _is_tensor(array: object) -> bool:
    """Whether it is of torch, without importing it."""
    return any(base.__module__.split(".")[0] == "torch" for base in type(array).__mro__)


def _plain_array(name: str, array: object) -> NDArray[Any]:
    """What numpy makes of it, if that is an array of numbers."""
    try:
        plain = np.asarray(array)
    except Exception as err:  # lists of unequal length, objects with an __array__ of their own
        raise UnsupportedSignalError(f"{name} is {shown(array)}, which is no array: {err}") from err
    if plain.dtype.kind not in "biuf" or plain.ndim == 0:
        raise UnsupportedSignalError(f"{name} is {shown(array)}; allowed are arrays, tensors and laconic's own signals")
    return plain


def _picture_advice(shape: tuple[int, ...]) -> str:
    """What to do where axes seem to be in another order."""
    if len(shape) == 3 and 1 <= shape[0] <= 4 and shape[2] > 4:
        return ": its channels seem to be first, pass numpy.moveaxis(array, 0, -1)"
    if len(shape) == 4:
        return ": it seems to be a batch, pass one picture at a time"
    return ": pass array[:, :, None]" if len(shape) == 2 else ""


def _transposed(shape: tuple[int, ...]) -> UnsupportedSignalError:
    return UnsupportedSignalError(
        f"the sound has shape {shape}; allowed is (channels, t): its channels seem to be last, pass array.T"
    )


def sound_rate_argument(sample_rate: Any) -> int:
    """The rate as an int, of a float where that is a whole number."""
    is_number = isinstance(sample_rate, Real) and not isinstance(sample_rate, bool)
    if not is_number or not 1 <= sample_rate < 1 << 31 or sample_rate != int(sample_rate):
        raise UnsupportedSignalError(
            f"the sample rate is {shown(sample_rate)} Hz; allowed is a whole number from 1 to 2147483647"
        )
    return int(sample_rate)


def _float_samples(array: NDArray[Any]) -> NDArray[np.float32]:
    """Samples of any allowed type with full scale -1 to 1."""
    kind = array.dtype.newbyteorder("=")
    if kind not in (np.uint8, np.int16, np.int32) and kind.kind != "f":
        raise UnsupportedSignalError(
            f"sound samples are {array.dtype}; allowed are floats, int16, int32 and uint8: convert them first"
        )
    if kind.kind == "f":
        with np.errstate(over="ignore"):  # infinite then, which is refused
            return array.astype(np.float32)
    if kind == np.uint8:
        array = array.astype(np.int16) - 128
    return (array * 2.0 ** (1 - 8 * kind.itemsize)).astype(np.float32)
