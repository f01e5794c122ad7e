"""Our codec from end to end: exact latents, ordered prefixes, any size, small overhead."""

import dataclasses
import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from subband_scene import BEST_CHANNELS

from laconic.codecs.checks import check_codec, check_latent_codec, images_to_check
from laconic.codecs.errors import CodecError, DroppedWarning, UnknownModelError, UnsupportedSignalError
from laconic.codecs.latent import Latent
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.zoo import load_model
from laconic.codecs.notes import collect_notes
from laconic.entropy import LimitError, Limits
from laconic.entropy.container import Profile
from laconic.entropy.planes import PlanesEncoder

DATA = Path(__file__).parents[1] / "data"
SIZES = ((1, 1), (1, 7), (7, 1), (17, 33), (4001, 3))
NUM_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
BEST_MODES = tuple(mode for mode, channels in NUM_CHANNELS.items() if channels in BEST_CHANNELS)
MODES_OF = {"small": tuple(NUM_CHANNELS), "best": BEST_MODES}
PROFILE_MODES = [(profile, mode) for profile, modes in MODES_OF.items() for mode in modes]
THUMBNAILS = (
    ("kodim23_crop.png", 0, 0, 64),
    ("kodim23_crop.png", 100, 100, 100),
    ("kodim23_crop.png", 128, 200, 128),
    ("kodim05_crop.png", 30, 30, 64),
    ("kodim05_crop.png", 0, 64, 128),
)


@cache
def photo(name: str = "kodim23_crop.png") -> Image:
    with PillowImage.open(DATA / name) as picture:
        return Image(np.array(picture.convert("RGB")))


def crop(name: str, top: int, left: int, side: int) -> Image:
    return Image(np.ascontiguousarray(photo(name).samples[top : top + side, left : left + side]))


def picture(mode: str, size: tuple[int, int], dtype: type = np.uint8, seed: int = 0) -> Image:
    """Smooth with some noise, over the full range of the samples."""
    rng = np.random.default_rng(seed)
    y, x, c = np.ogrid[: size[0], : size[1], : NUM_CHANNELS[mode]]
    smooth = 0.5 + 0.4 * np.sin(0.1 * x + c) * np.cos(0.07 * y - c) + rng.normal(0, 0.03, (*size, NUM_CHANNELS[mode]))
    return Image((np.clip(smooth, 0, 1) * np.iinfo(dtype).max).astype(dtype))


def ideal_bytes(latent: Latent) -> float:
    """Of a latent coded as one tile."""
    name = {64: "grey", 192: "rgb"}[latent.num_channels]
    encoder = PlanesEncoder(latent.values, load_model(name).contexts.at_step(latent.step_code), Profile.SMALL)
    return encoder.ideal_bits(0, latent.num_channels) / 8


def psnr_db(first: Image, second: Image) -> float:
    error = (first.samples.astype(np.float64) - second.samples.astype(np.float64)) / np.iinfo(first.samples.dtype).max
    return float(-10 * np.log10((error**2).mean()))


class CountingFile(io.BytesIO):
    """Counts what is read from it."""

    num_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.num_read += len(data)
        return data


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("profile", "mode"), PROFILE_MODES)
def test_latent_of_every_kind_and_size_comes_back(profile: str, mode: str, dtype: type, size: tuple[int, int]) -> None:
    codec, image = Lcn(quality=70, profile=profile), picture(mode, size, dtype)  # type: ignore[arg-type]
    latent = codec.analyze(image)
    found = codec.unpack(codec.pack(latent))
    assert found == latent
    assert found.damage == ()
    decoded = codec.synthesize(found)
    assert (decoded.samples.shape, decoded.samples.dtype) == (image.samples.shape, image.samples.dtype)


@pytest.mark.parametrize(("profile", "mode"), PROFILE_MODES)
def test_picture_of_few_columns_or_rows_round_trips(profile: str, mode: str) -> None:
    codec = Lcn(profile=profile)  # type: ignore[arg-type]
    for size in ((9, 1), (16, 8), (40, 7), (1, 9), (8, 16), (7, 40), (9, 9), (8, 8)):
        latent = codec.analyze(picture(mode, size))
        assert codec.unpack(codec.pack(latent)) == latent
        assert codec.synthesize(latent).samples.shape == (*size, NUM_CHANNELS[mode])


