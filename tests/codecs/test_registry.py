"""Names to codecs: parsing, the errors of each mistake, plugins, and that nothing is imported too early."""

import dataclasses
import io
import subprocess
import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import ClassVar, Literal

import numpy as np
import pytest

from laconic.codecs import decode, files, registry
from laconic.codecs.errors import CodecError, MissingDependencyError, UnknownCodecError, UnsupportedSignalError
from laconic.codecs.external import Avif, Jpeg, Jpeg2000, WebP
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.registry import (
    available_codecs,
    built_in_codecs,
    codec_class,
    decoder_class,
    listed_values,
    make_codec,
    usual_curves,
)
from laconic.entropy import BitstreamError, UnsupportedVersionError
from laconic.entropy.container import MAGIC


@dataclasses.dataclass(frozen=True)
class Plugin:
    size: int
    fraction: float | None = None
    label: int | str = "a"
    kind: Literal["fast", "small", 3] = "fast"
    layers: tuple[int, ...] = ()
    name: ClassVar[str] = "plugin"


def not_a_class() -> None:
    pass


@pytest.fixture
def plugins(monkeypatch):
    """Entry points as an installed package would bring them."""
    sys.modules["laconic_test_plugin"] = SimpleNamespace(Plugin=Plugin, not_a_class=not_a_class)
    values = {
        "plugin": "laconic_test_plugin:Plugin",
        "function": "laconic_test_plugin:not_a_class",
        "gone": "laconic_test_plugin:Gone",
        "absent": "laconic_absent_module:Codec",
        "jpeg": "laconic_test_plugin:Plugin",
    }
    found = [EntryPoint(name, value, registry.GROUP) for name, value in values.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == "laconic.codecs" else [])
    yield
    del sys.modules["laconic_test_plugin"]


def test_available_codecs_are_sorted_and_hold_ours():
    names = available_codecs()
    assert list(names) == sorted(names)
    assert {"avif", "jpeg", "jpeg2000", "lcn", "webp"} <= set(names)


@pytest.mark.parametrize("codec", [Avif(), Jpeg(), Jpeg2000(), WebP()])
def test_name_of_a_codec_is_its_key(codec):
    assert make_codec(codec.name) == codec
    assert codec_class(codec.name) is type(codec)


@pytest.mark.parametrize(
    ("spec", "codec"),
    [
        ("jpeg", Jpeg()),
        (" jpeg ", Jpeg()),
        ("jpeg:quality=25,optimize=false", Jpeg(quality=25, optimize=False)),
        ("jpeg:quality = 25, progressive = true", Jpeg(quality=25, progressive=True)),
        ("jpeg:subsampling=4:4:4", Jpeg(subsampling="4:4:4")),
        ("jpeg2000:rate=8", Jpeg2000(rate=8.0)),
        ("avif:tune=none,quality=30", Avif(quality=30)),
        ("avif:tune=psnr", Avif(tune="psnr")),
        ("webp:lossless=true", WebP(lossless=True)),
    ],
)
def test_make_codec_parses_options(spec, codec):
    assert make_codec(spec) == codec


@pytest.mark.parametrize("spec", ["", "jpg", "JPEG", "jpeg2000 rate=3"])
def test_unknown_name_lists_the_known_ones(spec):
    with pytest.raises(UnknownCodecError, match=r"is unknown; known are .*avif, .*jpeg, .*webp"):
        make_codec(spec)


@pytest.mark.parametrize(
    "text",
    ["size=3", "quality", "=3", ",", "quality=25,", "quality=25,quality=26", "name=x", "quality=25;optimize=true"],
)
def test_bad_option_is_named(text):
    with pytest.raises(CodecError, match="codec 'jpeg'"):
        make_codec(f"jpeg:{text}")


def test_unknown_option_lists_the_known_ones():
    with pytest.raises(CodecError, match=r"got 'size=3'.*optimize, progressive, quality, subsampling"):
        make_codec("jpeg:size=3")


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("jpeg:quality=high", "option quality of codec 'jpeg' is 'high'; allowed is int"),
        ("jpeg:quality=25.5", "is '25.5'; allowed is int"),
        ("jpeg:quality=", "is ''; allowed is int"),
        ("jpeg:optimize=yes", "is 'yes'; allowed is bool"),
        ("jpeg2000:rate=x", "is 'x'; allowed is float"),
        ("jpeg:quality=101", "JPEG quality is 101"),
        ("jpeg2000:rate=nan", "rate is nan"),
        ("avif:tune=best", "option tune of codec 'avif' is 'best'; allowed is psnr, ssim, iq, none"),
    ],
)
def test_bad_value_is_named_with_what_is_allowed(spec, match):
    with pytest.raises(CodecError, match=match):
        make_codec(spec)


def test_plugins_are_available(plugins):
    assert "plugin" in available_codecs()
    assert make_codec("plugin:size=3") == Plugin(size=3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fraction=0.5", {"fraction": 0.5}),
        ("fraction=none", {"fraction": None}),
        ("label=7", {"label": 7}),
        ("label=x", {"label": "x"}),
        ("kind=small", {"kind": "small"}),
        ("kind=3", {"kind": 3}),
    ],
)
def test_types_of_plugin_fields_are_followed(plugins, text, expected):
    assert make_codec(f"plugin:size=3,{text}") == Plugin(size=3, **expected)


