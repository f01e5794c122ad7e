"""Names to codecs: `make_codec("jpeg:quality=25")`. Nothing is imported before its name is asked for.

Packages add their own by an entry point of the group "laconic.codecs": name = "module:Class", Class a frozen dataclass
that passes `laconic.codecs.checks`. Names of built-in codecs cannot be taken over. A class may also say which operating
points show it best, `usual_curves: ClassVar`, texts of options by the kind of signal, for comparisons of codecs:
{"image": ("quality=5|20|50|80", "quality=5|20|50|80,subsampling=*")}. The first of a kind is its usual curve.

A codec whose files are .lcn files with a codec number of their own (SPEC.md, section 6) says so by an entry point of the
group "laconic.decoders": number = "module:Class". `decoder_class` finds it by the first bytes of a file.
"""

from __future__ import annotations

import dataclasses
import io
import types
import typing
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from laconic.codecs.arguments import bytes_argument, name_argument
from laconic.codecs.errors import CodecError, MissingDependencyError, UnknownCodecError
from laconic.entropy.container import CODEC_NUMBER_AT, MAGIC, VERSION, CodecNumber
from laconic.entropy.errors import UnsupportedVersionError

if TYPE_CHECKING:
    from laconic.codecs.codec import Codec

GROUP = "laconic.codecs"
DECODERS_GROUP = "laconic.decoders"
HEAD_BYTES = CODEC_NUMBER_AT + 1  # of a file tell who decodes it
_NAME_OF_NUMBER: dict[int, str] = dict.fromkeys(map(int, CodecNumber), "lcn") | {
    int(CodecNumber.LOSSLESS_SOUND): "lcn-lossless"
}
_BUILT_IN = {
    "avif": "laconic.codecs.external.avif:Avif",
    "compressai": "laconic.codecs.external.compressai:CompressAI",
    "encodec": "laconic.codecs.external.encodec:EnCodec",
    "flac": "laconic.codecs.external.flac:Flac",
    "jpeg": "laconic.codecs.external.jpeg:Jpeg",
    "jpeg2000": "laconic.codecs.external.jpeg2000:Jpeg2000",
    "jpegxl": "laconic.codecs.external.jpegxl:JpegXL",
    "lcn": "laconic.codecs.lcn:Lcn",
    "lcn-lossless": "laconic.codecs.sounds.lossless_codec:LcnLossless",
    "mp3": "laconic.codecs.external.mp3:Mp3",
    "opus": "laconic.codecs.external.opus:Opus",
    "vorbis": "laconic.codecs.external.vorbis:Vorbis",
    "walloc": "laconic.codecs.walloc.walloc_codec:WallocCodec",
    "webp": "laconic.codecs.external.webp:WebP",
}


def available_codecs() -> tuple[str, ...]:
    """The names that `make_codec` knows, sorted; that of a plugin whose package is broken included."""
    return tuple(sorted(_entry_points()))


def built_in_codecs() -> tuple[str, ...]:
    """Those of `available_codecs` that come with this package."""
    return tuple(sorted(_BUILT_IN))


def codec_class(name: str) -> type[Codec[Any]]:
    """The dataclass of this name.

    Raises `UnknownCodecError`, and `MissingDependencyError` if a module that it needs cannot be imported.
    """
    name, found = name_argument("codec", name), _entry_points()
    if name not in found:
        raise UnknownCodecError(f"codec {name!r} is unknown; known are {', '.join(sorted(found))}")
    return _class_of(found[name])


def first_bytes(data: bytes | BinaryIO) -> bytes:
    """As many as tell which codec decodes a file, which stays where it is; none of a pipe that shows nothing beforehand."""
    if isinstance(data, io.BufferedReader):
        return data.peek(HEAD_BYTES)
    if isinstance(data, bytes) or not data.seekable():
        return data[:HEAD_BYTES] if isinstance(data, bytes) else b""
    position = data.tell()
    head = data.read(HEAD_BYTES)
    data.seek(position)
    return head


def decoder_class(head: bytes) -> type[Codec[Any]]:
    """The dataclass of the codec that decodes an .lcn file of which these are the first `HEAD_BYTES`, or more.

    What is no .lcn file of this version is left to `Lcn` to refuse. Raises `UnsupportedVersionError` for a codec number
    that nobody has, and as `codec_class`.
    """
    head = bytes_argument("head", head)
    is_ours = len(head) >= HEAD_BYTES and head.startswith(MAGIC + bytes([VERSION]))
    number = head[CODEC_NUMBER_AT] & 15 if is_ours else CodecNumber.IMAGE
    if number in _NAME_OF_NUMBER:
        name = _NAME_OF_NUMBER[number]
        return _class_of(EntryPoint(name, _BUILT_IN[name], GROUP))  # without a search of what is installed
    for entry in entry_points(group=DECODERS_GROUP):
        if entry.name == str(number):
            return _class_of(entry)
    raise UnsupportedVersionError(
        f"the file has codec number {number}, which no codec here decodes: update laconic, or install the package that "
        "the file was made with"
    )