@pytest.mark.parametrize(("mode", "dtype"), [*product(("L", "RGB"), (np.uint8, np.uint16))])
def test_decoded_picture_is_near_the_original(mode: str, dtype: type) -> None:
    image = picture(mode, (61, 83), dtype)
    quality = [psnr_db(Lcn(q).decode(Lcn(q).encode(image)), image) for q in (20, 60, 100)]
    assert quality == sorted(quality)
    assert quality[0] > 25
    assert quality[-1] > 46


@pytest.mark.parametrize("name", ["kodim23_crop.png", "kodim05_crop.png"])
def test_quality_100_is_at_least_48_db(name: str) -> None:
    codec = Lcn(quality=100)
    assert psnr_db(codec.decode(codec.encode(photo(name))), photo(name)) >= 48


@pytest.mark.parametrize(
    "codec",
    [
        Lcn(),
        Lcn(quality=95, grouping="whole"),
        Lcn(quality=20, tile_log2=3, progression="tile"),
        Lcn(step_code=130, model="rgb", tile_log2=4),
        Lcn(profile="best"),
        Lcn(quality=95, profile="best", grouping="whole"),
        Lcn(quality=20, profile="best", tile_log2=3, progression="tile"),
    ],
    ids=repr,
)
def test_laws_hold(codec: Lcn) -> None:
    modes = ("RGB", "RGBA") if codec.model else MODES_OF[codec.profile]
    check_latent_codec(codec, images_to_check(modes))


def test_laws_hold_for_16_bits() -> None:
    for profile, modes in MODES_OF.items():
        check_codec(Lcn(profile=profile), [picture(mode, (17, 33), np.uint16) for mode in modes])  # type: ignore[arg-type]


@pytest.mark.parametrize("progression", ["group", "tile"])
@pytest.mark.parametrize("grouping", ["channels", "whole"])
@pytest.mark.parametrize("tile_log2", [None, 3, 5])
def test_latent_does_not_depend_on_the_layout(tile_log2: int | None, grouping: str, progression: str) -> None:
    of_small, of_best = (Lcn(75, profile=profile).analyze(photo()) for profile in ("small", "best"))  # type: ignore[arg-type]
    pairs = [("fast", of_small), ("small", of_small), *((profile, of_best) for profile in ("fast", "small", "best"))]
    for profile, latent in pairs:
        codec = Lcn(75, None, None, grouping, progression, tile_log2, profile)  # type: ignore[arg-type]
        assert codec.unpack(codec.pack(latent)) == latent


@pytest.mark.parametrize("profile", MODES_OF)
def test_lanes_are_those_asked_for(profile: str) -> None:
    latent = Lcn(80, profile=profile).analyze(crop("kodim05_crop.png", 0, 0, 48))  # type: ignore[arg-type]
    sizes = []
    for lanes in (4, 8, 16, 32, 64):
        codec = Lcn(lanes=lanes, profile=profile)  # type: ignore[arg-type]
        data = codec.pack(latent)
        assert codec.unpack(data) == latent
        sizes.append(len(data))
    assert sizes == sorted(sizes)
    assert 60 * 2 < sizes[-1] - sizes[0] < 60 * 4
    assert len(Lcn(profile=profile).pack(latent)) == sizes[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("lanes", [0, 5, 128, 4.5, "4"])
def test_other_lanes_are_refused(lanes: object) -> None:
    with pytest.raises(CodecError, match="allowed are None, 4, 8, 16, 32, 64"):
        Lcn(lanes=lanes)  # type: ignore[arg-type]


@pytest.mark.parametrize("quality", [10, 75, 97])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"grouping": "whole"},
        {"tile_log2": 4},
        {"tile_log2": 3, "progression": "tile"},
        {"profile": "best"},
        {"profile": "best", "grouping": "whole", "tile_log2": 3},
    ],
    ids=str,
)
def test_first_channels_are_those_of_the_whole_latent(layout: dict[str, object], quality: int) -> None:
    codec = Lcn(quality, **layout)  # type: ignore[arg-type]
    data = codec.pack(codec.analyze(photo("kodim05_crop.png")))
    whole = codec.unpack(data)
    for channels in (1, 2, 3, 4, 11, 12, 13, 48, 100, 191, 192):
        found = codec.unpack(data, channels=channels)
        assert found.num_channels == channels <= len(found.values)
        assert np.array_equal(found.values, whole.values[: len(found.values)])
        assert np.array_equal(found.dequantize(), whole.dequantize()[:channels])