@pytest.mark.parametrize("text", ["fraction=x", "kind=slow", "layers=1"])
def test_value_outside_the_type_of_a_plugin_field_is_refused(plugins, text):
    with pytest.raises(CodecError, match=f"option {text.split('=')[0]} of codec 'plugin'"):
        make_codec(f"plugin:size=3,{text}")


def test_codecs_of_other_packages_are_not_built_in(plugins):
    assert set(available_codecs()) - set(built_in_codecs()) == {"plugin", "function", "gone", "absent"}


@pytest.mark.parametrize(
    ("name", "option", "values"),
    [
        ("plugin", "kind", ("fast", "small", "3")),
        ("avif", "tune", ("psnr", "ssim", "iq")),
        ("lcn", "synthesis", ("linear", "neural")),
        ("jpeg", "optimize", ("true", "false")),
    ],
)
def test_values_that_a_type_lists(plugins, name, option, values):
    assert listed_values(name, option) == values


@pytest.mark.parametrize(
    ("option", "match"),
    [("size", "option size of codec 'plugin' lists no values, as its type is int"), ("speed", "has no option 'speed'")],
)
def test_option_that_lists_nothing_is_named(plugins, option, match):
    with pytest.raises(CodecError, match=match):
        listed_values("plugin", option)


def test_codec_without_usual_curves_has_none(plugins):
    assert usual_curves("plugin") == {}
    assert set(usual_curves("lcn")) == {"image", "sound"}


def test_built_in_name_cannot_be_taken_over(plugins):
    assert make_codec("jpeg") == Jpeg()


def test_missing_required_option_is_named(plugins):
    with pytest.raises(CodecError, match=r"codec 'plugin' is incomplete: .*'size'"):
        make_codec("plugin")


def test_plugin_that_is_no_dataclass_is_refused(plugins):
    with pytest.raises(CodecError, match="allowed is a frozen dataclass"):
        make_codec("function")


def test_plugin_whose_class_is_gone_is_named(plugins):
    with pytest.raises(CodecError, match="laconic_test_plugin:Gone, which does not exist"):
        make_codec("gone")


def test_plugin_that_cannot_be_imported_names_the_command(plugins):
    with pytest.raises(MissingDependencyError, match=r"laconic_absent_module.*pip install"):
        make_codec("absent")


def test_registry_imports_no_codec_library_by_itself():
    code = (
        "import sys; import laconic.codecs; before = set(sys.modules)\n"
        "from laconic.codecs.registry import available_codecs; available_codecs()\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "assert not new & {'PIL', 'numpy', 'torch'}, new"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@dataclasses.dataclass(frozen=True)
class Flat:
    """A codec whose files are .lcn files of number 9: one grey, as a picture of 2x3."""

    name: ClassVar[str] = "flat"

    def encode(self, signal):
        return flat_file(9, int(signal.samples.mean()))

    def decode(self, data):
        return Image(np.full((2, 3, 1), data[-1], np.uint8))


def flat_file(number, grey):
    return MAGIC + bytes([1, 0, 0x20 | number, grey])


@pytest.fixture
def flat(monkeypatch):
    """An installed package that decodes files of number 9."""
    sys.modules["laconic_test_flat"] = SimpleNamespace(Flat=Flat)
    entry = EntryPoint("9", "laconic_test_flat:Flat", registry.DECODERS_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == registry.DECODERS_GROUP else [])
    yield
    del sys.modules["laconic_test_flat"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_files_of_our_numbers_are_decoded_by_our_codec(number):
    assert decoder_class(flat_file(number, 0)) is Lcn


@pytest.mark.parametrize("head", [b"", MAGIC, b"\x89PNG\r\n\x1a\n", MAGIC + bytes([2, 0, 9])])
def test_what_is_no_file_of_this_version_is_left_to_our_codec_to_refuse(head):
    assert decoder_class(head) is Lcn
    with pytest.raises(BitstreamError):
        decode(head)


def test_a_codec_of_its_own_number_decodes_its_files(flat, tmp_path):
    data = flat_file(9, 77)
    (tmp_path / "x.lcn").write_bytes(data)
    expected = np.full((2, 3, 1), 77, np.uint8)
    assert decoder_class(data) is Flat
    with (tmp_path / "x.lcn").open("rb") as file:
        for source in (data, io.BytesIO(data), file):
            assert np.array_equal(decode(source).samples, expected)
    assert np.array_equal(files.read_image(tmp_path / "x.lcn").samples, expected)
    with pytest.raises(CodecError, match="codec 'flat' decodes whole files"):
        decode(data, scale=2)
    with pytest.raises(UnsupportedSignalError, match="needed is a sound"):
        files.read_sound(tmp_path / "x.lcn")


def test_a_number_that_nobody_decodes_is_named(flat):
    with pytest.raises(UnsupportedVersionError, match="codec number 11, which no codec here decodes"):
        decode(flat_file(11, 0))
