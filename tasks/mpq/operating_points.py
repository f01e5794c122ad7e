"""Codecs at several operating points from short texts: "jpeg:quality=10|25|50" is one curve of three points."""

from __future__ import annotations

import itertools
import re
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from laconic.codecs.arguments import items_of_argument, name_argument, whole_numbers_argument
from laconic.codecs.codec import Codec
from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio, Image
from laconic.codecs.registry import available_codecs, built_in_codecs, codec_class, make_codec, usual_curves
from laconic.codecs.resized import Resized
from laconic.tasks.mpq.option_values import ALL, option_values

# Options that move a codec along its curve, the last two of those with a network for each rate; where none of them has
# several values, numbers of other options do. All else makes another curve.
_RATE_OPTIONS = ("quality", "rate", "compression_level", "step_code", "checkpoint", "weights")
_RESIZE = "resize"  # of every codec of pictures
_GROUPS: dict[str, MediaKind] = {"images": "image", "sounds": "sound"}
_OURS = "lcn"
_QUALITY = re.compile(r"\bquality=[^,]*")


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

    A text is a spec of `laconic.codecs.registry` with several values of an option (`option_values`): "lcn:profile=*,
    quality=10..90/10"; a bare name, which stands for the codec's usual curve of each kind of signal; or "images" or
    "sounds": all usual curves of the package for this kind. Combinations that the codec refuses are left out where "*"
    made them. "resize=0.5" works with every codec of pictures: `laconic.codecs.resized`. `qualities` replace those of
    bare names and groups. Raises `CodecError` or `MissingDependencyError`.

    >>> [point.spec for point in operating_points(["jpeg:quality=10|25,subsampling=4:4:4"])]
    ['jpeg:quality=10,subsampling=4:4:4', 'jpeg:quality=25,subsampling=4:4:4']
    """
    texts = [name_argument("a codec", spec).strip() for spec in items_of_argument("codecs", specs)]
    qualities = whole_numbers_argument("qualities", qualities)
    points: dict[object, OperatingPoint] = {}
    for point in itertools.chain.from_iterable(_points_of(text, qualities) for text in texts):
        points.setdefault((point.key, point.kinds), point)
    if not points:
        raise CodecError(f"no codec is named; known are {', '.join(available_codecs())}, images and sounds")
    return list(points.values())


def _points_of(text: str, qualities: Sequence[int]) -> Iterator[OperatingPoint]:
    if text in _GROUPS:
        for name in sorted(built_in_codecs(), key=lambda name: (name != _OURS, name)):
            for curve in usual_curves(name).get(_GROUPS[text], ()):
                yield from _usual_points(name, curve, _GROUPS[text], qualities)
    elif ":" in text:
        yield from _expanded(*text.split(":", 1))
    elif curves := usual_curves(text):
        for kind in _GROUPS.values():
            for curve in curves.get(kind, ())[:1]:
                yield from _usual_points(text, curve, kind, qualities)
    elif qualities and _has_option(text, "quality"):
        yield from _expanded(text, f"quality={_joined(qualities)}")
    else:
        yield from _expanded(text, "")


def _usual_points(name: str, curve: str, kind: MediaKind, qualities: Sequence[int]) -> Iterator[OperatingPoint]:
    if qualities:
        curve = _QUALITY.sub(f"quality={_joined(qualities)}", curve)
    for point in _expanded(name, curve):
        yield replace(point, kinds=frozenset([kind]))


def _joined(qualities: Sequence[int]) -> str:
    return "|".join(map(str, qualities))


def _expanded(name: str, text: str) -> Iterator[OperatingPoint]:
    """The points of "name:text". What the codec refuses is left out if it takes the same with another value of a "*"."""
    texts = _option_texts(name, text)
    values = {key: option_values(name, key, value) for key, value in texts.items()}
    on_curve = _options_on_curve(values)
    refusals: dict[str, CodecError | None] = {}
    for combination in itertools.product(*values.values()):
        chosen = dict(zip(values, combination, strict=True))
        named = _spec(name, {key: value for key, value in chosen.items() if texts[key] != ALL})
        try:
            codec, kinds = _made(name, chosen)
        except CodecError as err:
            refusals.setdefault(named, err)
            continue
        refusals[named] = None
        curve = {key: value for key, value in chosen.items() if key not in on_curve}
        yield OperatingPoint(_spec(name, chosen), _spec(name, curve), codec, kinds)
    for refusal in filter(None, refusals.values()):
        raise refusal


def _option_texts(name: str, text: str) -> dict[str, str]:
    """Options to what stands for their values."""
    items = [item.partition("=") for item in text.split(",")] if text else []
    texts = {key.strip(): value.strip() for key, equals, value in items if equals}
    if len(texts) < len(items):
        make_codec(f"{name}:{text}")  # says which is no option, or is there twice
    return texts


def _options_on_curve(values: dict[str, list[str]]) -> set[str]:
    several = {key for key, choices in values.items() if len(choices) > 1}
    if several.isdisjoint(_RATE_OPTIONS):
        numbers = {key for key in several if all(map(_is_number, values[key]))}
        return {*_RATE_OPTIONS, *numbers}
    return set(_RATE_OPTIONS)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _spec(name: str, options: dict[str, str]) -> str:
    text = ",".join(f"{key}={value}" for key, value in options.items())
    return f"{name}:{text}" if text else name


def _made(name: str, options: dict[str, str]) -> tuple[Codec[Any], frozenset[MediaKind]]:
    """The codec, and the kinds of signals it takes."""
    inner = {key: value for key, value in options.items() if key != _RESIZE or _has_option(name, _RESIZE)}
    codec = make_codec(_spec(name, inner))
    kinds = _kinds_of(codec)
    if inner == options:
        return codec, kinds
    if "image" not in kinds:
        raise CodecError(f"resize={options[_RESIZE]} is for pictures, codec {name!r} is for sounds; leave it out")
    if not _is_number(options[_RESIZE]):
        raise CodecError(f"resize is {options[_RESIZE]!r}; allowed is a number from 1/32 to 1, as resize=0.5")
    return Resized(_spec(name, inner), float(options[_RESIZE])), frozenset(["image"])


def _has_option(name: str, option: str) -> bool:
    return option in getattr(codec_class(name), "__dataclass_fields__", {})


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
