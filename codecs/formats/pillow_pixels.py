"""Samples and metadata of a Pillow image, in agreement: palettes, transparent colours, CMYK, orientation, damaged tags."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, ImageCms, ImageFile
from PIL import Image as PillowImage

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.formats.bit_depths import FULL_DEPTH, STORED_DEPTHS
from laconic.codecs.formats.orientation import (
    EXIF_PREFIX,
    UPRIGHT,
    is_exif,
    orientation_of,
    with_orientation,
)
from laconic.codecs.notes import note

if TYPE_CHECKING:
    from jaxtyping import UInt

    from laconic.codecs.media import Samples

_DIRECT_MODES = ("L", "LA", "RGB", "RGBA")
_CONVERTED_MODES = {"1": "L", "YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB", "La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
_KEYED_MODES = {"1": "LA", "L": "LA", "RGB": "RGBA"}  # with a transparent colour in `info`
_ADVICE = {
    "I": "it holds 32-bit integers: scale them to uint16 and pass the array (.npy, 16-bit .tif or .png)",
    "F": "it holds fractions: scale them to uint16 and pass the array (.npy, 16-bit .tif or .png)",
    "LAB": "convert it to RGB with its colour profile first (PIL.ImageCms)",
}
# Raw modes with 16 bits per channel; "BGR;16" is 5 + 6 + 5 bits.
_DEEP_RAW_MODES = (";16B", ";16L", ";16N")
# TIFF 6.0 and supplements: tags that lay out the pixels of one file, or hold its XMP (700) and ICC (34675) blocks.
LAYOUT_TAGS = frozenset(
    [*range(254, 260), 262, 266, 273, *range(277, 282), 284, 317, *range(320, 326), 330, 338, 339, 347, 700, 34675]
)
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)  # beside the first
BITS_PER_SAMPLE, MAX_SAMPLE_VALUE = 258, 281
_STORED = "_laconic_is_stored"  # an attribute that Pillow does not hand on to what it makes of a picture


def read_pillow_pixels(
    picture: PillowImage.Image, *, exif: bytes | None = None
) -> tuple[UInt[Samples, "h w c"], dict[str, bytes], int]:
    """Samples (h, w, c) and metadata of a Pillow image, `exif` instead of its own where given, and the bit depth that the
    tags of its file say, 9 to 16, 0 where they say nothing.

    Says by notes what is dropped. Raises `UnsupportedSignalError` for modes that need a decision of the user and for 16-bit
    colour files, which Pillow would silently cut to 8 bits.
    """
    # Pillow forgets the file's raw mode ("RGB;16B") once the pixels are loaded, so this comes first.
    is_deep = _is_deep_file(picture)
    if picture.mode in _DIRECT_MODES and is_deep:
        raise UnsupportedSignalError(
            "16-bit colour would be read with 8 bits only; allowed are 8-bit colour and 16-bit grey in this format: "
            "convert the file to 16-bit PNG or TIFF, or pass a uint16 array (.npy)"
        )
    if picture.mode == "CMYK" and is_deep:
        note("its 16 bits a colour became 8, as CMYK is converted with no more")
    picture.load()  # from here on the orientation of a TIFF file is that of the pixels, which Pillow may have turned
    return _samples(picture), read_pillow_metadata(picture, exif=exif), _tagged_depth(picture)


def read_pillow_metadata(picture: PillowImage.Image, *, exif: bytes | None = None) -> dict[str, bytes]:
    """Metadata of a loaded picture, for an `Image`; `exif` instead of its own where given."""
    metadata = {}
    if (icc := picture.info.get("icc_profile")) and picture.mode != "CMYK":
        metadata["icc"] = bytes(icc)
    if block := _exif(picture) if exif is None else exif:
        metadata["exif"] = block
    return metadata


def mark_pillow_pixels_stored(picture: PillowImage.Image) -> None:
    """Vouch that the pixels are as the picture's EXIF block says; what Pillow makes of it is not vouched for."""
    vars(picture)[_STORED] = True


def exif_of_pillow_pixels(tags: PillowImage.Exif) -> bytes:
    """An EXIF block of the tags of a TIFF directory, from which those about file layout are taken out; maybe empty."""
    for tag in LAYOUT_TAGS:
        tags.pop(tag, None)
    tags.bigtiff = False  # as EXIF is, whatever file the tags are from
    keep_texts_of_pillow_pixels(tags)
    return tags.tobytes() if tags else b""


def keep_texts_of_pillow_pixels(tags: PillowImage.Exif) -> None:
    """Make texts bytes as they are in a file, which Pillow reads as Latin-1; it would write what is not ASCII as
    "?". Those of tags that it does not know get the type of bytes.
    """
    for directory in (tags, *(tags.get_ifd(tag) for tag in _DIRECTORIES if tag in tags)):
        for tag, value in list(directory.items()):
            if isinstance(value, str) and not value.isascii():
                directory[tag] = value.encode("latin-1" if max(value) < "\u0100" else "utf-8")


def _tagged_depth(picture: PillowImage.Image) -> int:
    if picture.format == "PPM":  # Pillow spreads samples of any maximum over 16 bits
        return FULL_DEPTH
    tags = getattr(picture, "tag_v2", {}) if picture.mode.startswith("I;16") else {}
    return depth_of_pillow_tags(tags.get(BITS_PER_SAMPLE), tags.get(MAX_SAMPLE_VALUE))