@pytest.mark.parametrize("profile", MODES_OF)
def test_first_channels_of_a_file_are_read_from_its_head(profile: str) -> None:
    codec = Lcn(quality=75, profile=profile)  # type: ignore[arg-type]
    data = codec.encode(photo())
    for channels, share in ((3, 0.2), (12, 0.4), (48, 0.75)):
        file = CountingFile(data)
        found = codec.unpack(file, channels=channels)
        assert np.array_equal(found.values, codec.unpack(data).values[:channels])
        assert file.num_read < share * len(data)


def test_first_channels_come_without_alpha() -> None:
    codec = Lcn()
    data = codec.encode(picture("RGBA", (40, 50)))
    assert codec.unpack(data).alpha is not None
    assert codec.unpack(data, channels=192).alpha is None


@pytest.mark.parametrize("channels", [1, 3, 7, 48, 49])
def test_latent_of_few_channels_is_a_smaller_file(channels: int) -> None:
    codec = Lcn(quality=90)  # which codes some of the finest details
    data = codec.encode(photo("kodim05_crop.png"))
    first = codec.unpack(data, channels=channels)
    packed = codec.pack(first)
    assert len(packed) < len(data)
    found = codec.unpack(packed)
    assert found == first
    assert np.array_equal(found.dequantize()[:channels], first.dequantize())
    assert codec.decode(packed).samples.shape == photo("kodim05_crop.png").samples.shape


@pytest.mark.parametrize(("channels", "stored"), [(1, 3), (2, 3), (3, 3), (5, 5), (12, 12), (13, 16), (49, 64)])
def test_channels_that_end_inside_a_subband_are_rounded_up(channels: int, stored: int) -> None:
    check_rounding_up("best", channels, stored)


@pytest.mark.parametrize("profile", ["fast", "small"])
@pytest.mark.parametrize(("channels", "stored"), [(1, 3), (2, 3), (3, 3), (5, 5)])
def test_channels_that_end_among_those_with_low_levels_are_rounded_up(channels: int, stored: int, profile: str) -> None:
    check_rounding_up(profile, channels, stored)


def check_rounding_up(profile: str, channels: int, stored: int) -> None:
    codec = Lcn(quality=80, profile=profile)  # type: ignore[arg-type]
    latent = codec.analyze(crop("kodim05_crop.png", 0, 0, 90))
    first = dataclasses.replace(latent, values=latent.values[:channels], shrink=latent.shrink[:channels])
    with collect_notes() as notes:
        packed = codec.pack_with_heads(first)
    found = codec.unpack(packed.data)
    assert found.num_channels == stored and packed.bounds[-1] == stored
    assert np.array_equal(found.values[:channels], first.values) and not found.values[channels:].any()
    head = codec.unpack(packed.data[: packed.head_bytes(channels)], channels=channels)
    assert np.array_equal(head.values, found.values[: len(head.values)])
    assert np.array_equal(head.dequantize(), found.dequantize()[:channels])
    assert codec.decode(packed.data) == codec.synthesize(first)
    said = f"{stored} channels were stored, the last {stored - channels} of zeros"
    assert [note.endswith(said) for note in notes] == [True] * (stored > channels)


def test_rounding_up_is_a_warning_where_nobody_collects_notes() -> None:
    codec = Lcn(profile="best")
    latent = codec.analyze(crop("kodim05_crop.png", 0, 0, 20))
    with pytest.warns(DroppedWarning, match="13 channels end inside a subband, and profile best stores whole ones: 16"):
        codec.pack(dataclasses.replace(latent, values=latent.values[:13], shrink=latent.shrink[:13]))
    with pytest.warns(DroppedWarning, match="2 channels end among those with low levels, which are stored together: 3"):
        Lcn().pack(dataclasses.replace(latent, values=latent.values[:2], shrink=latent.shrink[:2]))