def _class_of(entry: EntryPoint) -> type[Codec[Any]]:
    name = entry.name
    try:
        loaded = entry.load()
    except MissingDependencyError:
        raise
    except ImportError as err:
        raise MissingDependencyError(
            f"codec {name!r} ({entry.value}) cannot be imported: {err}; reinstall it: pip install {_package(entry)}"
        ) from err
    except AttributeError as err:
        raise CodecError(f"codec {name!r} names {entry.value}, which does not exist: {err}") from err
    if not isinstance(loaded, type) or not dataclasses.is_dataclass(loaded):
        raise CodecError(f"codec {name!r} names {entry.value}, which is {loaded!r}; allowed is a frozen dataclass")
    return cast("type[Codec[Any]]", loaded)


def make_codec(spec: str) -> Codec[Any]:
    """The codec value that "name" or "name:option=value,option=value" describes.

    Options are the fields of the codec's dataclass; the values are written as in Python but lower case and unquoted:
    25, 0.5, true, none, 4:2:0.

    >>> make_codec("jpeg:quality=25,optimize=false")
    Jpeg(quality=25, optimize=False, progressive=True, subsampling='4:2:0')

    Raises `UnknownCodecError`, or `CodecError` for an unknown option or a value that it does not allow.
    """
    name, _, text = name_argument("codec", spec).strip().partition(":")
    cls = codec_class(name)
    options = _parse_options(name, cls, text)
    try:
        return cls(**options)
    except TypeError as err:  # a field without a default
        raise CodecError(f"codec {spec!r} is incomplete: {err}") from err


def usual_curves(name: str) -> Mapping[str, tuple[str, ...]]:
    """The texts of options that show this codec best, by kind of signal, "image" or "sound"; none where it names none.

    Raises as `codec_class`.

    >>> usual_curves("opus")
    {'sound': ('compression_level=0.99|0.96|0.9|0.8',)}
    """
    curves: Mapping[str, tuple[str, ...]] = getattr(codec_class(name), "usual_curves", {})
    return curves


def listed_values(name: str, option: str) -> tuple[str, ...]:
    """The values that the type of a codec's option lists, as texts: the words of a Literal, also beside other types, or
    true and false. None is not among them: it stands for one of the others.

    Raises as `codec_class`, and `CodecError` for an option that is unknown or lists none.

    >>> listed_values("jpeg", "subsampling")
    ('4:4:4', '4:2:2', '4:2:0')
    """
    cls = codec_class(name)
    if option not in _options_of(cls):
        raise CodecError(f"codec {name!r} has no option {option!r}; allowed are {', '.join(sorted(_options_of(cls)))}")
    annotation = typing.get_type_hints(cls)[option]
    if listed := tuple(_words_of(annotation)):
        return listed
    raise CodecError(
        f"option {option} of codec {name!r} lists no values, as its type is {_described(annotation)}; name the values"
    )


def _entry_points() -> dict[str, EntryPoint]:
    plugins = {entry.name: entry for entry in entry_points(group=GROUP)}
    return plugins | {name: EntryPoint(name, value, GROUP) for name, value in _BUILT_IN.items()}


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "laconic"


def _parse_options(name: str, cls: type[Any], text: str) -> dict[str, object]:
    allowed = _options_of(cls)
    annotations = typing.get_type_hints(cls)
    options: dict[str, object] = {}
    for item in text.split(",") if text else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or key not in allowed or key in options:
            raise CodecError(
                f"codec {name!r} got {item!r}; allowed is option=value, once each, "
                f"with the options {', '.join(sorted(allowed)) or '(none)'}"
            )
        try:
            options[key] = _parse_value(value, annotations[key])
        except ValueError as err:
            allowed_text = _described(annotations[key])
            raise CodecError(f"option {key} of codec {name!r} is {value!r}; allowed is {allowed_text}") from err
    return options


def _options_of(cls: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(cls) if field.init}


def _words_of(annotation: Any) -> Iterator[str]:
    """The values that a type lists, as texts."""
    if annotation is bool:
        yield from ("true", "false")
    elif typing.get_origin(annotation) is typing.Literal:
        yield from map(str, typing.get_args(annotation))
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _words_of(part)


def _described(annotation: Any) -> str:
    """A type for a message: "int", "psnr, ssim, none"."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return ", ".join(map(_described, typing.get_args(annotation)))
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(map(str, typing.get_args(annotation)))
    return "none" if annotation is types.NoneType else getattr(annotation, "__name__", str(annotation))


def _parse_value(text: str, annotation: Any) -> object:
    """The text as a value of this type; ValueError where it is none."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _parse_first(text, typing.get_args(annotation))
    if origin is typing.Literal:
        return _parse_word(text, {str(value): value for value in typing.get_args(annotation)})
    if annotation is types.NoneType:
        return _parse_word(text, {"none": None})
    if annotation is bool:
        return _parse_word(text, {"true": True, "false": False})
    if annotation in (int, float, str):
        return annotation(text)
    raise ValueError(f"{annotation} cannot be written as text")


def _parse_word(text: str, words: dict[str, object]) -> object:
    if text not in words:
        raise ValueError(f"{text!r} is none of {', '.join(words)}")
    return words[text]


def _parse_first(text: str, annotations: tuple[Any, ...]) -> object:
    """The text as the first of these types that takes it, None before all and str after all."""
    for annotation in sorted(annotations, key=lambda kind: (kind is not types.NoneType, kind is str)):
        try:
            return _parse_value(text, annotation)
        except ValueError:
            continue
    raise ValueError(text)
