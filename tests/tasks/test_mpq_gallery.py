"""Samples that a report shows: which, and how they come to be seen."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from made_up_rows import AVIF, JPEG, MadeUp, Named, made_up_rows
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError
from laconic.codecs.media import Image
from laconic.tasks.mpq import OperatingPoint
from laconic.tasks.mpq.cache import DecodedCache
from laconic.tasks.mpq.gallery import Gallery, flipped_samples, gallery_sentences, small_jpeg
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row

LADDER = [(0.1 * 2**number, 26.0 + 2 * number) for number in range(7)]


def better(by_db: float) -> list[tuple[float, float]]:
    return [(rate, psnr_db + by_db) for rate, psnr_db in LADDER]


def brightness(picture: bytes | None) -> float:
    assert picture is not None
    return float(np.asarray(PillowImage.open(io.BytesIO(picture))).mean())


def gallery(n: int = 40, **options: Any) -> Gallery:
    points, rows = made_up_rows({"lcn": LADDER, "x": better(3), "y": better(-4)}, n=n)
    return flipped_samples(MadeUp(), points, rows, **options)


def test_samples_are_those_that_one_of_two_points_of_equal_rate_keeps() -> None:
    found = gallery()
    assert [(pair.ours.split(":")[0], pair.peer.split(":")[0]) for pair in found.pairs] == [("lcn", "x"), ("lcn", "y")]
    assert all(pair.ours.split("=")[1] == pair.peer.split("=")[1] for pair in found.pairs)
    assert len(found.samples) == 12 == len({one.sample for one in found.samples})
    for one in found.samples:
        kept, lost = (one.peer, one.ours) if one.peer.spec.startswith("x") else (one.ours, one.peer)
        assert (kept.score, lost.score) == (1.0, 0.0)


def test_gallery_has_no_more_samples_than_are_asked_for() -> None:
    assert len(gallery(num_samples=3).samples) == 3
    assert {one.peer.spec[0] for one in gallery(num_samples=2).samples} == {"x", "y"}


def test_samples_that_ours_and_the_peer_keep_alternate() -> None:
    """Ten samples of each kind, and one that both keep."""
    points, rows = made_up_rows({"lcn": LADDER, "x": LADDER}, n=21)
    flips = {key: replace(row, counts=(float(_kept(key)), 1.0)) for key, row in rows.items()}
    found = flipped_samples(MadeUp(), points, flips, num_samples=8)
    assert [one.ours.score for one in found.samples] == [1.0, 0.0] * 4
    (pair,) = found.pairs
    assert (pair.num_ours_better, pair.num_peer_better) == (10, 10)


def _kept(key: tuple[str, str, str]) -> bool:
    number = int(key[2][1:])
    return key[1] == UNCOMPRESSED or number == 20 or (number % 2 == 0) == ("'lcn'" in key[1])


def test_variants_of_our_codec_are_peers_only_where_there_is_no_other() -> None:
    curves = {"lcn": LADDER, "lcn:effort=0": better(3), "x": better(-4)}
    for names, peers in ((("lcn", "lcn:effort=0", "x"), ["x"]), (("lcn", "lcn:effort=0"), ["lcn:effort=0"])):
        points, rows = made_up_rows({name: curves[name] for name in names}, n=40)
        found = flipped_samples(MadeUp(), points, rows)
        assert [pair.peer.rsplit(":", 1)[0] for pair in found.pairs] == peers


def test_points_of_other_rates_are_no_pair() -> None:
    points, rows = made_up_rows({"lcn": AVIF[:2], "jpeg": JPEG[2:]}, n=30)
    found = flipped_samples(MadeUp(), points, rows)
    assert (found.pairs, found.samples) == ((), ())


def test_pictures_are_the_original_and_what_each_point_made_of_it() -> None:
    one = gallery().samples[0]
    assert brightness(one.original.picture) == pytest.approx(200, abs=1)
    for shown in (one.ours, one.peer):
        assert brightness(shown.picture) == pytest.approx(10 * int(shown.spec.split("=")[1]), abs=1)
    assert PillowImage.open(io.BytesIO(one.original.picture or b"")).size == (256, 192)


def test_what_was_decoded_before_is_not_coded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, rows = made_up_rows({"lcn": LADDER, "x": better(3)}, n=40)
    picture, seen = MadeUp().sample("s0").signal, Image(np.full((300, 400, 3), 123, np.uint8))
    for point in points:
        DecodedCache(tmp_path).keep(point.codec, picture, 10, seen)
    monkeypatch.setattr(Named, "encode", lambda self, signal: pytest.fail("coded again"))
    one = flipped_samples(MadeUp(), points, rows, cache=tmp_path).samples[0]
    assert brightness(one.ours.picture) == brightness(one.peer.picture) == pytest.approx(123, abs=1)


def test_codec_that_refuses_now_costs_its_picture_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Named, signal: Image) -> bytes:
        raise CodecError("not today")

    monkeypatch.setattr(Named, "encode", refuse)
    one = gallery().samples[0]
    assert one.original.picture is not None
    assert (one.ours.picture, one.peer.picture) == (None, None)
    assert one.ours.answer


def test_sample_that_cannot_be_read_any_more_has_its_answers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MadeUp, "sample", lambda self, key: (Path("gone") / key).read_bytes())
    assert {one.original.picture for one in gallery().samples} == {None}


@dataclass(frozen=True)
class Sounds(MadeUp):
    kind: ClassVar[Any] = "sound"

    def sample(self, key: str) -> Any:
        pytest.fail("a sound was loaded")


def test_sounds_are_answers_alone() -> None:
    points, rows = made_up_rows({"lcn": LADDER, "x": better(3)}, n=40)
    points = [OperatingPoint(one.spec, one.curve, one.codec, frozenset(["sound"])) for one in points]
    found = flipped_samples(Sounds(), points, rows)
    assert found.rate_unit == "kbit/s"
    assert len(found.samples) == 10  # on which the two differ
    assert {one.ours.picture for one in found.samples} == {None}


def test_sentences_count_and_compare_with_an_interval_or_say_that_they_cannot() -> None:
    (first, _) = gallery_sentences(gallery())
    assert " of n = 40 samples 0 are better after the first and " in first
    assert first.split("; ")[1].startswith("accuracy -")
    assert first.endswith("]")
    assert all(text.endswith("; n = 12 is too few to say more") for text in gallery_sentences(gallery(n=12)))


def test_long_answers_are_cut() -> None:
    points, rows = made_up_rows({"lcn": LADDER, "x": better(3)}, n=40)
    long = {key: Row(**{**row.__dict__, "answer": "word " * 200}) for key, row in rows.items()}
    answer = flipped_samples(MadeUp(), points, long).samples[0].original.answer
    assert len(answer) < 170
    assert answer.endswith(" …")


def test_small_pictures_stay_as_they_are_and_grey_ones_are_shown() -> None:
    grey = small_jpeg(Image(np.full((20, 30, 1), 90, np.uint8)))
    assert PillowImage.open(io.BytesIO(grey)).size == (30, 20)
