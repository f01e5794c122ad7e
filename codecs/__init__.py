"""Signals <-> latents <-> bytes.

In reading order: `media` (`Image`, `Audio`, `Cube`: signals), `codec` (the interfaces), `sandwich` (our codec, one
file that joins the following), `packet_tree`, `wavelet`, `fixed_point` and `transform` (signal <-> coefficients),
`quantizer` (quality -> step), `optimizer` (which integers), `latent` (the integers), `layout`, `packing` and
`unpacking` (latent <-> .lcn file), `pictures` and `areas` (pictures by rows, in part, with threads), `model` and `zoo`
(what is learned, and where it is found), `transparency` (what alpha hides), `training` and `fitting` (a model of your
own signals), `files` with `picture_files` and `sound_files` (media files; the functions most people need), `streams`
with `row_files`, `tiff_files` and `segments` (pictures larger than memory), `whole_files` (writing all or nothing),
`pillow` (a plugin), `registry` and `external` (codecs by name, those of other libraries), `checks` (the laws of a codec
as a test kit). With torch: `synthesis` (the neural one), `walloc` and `walloc_codec` (the published baseline for
pictures, as a network and as a codec), `learning`, `tensor_packets`, `encoder_model`, `objective`,
`transform_learner` and `synthesis_learner` (what training needs, where the extension is not built), `onnx_export` (the
transform for other runtimes). The kernels are in `native/`. Names are loaded on first use, so that listing models does
not import numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from laconic.codecs.errors import (
    CodecError,
    MissingDependencyError,
    UnknownCodecError,
    UnknownModelError,
    UnsupportedSignalError,
    WeightsError,
)

if TYPE_CHECKING:
    from laconic.codecs.codec import Codec, LatentCodec
    from laconic.codecs.files import decode, encode
    from laconic.codecs.files import read_image as open
    from laconic.codecs.files import write_image as save
    from laconic.codecs.fitting import FitOptions, fit
    from laconic.codecs.latent import Latent
    from laconic.codecs.media import Audio, Cube, Image
    from laconic.codecs.model import Model
    from laconic.codecs.sandwich import Sandwich

_LAZY = {
    "Audio": "media:Audio",
    "Codec": "codec:Codec",
    "Cube": "media:Cube",
    "FitOptions": "fitting:FitOptions",
    "Image": "media:Image",
    "Latent": "latent:Latent",
    "LatentCodec": "codec:LatentCodec",
    "Model": "model:Model",
    "Sandwich": "sandwich:Sandwich",
    "decode": "files:decode",
    "encode": "files:encode",
    "fit": "fitting:fit",
    "open": "files:read_image",
    "save": "files:write_image",
}

__all__ = [
    "Audio",
    "Codec",
    "CodecError",
    "Cube",
    "FitOptions",
    "Image",
    "Latent",
    "LatentCodec",
    "MissingDependencyError",
    "Model",
    "Sandwich",
    "UnknownCodecError",
    "UnknownModelError",
    "UnsupportedSignalError",
    "WeightsError",
    "decode",
    "encode",
    "fit",
    "open",
    "save",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module, _, attribute = _LAZY[name].partition(":")
        return getattr(import_module(f"laconic.codecs.{module}"), attribute)
    raise AttributeError(f"module 'laconic.codecs' has no attribute {name!r}")