def depth_of_pillow_tags(bits: Any, largest: Any) -> int:
    """The bit depth that values of the TIFF tags 258 and 281 say of 16-bit samples, 9 to 15; 0 where they say nothing.

    281 is the largest colour used (TIFF 6.0, section 8), one for each channel; that of the first one counts.
    """
    numbers = [value[0] if isinstance(value, Sequence) and value else value for value in (bits, largest)]
    depths = [numbers[0], numbers[1].bit_length() if isinstance(numbers[1], int) else None]
    return next((depth for depth in depths if depth in STORED_DEPTHS), 0)


def _samples(picture: PillowImage.Image) -> Samples:
    mode = picture.mode
    if mode.startswith("I;16") or (mode == "I" and picture.format == "PPM"):  # 16-bit grey, as Pillow opens PGM
        return _keyed(np.asarray(picture).astype(np.uint16)[:, :, None], picture.info.get("transparency"))
    if mode == "CMYK":
        return np.array(_rgb_of_cmyk(picture))
    target = _target_mode(picture)
    if target is None:
        advice = _ADVICE.get(mode, "convert it to RGB first")
        raise UnsupportedSignalError(
            f"pixel mode {mode} is not supported; allowed are L, LA, RGB, RGBA, 1, P, CMYK and 16-bit grey: {advice}"
        )
    array = np.array(picture if target == mode else picture.convert(target))  # a copy, as Pillow's is read-only
    return array[:, :, None] if array.ndim == 2 else array


def _target_mode(picture: PillowImage.Image) -> str | None:
    """The mode of `Image` that holds this picture without loss; None if there is none."""
    mode, has_key = picture.mode, "transparency" in picture.info
    if mode == "P":
        palette = picture.palette
        return "RGBA" if has_key or (palette is not None and palette.mode.endswith("A")) else "RGB"
    if has_key and mode in _KEYED_MODES:
        return _KEYED_MODES[mode]
    return mode if mode in _DIRECT_MODES else _CONVERTED_MODES.get(mode)


def _keyed(samples: Samples, key: Any) -> Samples:
    """Samples (h, w, c) with alpha, 0 where they are the transparent colour; without it where there is none."""
    if key is None:
        return samples
    is_key = (samples == np.asarray(key)).all(axis=2, keepdims=True)
    most = np.iinfo(samples.dtype).max
    return np.concatenate([samples, np.where(is_key, 0, most).astype(samples.dtype)], axis=2)


def _rgb_of_cmyk(picture: PillowImage.Image) -> PillowImage.Image:
    """By the picture's profile where it has one that works, else by Pillow's formula."""
    if icc := picture.info.get("icc_profile"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            found = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
            found = None
        if found is not None:
            note("CMYK was converted to sRGB by the file's colour profile")
            return found
    note("CMYK was converted to RGB without a colour profile, so that colours are approximate")
    return picture.convert("RGB")


def _is_deep_file(picture: PillowImage.Image) -> bool:
    """Whether a file not yet loaded holds more than 8 bits per channel, as far as its tiles say (not in JPEG 2000)."""
    for codec, _, _, args in getattr(picture, "tile", ()):
        raw_mode, *others = args if isinstance(args, tuple) and args else (args,)
        if str(raw_mode).endswith(_DEEP_RAW_MODES) or codec == "SGI16":
            return True
        if codec.startswith("ppm") and others and others[0] > 255:  # the largest value
            return True
    return False


def _exif(picture: PillowImage.Image) -> bytes:
    """The block of a loaded picture, its orientation that of the pixels, from XMP where EXIF has none; maybe empty."""
    exif = _own_block(picture)
    orientation = orientation_of(exif, picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or b"")
    is_stored = isinstance(picture, ImageFile.ImageFile) or _STORED in vars(picture)
    if orientation != UPRIGHT and not is_stored:
        note(
            f"orientation {orientation} was left out, since Pillow keeps it where pixels have been turned; "
            "use PIL.ImageOps.exif_transpose, or give exif="
        )
        orientation = UPRIGHT
    return with_orientation(exif, orientation)


def _own_block(picture: PillowImage.Image) -> bytes:
    """The EXIF block that the file has, or that Pillow makes of a TIFF directory or a text; empty where it is damaged."""
    exif = picture.info.get("exif")
    if not exif:
        try:
            exif = _block_of_tags(picture)
        except Exception:  # damaged tags raise nearly anything
            exif = b"damaged"
    exif = bytes(exif)
    if exif and not is_exif(exif):
        note("its EXIF block is damaged and was left out")
        return b""
    return exif if not exif or exif.startswith(EXIF_PREFIX) else EXIF_PREFIX + exif  # WebP's comes without


def _block_of_tags(picture: PillowImage.Image) -> bytes:
    """An EXIF block of the tags that Pillow found elsewhere (TIFF directory, text of a PNG file)."""
    tags = picture.getexif()
    if LAYOUT_TAGS.issuperset(tags):
        return b""
    tags.bigtiff = False  # Pillow writes no EXIF block that it can read of the tags of a BigTIFF file
    keep_texts_of_pillow_pixels(tags)
    kept = PillowImage.Exif()
    kept.load(tags.tobytes())
    return exif_of_pillow_pixels(kept)
