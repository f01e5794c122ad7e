"""Signals <-> latents <-> bytes.

At the root stands what everyone needs: `media` (`Image`, `Audio`, `Cube`: signals), `codec` (the interfaces), `lcn`
(our codec, one file that joins the rest), `latent` (the integers), `sound_metadata` (tags and what else a file keeps
of a sound), `form` (what a file says of a signal), `steps` (quality -> step), `levels` (how loud a sound or a cube
is), `encoding_target` (a size, a rate or an error in place of a quality), `target_search` (the file that keeps to one,
with `step_search`, `size_search`, `sample_errors`), `plan` (how one signal is encoded, and its integers), `files` (media
files; the functions most people need), `notes` (what was dropped of a file, and hints), `streams` (signals larger than
memory), `pillow` (a plugin), `resized` (any codec of pictures at a lower resolution), `registry` (codecs by name), `checks`
(the laws of a codec as a test kit), `whole_files` (writing all or nothing), `threads` (the one map over threads),
`progress` (how far an encoder is), `loudness` (what levels are made of), `binary_logs` (the same on every machine),
`onnx_export` (with torch: the transform for other runtimes).

The folders, in reading order: `models` (what is learned, and where it is found), `transform` (signal <-> integers),
`packing` (latent <-> .lcn file), `pictures` (by rows, in part, with threads), `sounds` (by blocks, in part, without
loss), `tokens` (speech as integers), `formats` (media files of other formats), `fitting` (a model of your own signals),
`external` (codecs of other libraries). With torch: `learning` (what training needs), `walloc` (the published baseline).
The kernels are in `native/`. Names are loaded on first use, so that listing models does not import numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from laconic.codecs.errors import (
    CodecError,
    DroppedWarning,
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
    from laconic.codecs.fitting.closed_form import FitOptions, fit
    from laconic.codecs.latent import Latent
    from laconic.codecs.lcn import Lcn
    from laconic.codecs.media import Audio, Cube, Image
    from laconic.codecs.models.model import Model
    from laconic.codecs.sound_metadata import SoundMetadata
    from laconic.codecs.sounds.lossless_codec import LcnLossless
    from laconic.codecs.sounds.sound_part import decode_sound, open_sound
    from laconic.codecs.tokens.speech_tokens import SpeechTokens

_LAZY = {
    "Audio": "media:Audio",
    "Codec": "codec:Codec",
    "Cube": "media:Cube",
    "FitOptions": "fitting.closed_form:FitOptions",
    "Image": "media:Image",
    "Latent": "latent:Latent",
    "LatentCodec": "codec:LatentCodec",
    "Model": "models.model:Model",
    "Lcn": "lcn:Lcn",
    "LcnLossless": "sounds.lossless_codec:LcnLossless",
    "SoundMetadata": "sound_metadata:SoundMetadata",
    "SpeechTokens": "tokens.speech_tokens:SpeechTokens",
    "decode": "files:decode",
    "decode_sound": "sounds.sound_part:decode_sound",
    "encode": "files:encode",
    "fit": "fitting.closed_form:fit",
    "open": "files:read_image",
    "open_sound": "sounds.sound_part:open_sound",
    "save": "files:write_image",
}

__all__ = [
    "Audio",
    "Codec",
    "CodecError",
    "Cube",
    "DroppedWarning",
    "FitOptions",
    "Image",
    "Latent",
    "LatentCodec",
    "MissingDependencyError",
    "Model",
    "Lcn",
    "LcnLossless",
    "SoundMetadata",
    "SpeechTokens",
    "UnknownCodecError",
    "UnknownModelError",
    "UnsupportedSignalError",
    "WeightsError",
    "decode",
    "decode_sound",
    "encode",
    "fit",
    "open",
    "open_sound",
    "save",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module, _, attribute = _LAZY[name].partition(":")
        return getattr(import_module(f"laconic.codecs.{module}"), attribute)
    raise AttributeError(f"module 'laconic.codecs' has no attribute {name!r}")