def test_picture_of_few_channels_is_a_coarse_one() -> None:
    codec = Lcn(quality=80)
    data = codec.encode(photo())
    quality = [psnr_db(codec.synthesize(codec.unpack(data, channels=c)), photo()) for c in (3, 12, 48, 192)]
    assert quality == sorted(quality)
    assert quality[0] > 20


@pytest.mark.parametrize("channels", [0, -1, 193])
def test_number_of_channels_that_is_not_stored_is_refused(channels: int) -> None:
    data = Lcn().encode(photo("kodim05_crop.png"))
    with pytest.raises(CodecError, match=f"channels is {channels};"):
        Lcn().unpack(data, channels=channels)


def test_latents_of_different_quality_mix() -> None:
    coarse, fine = (Lcn(quality=q).analyze(photo()) for q in (30, 90))
    a, b = coarse.dequantize(), fine.dequantize()
    assert a.dtype == b.dtype == np.float32
    assert np.sqrt(((a - b) ** 2).mean()) < coarse.step / 4
    assert np.corrcoef(a[0].reshape(-1), b[0].reshape(-1))[0, 1] > 0.99
    assert not np.array_equal(coarse.values, fine.values)


@pytest.mark.parametrize("profile", MODES_OF)
def test_several_steps_are_those_of_single_encodes(profile: str) -> None:
    image = crop("kodim05_crop.png", 0, 0, 150)
    latents = Lcn(profile=profile).analyze_steps(image, (100, 150, 200))  # type: ignore[arg-type]
    assert latents == [Lcn(step_code=s, profile=profile).analyze(image) for s in (100, 150, 200)]  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_lossless(mode: str, dtype: type) -> None:
    rng = np.random.default_rng(0)
    samples = picture(mode, (70, 45), dtype).samples.copy()
    samples[:, :, -1] = rng.integers(0, np.iinfo(dtype).max, samples.shape[:2], dtype, endpoint=True)
    samples[:20, :20, -1] = 0
    codecs = [Lcn(quality=1), Lcn(quality=90, tile_log2=3)]
    if mode in BEST_MODES:
        codecs.append(Lcn(quality=60, tile_log2=3, profile="best"))
    for codec in codecs:
        assert np.array_equal(codec.decode(codec.encode(Image(samples))).samples[:, :, -1], samples[:, :, -1])


def test_colour_under_alpha_0_is_free() -> None:
    """Whatever hides there, the file is not larger than with a flat colour."""
    y, x = np.mgrid[:320, :448]
    visible = (y - 160) ** 2 + (x - 224) ** 2 < 140**2
    hidden = {
        "flat": np.zeros_like(photo().samples),
        "random": np.random.default_rng(0).integers(0, 256, photo().samples.shape).astype(np.uint8),
        "photo": photo().samples,
    }
    codec, sizes = Lcn(quality=70), {}
    for name, colors in hidden.items():
        samples = np.where(visible[:, :, None], photo().samples, colors)
        latent = codec.analyze(Image(np.dstack([samples, np.where(visible, 255, 0).astype(np.uint8)])))
        sizes[name] = len(codec.pack(dataclasses.replace(latent, alpha=None)))
    assert sizes["random"] <= 1.02 * sizes["flat"]
    assert sizes["photo"] <= 1.02 * sizes["flat"]
    assert sizes["flat"] < 0.9 * len(codec.encode(photo()))


def test_invisible_picture_costs_next_to_nothing() -> None:
    samples = np.dstack([photo().samples, np.zeros(photo().samples.shape[:2], np.uint8)])
    assert len(Lcn().encode(Image(samples))) < len(Lcn().encode(photo())) / 5


def test_metadata_comes_back() -> None:
    image = Image(picture("RGB", (9, 9)).samples, {"icc": bytes(range(200)) * 9, "exif": b"Exif\0\0II"})
    for codec in (Lcn(), Lcn(profile="best")):
        assert dict(codec.decode(codec.encode(image)).metadata) == dict(image.metadata)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (33, 47)], ids=str)
