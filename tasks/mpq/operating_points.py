"""Codecs at several operating points from short texts: "jpeg:quality=10|25|50" is one curve of three points."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from laconic.codecs.arguments import items_of_argument, name_argument, whole_numbers_argument
from laconic.codecs.codec import Codec
from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio, Image
from laconic.codecs.registry import available_codecs, codec_class, make_codec

# Options that move a codec along its curve; the others make another curve.
_RATE_OPTIONS = ("quality", "rate", "compression_level", "step_code")
# Chosen so that the curves of a kind span about the same rates: .1 to 2 bits per pixel, 5 to 60 kbit/s where they can.
_DEFAULTS = {
    "avif": "avif:quality=5|15|30|45|60",
    "jpeg": "jpeg:quality=3|8|20|40|75",
    "jpeg2000": "jpeg2000:rate=240|120|60|30|12",
    "mp3": "mp3:bitrate_mode=average,compression_level=0.99|0.95|0.9|0.8",
    "opus": "opus:compression_level=1|0.98|0.95|0.88",
    "vorbis": "vorbis:compression_level=1|0.7|0.5|0.3",
    "webp": "webp:quality=0|10|30|60|85",
}
_OURS = {"images": "lcn:quality=1|12|30|45|62", "sounds": "lcn:quality=1|15|32|50"}
_GROUPS = {"images": ("jpeg", "webp", "jpeg2000", "avif"), "sounds": ("mp3", "opus", "vorbis")}


@dataclass(frozen=True)
class OperatingPoint:
    """A codec value, the text that makes it, the curve it lies on, and the kinds of signals to offer it."""

    spec: str
    curve: str
    codec: Codec[Any]
    kinds: frozenset[MediaKind]

    @property
    def key(self) -> str:
        """What tells its rows apart: the codec as Python text."""
        return repr(self.codec)


def operating_points(specs: Sequence[str], qualities: Sequence[int] = ()) -> list[OperatingPoint]:
    """The points of all texts, each once, in their order.

    A text is a spec of `laconic.codecs.registry` with values separated by "|", a bare name, which stands for points
    spread over its usual rates, or "images" or "sounds": all codecs of the package for this kind. `qualities` replace
    the points of bare names that have a `quality`. Raises `CodecError` or `MissingDependencyError`.

    >>> [point.spec for point in operating_points(["jpeg:quality=10|25,subsampling=4:4:4"])]
    ['jpeg:quality=10,subsampling=4:4:4', 'jpeg:quality=25,subsampling=4:4:4']
    """
    texts = [name_argument("a codec", spec) for spec in items_of_argument("codecs", specs)]
    qualities = whole_numbers_argument("qualities", qualities)
    points = [point for text in texts for point in _points_of(text, qualities)]
    if not points:
        raise CodecError(f"no codec is named; known are {', '.join(available_codecs())}, images and sounds")
    return list({(point.key, point.kinds): point for point in points}.values())


def _points_of(spec: str, qualities: Sequence[int]) -> Iterator[OperatingPoint]:
    if spec in _GROUPS:
        kinds: frozenset[MediaKind] = frozenset(["image" if spec == "images" else "sound"])
        ours = _with_qualities("lcn", qualities) or _OURS[spec]
        for point in _expanded(ours):
            yield OperatingPoint(point.spec, point.curve, point.codec, kinds)
        for name in _GROUPS[spec]:
            yield from _points_of(name, qualities)
    elif ":" in spec:
        yield from _expanded(spec)
    elif spec == "lcn" and not qualities:
        yield from _expanded(_OURS["images"])
    else:
        yield from _expanded(_with_qualities(spec, qualities) or _DEFAULTS.get(spec, spec))


def _with_qualities(name: str, qualities: Sequence[int]) -> str | None:
    if not qualities or "quality" not in getattr(codec_class(name), "__dataclass_fields__", {}):
        return None
    return f"{name}:quality={'|'.join(map(str, qualities))}"


def _expanded(spec: str) -> Iterator[OperatingPoint]:
    name, _, text = spec.strip().partition(":")
    options = [item.partition("=") for item in text.split(",")] if text else []
    curve = ",".join(f"{key}={value}" for key, _, value in options if key not in _RATE_OPTIONS and "|" not in value)
    for values in itertools.product(*(value.split("|") for _, _, value in options)):
        chosen = ",".join(f"{key}{sign}{value}" for (key, sign, _), value in zip(options, values, strict=True))
        one = f"{name}:{chosen}" if chosen else name
        codec = make_codec(one)
        yield OperatingPoint(one, f"{name}:{curve}" if curve else name, codec, _kinds_of(codec))


def _kinds_of(codec: Codec[Any]) -> frozenset[MediaKind]:
    """By the type that `encode` declares; a codec that declares none we can read is offered everything."""
    every: frozenset[MediaKind] = frozenset(["image", "sound"])
    try:
        annotation = typing.get_type_hints(type(codec).encode).get("signal")
    except (NameError, TypeError):  # a name of a TYPE_CHECKING block
        return every
    types = set(_alternatives(annotation))
    kinds = [kind for kind, cls in (("image", Image), ("sound", Audio)) if cls in types]
    return frozenset(typing.cast("list[MediaKind]", kinds)) or every


def _alternatives(annotation: Any) -> Iterable[Any]:
    return typing.get_args(annotation) or (annotation,)
