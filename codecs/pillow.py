"""The Pillow plugin: `import laconic.codecs.pillow` makes `Image.open("x.lcn")` and `picture.save("x.lcn")` work.

Opening reads the header only, `verify` checks the whole file. `save` takes `quality`, `bits_per_pixel`, `max_bytes`,
`model`, `profile` and `effort` as `laconic.codecs.encode` does, and `icc_profile` and `exif`, which default to those in
the picture's `info`; of a picture that Pillow has made of another, without the orientation, since Pillow keeps it where it
turns pixels. Files of models that are not shipped need `laconic.codecs.decode(data, model=...)`.
"""

from __future__ import annotations

import io
from typing import IO, Any, cast

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageFile

from laconic.codecs.arguments import bytes_argument
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.files import decode, encode
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import load_model_of
from laconic.entropy import BitstreamError, LimitError, UnsupportedVersionError
from laconic.entropy.container import MAGIC, CodecNumber, Header, Source, read_header

_FORMAT = "LCN"
_OPTIONS = ("quality", "bits_per_pixel", "max_bytes", "model", "profile", "effort")
_METADATA = {"icc": "icc_profile", "exif": "exif"}


class LcnImageFile(ImageFile.ImageFile):
    """An .lcn file as Pillow opens it, decoded on first use of its pixels.

    Damaged files are errors as Pillow's own formats raise them: `UnidentifiedImageError` for the header, `OSError` for
    the rest. A file of a newer version, above our limits or of an unknown model raises laconic's error.
    """

    format = _FORMAT
    format_description = "laconic picture"

    def _open(self) -> None:
        try:
            header = read_header(Source(cast("io.BufferedReader", self.fp)))
        except (UnsupportedVersionError, LimitError):
            raise
        except BitstreamError as err:
            raise SyntaxError(str(err)) from err  # how a plugin says that the file is not its own
        self._mode = _mode_of(header)
        self._size = (header.shape[1], header.shape[0])
        self.info |= {_METADATA[name]: value for name, value in header.metadata.items()}
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), 0, self._mode)]

    def load(self) -> Any:
        if self.tile and self.fp is not None:
            self.fp.seek(0)
            try:
                image = decode(self.fp.read())
            except BitstreamError as err:
                raise OSError(f"damaged .lcn file: {err}") from err
            if self._exclusive_fp:
                self.fp.close()
            self.fp = io.BytesIO(np.asarray(image).astype(image.samples.dtype.newbyteorder("<")).tobytes())
        return super().load()

    def verify(self) -> None:
        """Check the whole file by its checksums, and by decoding its integers, but no pixels.

        Raises as `load`. As with Pillow's own formats, it is for a picture that was just opened, which has to be opened
        again to be used.
        """
        if self.fp is None or not self.tile:
            raise RuntimeError("verify must be called directly after open")
        try:
            self.fp.seek(0)
            Lcn().unpack(self.fp.read())
        except BitstreamError as err:
            raise OSError(f"damaged .lcn file: {err}") from err
        finally:
            super().verify()

    def load_seek(self, pos: int) -> None:
        """Nothing to skip: the pixels start at once."""


def _mode_of(header: Header) -> str:
    if header.codec is not CodecNumber.IMAGE:
        raise UnsupportedSignalError(f"the file holds a {header.codec.name.lower()}; allowed are pictures")
    model = load_model_of(header.fingerprint, None, header.packed_model)
    mode = {1: "L", 3: "RGB"}[model.num_planes] + "A" * header.has_alpha
    if header.bit_depth == 8:
        return mode
    if mode != "L":
        raise UnsupportedSignalError(
            f"16-bit {mode} cannot be held by Pillow; allowed are 8-bit and 16-bit grey: use laconic.codecs.open"
        )
    return "I;16"


def _save(picture: PillowImage.Image, file: IO[bytes], filename: str | bytes) -> None:
    options = dict(picture.encoderinfo)
    exif = _metadata_bytes(options["exif"]) if "exif" in options else None
    image = Image.from_pillow(picture, exif=exif)
    metadata = dict(image.metadata)
    if "icc_profile" in options:
        metadata["icc"] = _metadata_bytes(options["icc_profile"])
    kept = {name: value for name, value in metadata.items() if value}
    given = {name: options[name] for name in _OPTIONS if name in options}
    file.write(encode(Image(image.samples, kept), **given))


def _metadata_bytes(value: Any) -> bytes:
    if isinstance(value, PillowImage.Exif):
        return value.tobytes()
    return b"" if value is None else bytes_argument("icc_profile or exif", value)


PillowImage.register_open(_FORMAT, LcnImageFile, lambda prefix: prefix.startswith(MAGIC))
PillowImage.register_save(_FORMAT, _save)
PillowImage.register_extension(_FORMAT, ".lcn")
PillowImage.register_mime(_FORMAT, "image/x-laconic")
