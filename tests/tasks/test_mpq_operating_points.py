"""Texts to operating points: lists, ranges, all values, resizing, groups, and what is refused."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import pytest

from laconic.codecs import registry
from laconic.codecs.errors import CodecError, UnknownCodecError
from laconic.codecs.external import Jpeg, Mp3
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.registry import built_in_codecs, listed_values, make_codec
from laconic.codecs.resized import Resized
from laconic.tasks.mpq.operating_points import operating_points
from laconic.tasks.mpq.option_values import option_values


@dataclasses.dataclass(frozen=True)
class MadeUp:
    """A codec of pictures with a tune that its type lists; "sharp" is for profile "slow" only."""

    level: int = 1
    profile: Literal["quick", "slow"] = "quick"
    tune: Literal["flat", "sharp", "new"] | str = "flat"
    resize: bool = False
    name: ClassVar[str] = "madeup"
    usual_curves: ClassVar = {"image": ("level=1|2", "level=1|2,profile=*,tune=*")}

    def __post_init__(self) -> None:
        if self.level > 2 or (self.profile, self.tune) == ("quick", "sharp"):
            raise CodecError(f"madeup refuses {self.level} {self.profile} {self.tune}")

    def encode(self, signal: Image) -> bytes:
        return b""

    def decode(self, data: bytes) -> Any:
        return data


@pytest.fixture
def madeup(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if it came with the package."""
    monkeypatch.setitem(sys.modules, "laconic_test_madeup", SimpleNamespace(MadeUp=MadeUp))
    monkeypatch.setitem(registry._BUILT_IN, "madeup", "laconic_test_madeup:MadeUp")
    yield


def curves_of(*specs: str) -> dict[str, int]:
    """Curves to their numbers of points."""
    points = operating_points(specs)
    return {curve: sum(point.curve == curve for point in points) for curve in {p.curve: None for p in points}}


def test_bars_make_a_curve() -> None:
    points = operating_points(["jpeg:quality=10|25,subsampling=4:4:4"])
    assert [point.codec for point in points] == [Jpeg(10, subsampling="4:4:4"), Jpeg(25, subsampling="4:4:4")]
    assert {point.curve for point in points} == {"jpeg:subsampling=4:4:4"}


def test_single_points_lie_on_one_curve() -> None:
    points = operating_points(["webp:quality=10", "webp:quality=30"])
    assert [point.curve for point in points] == ["webp", "webp"]


def test_words_make_curves_of_their_own_and_numbers_only_beside_no_rate() -> None:
    assert curves_of("jpeg:quality=10|50,subsampling=4:4:4|4:2:0") == {
        "jpeg:subsampling=4:4:4": 2,
        "jpeg:subsampling=4:2:0": 2,
    }
    assert curves_of("webp:quality=10|50,method=0|6") == {"webp:method=0": 2, "webp:method=6": 2}
    assert curves_of("webp:method=0|3|6") == {"webp": 3}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("10..90/10", "10 20 30 40 50 60 70 80 90"),
        ("10..35/10", "10 20 30"),
        ("0.1..0.9/0.2", "0.1 0.3 0.5 0.7 0.9"),
        ("0.5..2/0.5", "0.5 1 1.5 2"),
        ("100..0/-50", "100 50 0"),
        ("-1..1/1", "-1 0 1"),
        ("7..7/3", "7"),
        ("1..100/1", " ".join(map(str, range(1, 101)))),
        ("5|10..30/10|20|5", "5 10 20 30"),
        ("../a|b..c", "../a b..c"),
    ],
)
def test_ranges(text: str, values: str) -> None:
    assert option_values("lcn", "quality", text) == values.split()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("1..9/0", "'1..9/0', a range with step 0; allowed are other steps"),
        ("9..1/2", "an empty range; its step must lead from 9 to 1"),
        ("1..9/-2", "an empty range; its step must lead from 1 to 9"),
        ("1..101/1", "more than 100 values; choose a larger step"),
        ("1..9", "allowed is start..stop/step in numbers, as 10..90/10"),
        ("1..9/x", "allowed is start..stop/step in numbers"),
        ("1..60/1|41..100/1", "quality has 120 values"),
    ],
)
def test_ranges_that_are_none_are_refused(text: str, match: str) -> None:
    with pytest.raises(CodecError, match=match):
        operating_points([f"lcn:quality={text}"])


