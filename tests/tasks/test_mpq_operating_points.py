from __future__ import annotations

import pytest

from laconic.codecs.errors import CodecError, UnknownCodecError
from laconic.codecs.external.jpeg import Jpeg
from laconic.tasks.mpq.operating_points import operating_points


def test_bars_make_a_curve() -> None:
    points = operating_points(["jpeg:quality=10|25,subsampling=4:4:4"])
    assert [point.codec for point in points] == [Jpeg(10, subsampling="4:4:4"), Jpeg(25, subsampling="4:4:4")]
    assert {point.curve for point in points} == {"jpeg:subsampling=4:4:4"}


def test_single_points_lie_on_one_curve() -> None:
    points = operating_points(["webp:quality=10", "webp:quality=30"])
    assert [point.curve for point in points] == ["webp", "webp"]


@pytest.mark.parametrize("name", ["avif", "jpeg", "jpeg2000", "mp3", "opus", "lcn", "vorbis", "webp"])
def test_bare_name_has_several_points(name: str) -> None:
    assert len(operating_points([name])) >= 4


@pytest.mark.parametrize(
    ("group", "kind", "num_codecs", "num_points"), [("images", "image", 5, 5), ("sounds", "sound", 4, 4)]
)
def test_group_has_all_codecs_of_a_kind(group: str, kind: str, num_codecs: int, num_points: int) -> None:
    points = operating_points([group])
    assert all(kind in point.kinds for point in points)
    assert len({point.curve for point in points}) == num_codecs
    assert len(points) == num_codecs * num_points


def test_kinds_follow_from_the_types_that_codecs_declare() -> None:
    kinds = [set(operating_points([spec])[0].kinds) for spec in ("jpeg", "opus", "lcn:quality=5")]
    assert kinds == [{"image"}, {"sound"}, {"image", "sound"}]


def test_qualities_replace_the_points_of_bare_names_only() -> None:
    points = operating_points(["jpeg", "webp:quality=3", "jpeg2000:rate=20"], [7, 9])
    assert [point.spec for point in points] == [
        "jpeg:quality=7",
        "jpeg:quality=9",
        "webp:quality=3",
        "jpeg2000:rate=20",
    ]


def test_the_same_point_counts_once() -> None:
    assert len(operating_points(["jpeg:quality=10|10", "jpeg:quality=10,optimize=true"])) == 1


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownCodecError):
        operating_points(["jpg"])
    with pytest.raises(CodecError):
        operating_points([])