@pytest.mark.parametrize("mode", BEST_MODES)
def test_small_picture_is_hardly_larger_in_profile_best(mode: str, size: tuple[int, int]) -> None:
    """Alpha included, which is as large in all profiles; a decibel more is worth a tenth of the bytes."""
    samples = photo("kodim05_crop.png").samples[: size[0], : size[1]]
    colors = samples if "RGB" in mode else samples[:, :, :1]
    alpha = picture("L", size).samples
    image = Image(np.dstack([colors, alpha]) if "A" in mode else np.ascontiguousarray(colors))
    small, best = (Lcn(profile=profile).encode(image) for profile in ("small", "best"))  # type: ignore[arg-type]
    of_small, of_best = (psnr_db(Lcn().decode(data), image) for data in (small, best))
    assert len(best) <= (1 + 0.1 * max(of_best - of_small, 0)) * len(small) + 8


@pytest.mark.parametrize("quality", [5, 30, 50])
@pytest.mark.parametrize(("grouping", "most"), [("whole", 36), ("channels", 48)])
def test_thumbnail_has_a_small_overhead(grouping: str, most: int, quality: int) -> None:
    """Header, segment head and the flush of 4 lanes; files of less than 1 KB."""
    codec = Lcn(quality, grouping=grouping)  # type: ignore[arg-type]
    overheads = []
    for place in THUMBNAILS:
        latent = codec.analyze(crop(*place))
        data = codec.pack(latent)
        if len(data) < 1024:
            overheads.append(len(data) - ideal_bytes(latent))
    assert len(overheads) >= 3
    assert max(overheads) <= most
    if grouping == "whole":
        assert sum(overheads) / len(overheads) <= 33


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90, 100])
@pytest.mark.parametrize("name", ["kodim23_crop.png", "kodim05_crop.png"])
def test_file_is_within_a_hundredth_of_the_ideal(name: str, quality: int) -> None:
    latent = Lcn(quality).analyze(photo(name))
    for grouping in ("channels", "whole"):
        size = len(Lcn(quality, grouping=grouping).pack(latent))  # type: ignore[arg-type]
        assert ideal_bytes(latent) < size <= 1.01 * ideal_bytes(latent) + 64


@pytest.mark.parametrize("profile", MODES_OF)
def test_better_quality_is_a_larger_file(profile: str) -> None:
    sizes = [len(Lcn(quality=q, profile=profile).encode(photo())) for q in range(1, 101, 9)]  # type: ignore[arg-type]
    assert sizes == sorted(sizes)
    assert sizes[0] < 2000 < 60_000 < sizes[-1]


@pytest.mark.parametrize(("side", "most_bytes"), [(1, 60), (64, 90), (1000, 4000)])
def test_flat_picture_is_small(side: int, most_bytes: int) -> None:
    for profile in MODES_OF:
        assert len(Lcn(profile=profile).encode(Image(np.full((side, side, 3), 90, np.uint8)))) < most_bytes  # type: ignore[arg-type]


def test_eight_threads_equal_the_serial_result() -> None:
    images = [crop("kodim23_crop.png", 8 * n, 16 * n, 40 + n) for n in range(16)]
    tiled = [3 if n % 3 == 0 else None for n in range(16)]
    codecs = [Lcn(20 + 4 * n, tile_log2=tiled[n], profile="best" if n % 4 == 3 else "small") for n in range(16)]

    def both(n: int) -> tuple[bytes, Image]:
        data = codecs[n % 16].encode(images[n % 16])
        return data, codecs[n % 16].decode(data)

    serial = [both(n) for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(both, range(64))) == serial * 4


def test_codec_and_latent_can_be_pickled() -> None:
    for codec in (Lcn(quality=77, grouping="whole"), Lcn(profile="best")):
        latent = codec.analyze(picture("RGBA", (20, 30)))
        assert pickle.loads(pickle.dumps(codec)) == codec
        again = pickle.loads(pickle.dumps(latent))
        assert again == latent
        assert np.array_equal(again.dequantize(), latent.dequantize())


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 0},
        {"quality": 101},
        {"quality": 50.5},
        {"step_code": -1},
        {"step_code": 256},
        {"grouping": "none"},
        {"progression": "row"},
        {"tile_log2": 2},
        {"tile_log2": 17},
    ],
    ids=str,
)
def test_options_outside_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(CodecError, match=next(iter(options))):
        Lcn(**options)  # type: ignore[arg-type]