def test_a_range_is_of_the_type_of_its_option() -> None:
    assert [point.codec for point in operating_points(["mp3:compression_level=0.5..0.9/0.4"])] == [Mp3(0.5), Mp3(0.9)]
    with pytest.raises(CodecError, match=r"quality of codec 'jpeg' is '1\.5'"):
        operating_points(["jpeg:quality=1..2/0.5"])


def test_star_is_every_value_that_the_type_lists() -> None:
    assert curves_of("avif:subsampling=*,quality=5..60/15") == {
        f"avif:subsampling={subsampling}": 4 for subsampling in ("4:4:4", "4:2:2", "4:2:0")
    }
    points = operating_points(["lcn:profile=*,quality=50,synthesis=neural"])
    assert [point.codec for point in points] == [
        Lcn(profile=profile, synthesis="neural") for profile in ("fast", "small", "best")
    ]


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("jpeg:quality=*", "option quality of codec 'jpeg' lists no values, as its type is int"),
        ("jpeg:speed=*", "codec 'jpeg' has no option 'speed'"),
        ("lcn:profile=*,quality=50|500", "quality is 500"),
        ("lcn:profile=*,effort=7", "effort is 7"),
        ("jpeg:quality", "got 'quality'; allowed is option=value"),
        ("jpeg:quality=1,quality=2", "got 'quality=2'; allowed is option=value, once each"),
        ("compressai:checkpoint=absent/*.safetensors", "'absent/\\*.safetensors', which no file has as its path"),
    ],
)
def test_what_cannot_be_expanded_is_refused(spec: str, match: str) -> None:
    with pytest.raises(CodecError, match=match):
        operating_points([spec])


def test_paths_by_a_pattern_are_a_curve(tmp_path: Path) -> None:
    for name in ("b.safetensors", "a.safetensors", "c.txt"):
        (tmp_path / name).touch()
    points = operating_points([f"compressai:checkpoint={tmp_path}/*.safetensors"])
    assert [point.codec.checkpoint for point in points] == [f"{tmp_path}/{name}.safetensors" for name in "ab"]
    assert {point.curve for point in points} == {"compressai"}


def test_combinations_that_the_codec_refuses_are_left_out(madeup: None) -> None:
    assert curves_of("madeup:level=1|2,profile=*,tune=*") == {
        f"madeup:profile={profile},tune={tune}": 2
        for profile, tune in [("quick", "flat"), ("quick", "new"), ("slow", "flat"), ("slow", "sharp"), ("slow", "new")]
    }
    with pytest.raises(CodecError, match="madeup refuses 3"):
        operating_points(["madeup:level=1|3,profile=*"])
    with pytest.raises(CodecError, match="madeup refuses 1 quick sharp"):
        operating_points(["madeup:tune=sharp"])


def test_resize_is_for_every_codec_of_pictures() -> None:
    for name in ("avif", "compressai", "jpeg", "jpeg2000", "jpegxl", "lcn", "webp"):
        (point,) = operating_points([f"{name}:resize=0.5"])
        assert (point.codec, point.curve) == (Resized(name, 0.5), f"{name}:resize=0.5")
        assert point.kinds == {"image"}
    assert curves_of("jpeg:quality=10|50,resize=0.25|0.5") == {"jpeg:resize=0.25": 2, "jpeg:resize=0.5": 2}


def test_resize_of_a_codec_that_has_such_an_option_is_its_own(madeup: None) -> None:
    assert operating_points(["madeup:resize=true"])[0].codec == MadeUp(resize=True)


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("opus:resize=0.5", "resize=0.5 is for pictures, codec 'opus' is for sounds; leave it out"),
        ("jpeg:resize=half", "resize is 'half'; allowed is a number from 1/32 to 1"),
        ("jpeg:resize=2", "resize is 2.0"),
        ("jpeg:resize=*", "codec 'jpeg' has no option 'resize'"),
    ],
)
def test_resize_that_cannot_be_is_refused(spec: str, match: str) -> None:
    with pytest.raises(CodecError, match=match):
        operating_points([spec])