def test_picture_of_other_planes_than_the_model_is_refused() -> None:
    with pytest.raises(UnsupportedSignalError, match="planes"):
        Lcn(model="rgb").encode(picture("L", (8, 8)))
    with pytest.raises(UnsupportedSignalError, match="planes"):
        Lcn(model="grey").encode(picture("RGBA", (8, 8)))


def test_profile_that_the_model_does_not_code_in_is_refused() -> None:
    for name, signal in (("rgb", picture("RGB", (8, 8))), ("speech", Audio(np.zeros((1, 9), np.float32), 16_000))):
        said = f"profile is best; allowed with model {name}, which has no networks, is fast and small"
        with pytest.raises(CodecError, match=said):
            Lcn(model=name, profile="best").encode(signal)


@pytest.mark.parametrize("profile", ["fast", "small", "best"])
def test_a_model_with_networks_codes_in_every_profile(profile: str) -> None:
    image = photo("kodim05_crop.png")
    codec = Lcn(model="rgb_best", profile=profile, tune="psnr")  # type: ignore[arg-type]
    latent = codec.analyze(image)
    data = codec.pack(latent)
    assert codec.unpack(data) == latent
    assert Lcn().decode(data) == codec.synthesize(latent)
    assert psnr_db(codec.decode(data), image) > 28


def test_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(UnknownModelError, match="'sepia'"):
        Lcn(model="sepia").encode(picture("L", (8, 8)))


def test_model_that_is_not_the_files_is_not_used() -> None:
    data = Lcn().encode(picture("L", (8, 8)))
    assert Lcn(model="rgb").decode(data) == Lcn().decode(data)


def test_picture_over_the_limit_is_refused_on_request() -> None:
    data = Lcn().encode(picture("L", (20, 30)))
    assert Lcn().unpack(data, limits=Limits(max_pixels=600)).size == (20, 30)
    with pytest.raises(LimitError):
        Lcn().unpack(data, limits=Limits(max_pixels=599))


def test_latent_in_another_memory_order_packs_to_the_same_file() -> None:
    latent = Lcn().analyze(photo("kodim05_crop.png"))
    other = dataclasses.replace(latent, values=np.asfortranarray(latent.values))
    assert Lcn().pack(other) == Lcn().pack(latent)


@pytest.mark.parametrize(
    "changes",
    [
        {"values": np.zeros((0, 16, 24), np.int32)},
        {"values": np.zeros((193, 16, 24), np.int32)},
        {"values": np.zeros((192, 15, 24), np.int32)},
        {"alpha": np.zeros((4, 4), np.uint8)},
        {"step_code": 256},
        {"step_code": -1},
    ],
    ids=["no channels", "too many channels", "another grid", "alpha of another size", "step 256", "step -1"],
)
def test_latent_that_no_file_can_hold_is_refused(changes: dict[str, object]) -> None:
    latent = Lcn().analyze(photo("kodim05_crop.png"))
    with pytest.raises(ValueError, match=r"\w+ .*(allowed|needed|must|has|is)"):
        Lcn().pack(dataclasses.replace(latent, **changes))  # type: ignore[arg-type]


def test_signal_is_left_alone() -> None:
    samples = picture("RGBA", (20, 30)).samples
    samples[:5, :, 3] = 0
    image = Image(samples.copy())
    Lcn().encode(image)
    assert np.array_equal(image.samples, samples)


def test_head_of_an_indexed_file_is_enough_for_few_channels() -> None:
    picture = Image(np.random.default_rng(5).integers(0, 256, (200, 300, 3), np.uint8))
    codec = Lcn(quality=80, tile_log2=3)
    data = codec.encode(picture)
    assert np.array_equal(codec.unpack(data[: len(data) // 4], channels=3).values, codec.unpack(data).values[:3])