@pytest.mark.parametrize(
    ("name", "num_points"),
    [("avif", 5), ("jpeg", 5), ("jpeg2000", 5), ("jpegxl", 5), ("webp", 5), ("mp3", 4), ("opus", 4), ("vorbis", 4)],
)
def test_bare_name_is_one_curve(name: str, num_points: int) -> None:
    points = operating_points([name])
    assert len(points) == num_points
    assert len({point.curve for point in points}) == 1


def test_our_bare_name_has_a_curve_for_each_kind() -> None:
    points = operating_points(["lcn"])
    assert {point.curve for point in points} == {"lcn"}
    assert sorted(kind for point in points for kind in point.kinds) == ["image"] * 5 + ["sound"] * 4


def test_pictures_are_offered_ours_with_all_that_it_lists_and_all_others() -> None:
    curves = curves_of("images")
    ours = {
        f"lcn:profile={profile},synthesis={synthesis}"
        for profile in listed_values("lcn", "profile")
        for synthesis in listed_values("lcn", "synthesis")
    }
    defaults = {"lcn:profile=small,synthesis=linear"}  # is curve "lcn"
    others = {"avif", "avif:subsampling=4:4:4,tune=psnr", "jpeg", "jpeg2000", "jpegxl", "webp"}
    assert set(curves) == {"lcn"} | ours - defaults | others
    assert set(curves.values()) == {5}
    assert next(iter(curves)) == "lcn"


def test_sounds_are_offered_all_codecs_of_sounds() -> None:
    points = operating_points(["sounds"])
    assert {point.curve.split(":")[0] for point in points} == {"lcn", "mp3", "opus", "vorbis"}
    assert all(point.kinds == {"sound"} for point in points)
    assert len(points) == 16


def test_a_new_codec_and_what_it_lists_appear_by_themselves(madeup: None) -> None:
    added = set(curves_of("images")) - {point.curve for name in ("lcn",) for point in operating_points([name])}
    assert {"madeup", "madeup:profile=slow,tune=sharp", "madeup:profile=quick,tune=new"} <= added
    assert "madeup:profile=quick,tune=sharp" not in added


def test_kinds_follow_from_the_types_that_codecs_declare() -> None:
    kinds = [set(operating_points([spec])[0].kinds) for spec in ("jpeg:quality=9", "opus", "lcn:quality=5")]
    assert kinds == [{"image"}, {"sound"}, {"image", "sound"}]


def test_qualities_replace_the_points_of_bare_names_and_groups_only() -> None:
    points = operating_points(["jpeg", "webp:quality=3", "jpeg2000:rate=20", "compressai"], [7, 8])
    assert [point.spec for point in points] == [
        "jpeg:quality=7",
        "jpeg:quality=8",
        "webp:quality=3",
        "jpeg2000:rate=20",
        "compressai:quality=7",
        "compressai:quality=8",
    ]
    group = operating_points(["images"], [7])
    assert {point.codec.quality for point in group if "quality" in point.spec} == {7}
    assert "avif:quality=7,subsampling=4:4:4,tune=psnr" in [point.spec for point in group]


def test_the_same_point_counts_once_on_its_first_curve() -> None:
    assert len(operating_points(["jpeg:quality=10|10", "jpeg:quality=10,optimize=true"])) == 1
    (point,) = operating_points(["lcn:quality=10", "lcn:quality=10,profile=small"])
    assert point.curve == "lcn"


def test_usual_curves_of_every_codec_make_points() -> None:
    for name in built_in_codecs():
        for kind, curves in registry.usual_curves(name).items():
            for curve in curves:
                assert all(kind in point.kinds for point in operating_points([f"{name}:{curve}"]))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownCodecError):
        operating_points(["jpg"])
    with pytest.raises(CodecError):
        operating_points([])


def test_specs_make_the_codecs_again_but_for_resize() -> None:
    for point in operating_points(["images", "sounds", "lcn:profile=*,quality=1..9/4"]):
        assert make_codec(point.spec) == point.codec
