"""Pictures in parts: regions are crops, streams are whole pictures, threads change nothing, small ones are means."""

import io
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from subband_scene import BEST_CHANNELS

from laconic.codecs import CodecError, Image, Lcn, UnsupportedSignalError, decode, encode
from laconic.codecs.files import read_image
from laconic.codecs.form import form_of
from laconic.codecs.media import Audio
from laconic.entropy import BitstreamError, CorruptStreamError, LimitError, Limits

TILE_LOG2 = 3  # 64 pixels a side: many tiles in a small picture
SCALES = (1, 2, 4, 8)
KINDS = tuple(itertools.product((np.uint8, np.uint16), (1, 2, 3, 4)))
KIND_IDS = [f"{np.dtype(kind).name}-{channels}" for kind, channels in KINDS]
BEST_KINDS = tuple(kind for kind in KINDS if kind[1] in BEST_CHANNELS)
PROFILE_KINDS = [(kind, "best") for kind in BEST_KINDS] + [(k, p) for k in KINDS for p in ("fast", "small")]
PROFILE_IDS = [f"{np.dtype(kind).name}-{channels}-{profile}" for (kind, channels), profile in PROFILE_KINDS]


def picture(height, width, channels=3, dtype=np.uint8, seed=0):
    """Waves, edges and noise; an alpha channel has opaque, clear and half clear places."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [120 + 70 * np.sin(x / (5 + c) + c) + 50 * np.cos(y / (9 - c)) for c in range(channels)]
    planes = (
        np.stack(waves, axis=2) + random.normal(0, 6, (height, width, channels)) + 30 * ((x + y) % 37 > 20)[..., None]
    )
    if channels in (2, 4):
        planes[..., -1] = np.where(x + 2 * y < 50, 0, np.where(x > width // 2, 255, planes[..., -1]))
    eight = np.clip(planes, 0, 255)
    return Image((eight if dtype == np.uint8 else eight * 257).astype(dtype))


def codec_for(image, **options):
    return Lcn(**{"tile_log2": TILE_LOG2, "effort": 0, **options})


class Rows:
    """A source of rows that counts what it gives at once."""

    def __init__(self, samples):
        self.height, self.width, _ = samples.shape
        self._samples, self._next, self.largest = samples, 0, 0

    def read_rows(self, count):
        assert 0 < count <= self.height - self._next
        self._next, self.largest = self._next + count, max(self.largest, count)
        return self._samples[self._next - count : self._next]


class CountingFile(io.BytesIO):
    num_read = 0

    def read(self, size=-1):
        found = super().read(size)
        self.num_read += len(found)
        return found


class Pipe(io.BytesIO):
    """Bytes that come once, from the start."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation("seek")

    tell = seek


def rectangles(height, width, count, seed=0):
    """The whole, corners, borders, single pixels, and random ones: (x, y, w, h)."""
    yield from (
        (0, 0, width, height),
        (0, 0, 1, 1),
        (width - 1, height - 1, 1, 1),
        (0, height - 1, width, 1),
        (width - 1, 0, 1, height),
        (min(63, width - 1), min(63, height - 1), min(2, width - min(63, width - 1)), 1),
    )
    random = np.random.default_rng(seed)
    for _ in range(count):
        x, y = int(random.integers(width)), int(random.integers(height))
        yield x, y, int(random.integers(1, width - x + 1)), int(random.integers(1, height - y + 1))


def crop(samples, region, scale=1):
    x, y, w, h = region
    return samples[y // scale : -(-(y + h) // scale), x // scale : -(-(x + w) // scale)]


# --- regions


@pytest.mark.parametrize(("kind", "profile"), PROFILE_KINDS, ids=PROFILE_IDS)
def test_a_region_is_the_crop_of_the_whole(kind, profile):
    dtype, channels = kind
    image = picture(203, 187, channels, dtype)
    codec = codec_for(image, profile=profile)
    data = codec.encode(image)
    whole = codec.decode(data).samples
    assert whole.shape == image.samples.shape
    for region in rectangles(203, 187, 6):
        found, damage = codec.decode_area(data, region=region)
        assert np.array_equal(found.samples, crop(whole, region)), region
        assert damage == ()


@pytest.mark.parametrize("profile", ["small", "best"])
@pytest.mark.parametrize("tile_log2", [None, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (8, 8), (17, 65), (64, 64), (129, 130)])
def test_a_region_is_the_crop_at_every_size_and_scale(size, tile_log2, profile):
    image = picture(*size)
    codec = Lcn(tile_log2=tile_log2, profile=profile)
    data = codec.encode(image)
    for scale in (*SCALES, 16, 32) if profile == "best" else SCALES:
        whole = codec.decode_area(data, scale=scale)[0].samples
        assert whole.shape == (-(-size[0] // scale), -(-size[1] // scale), 3)
        for region in rectangles(*size, 4, seed=scale):
            found = codec.decode_area(data, region=region, scale=scale)[0].samples
            assert np.array_equal(found, crop(whole, region, scale)), (region, scale)


@pytest.mark.parametrize("scale", SCALES[1:])
@pytest.mark.parametrize(("dtype", "channels"), KINDS, ids=KIND_IDS)
def test_a_scaled_region_is_the_crop_of_the_scaled(dtype, channels, scale):
    image = picture(203, 187, channels, dtype)
    codec = codec_for(image)
    data = codec.encode(image)
    whole = codec.decode_area(data, scale=scale)[0].samples
    for region in rectangles(203, 187, 5, seed=scale):
        found = codec.decode_area(data, region=region, scale=scale)[0].samples
        assert np.array_equal(found, crop(whole, region, scale)), region


@pytest.mark.parametrize("profile", ["small", "best"])
@pytest.mark.parametrize("grouping", ["channels", "whole"])
@pytest.mark.parametrize("progression", ["group", "tile"])
def test_layouts_give_the_same_regions(grouping, progression, profile):
    image = picture(150, 200, 4)
    codec = codec_for(image, grouping=grouping, progression=progression, profile=profile)
    data = codec.encode(image)
    whole = codec.decode(data).samples
    for region in rectangles(150, 200, 4):
        assert np.array_equal(codec.decode_area(data, region=region)[0].samples, crop(whole, region))


@pytest.mark.parametrize("profile", ["small", "best"])
@pytest.mark.parametrize("channels", [2, 6, 14])
def test_a_region_of_few_channels_is_the_crop_of_few_channels(channels, profile):
    codec = codec_for(None, profile=profile)
    data = codec.encode(picture(150, 200, 4))
    whole = codec.decode_area(data, channels=channels)[0].samples
    assert whole.shape == (150, 200, 3)
    assert np.array_equal(whole, codec.synthesize(codec.unpack(data, channels=channels)).samples)
    for region in rectangles(150, 200, 4):
        found = codec.decode_area(data, region=region, channels=channels)[0].samples
        assert np.array_equal(found, crop(whole, region))


@pytest.mark.parametrize(
    "region",
    [
        (-1, 0, 5, 5),
        (0, -1, 5, 5),
        (0, 0, 0, 5),
        (0, 0, 5, 0),
        (0, 0, 41, 5),
        (0, 0, 5, 31),
        (40, 0, 1, 1),
        (0, 30, 1, 1),
    ],
)
def test_a_region_outside_is_refused(region):
    data = Lcn().encode(picture(30, 40))
    with pytest.raises(CodecError, match="allowed is one of at least 1x1 inside the picture of 40x30"):
        Lcn().decode_area(data, region=region)


@pytest.mark.parametrize("profile", ["small", "best"])
@pytest.mark.parametrize("scale", [0, 3, 64, -2])
def test_other_scales_are_refused(scale, profile):
    data = Lcn(profile=profile).encode(picture(30, 40))
    with pytest.raises(CodecError, match="allowed are 1, 2, 4, 8, 16, 32"):
        Lcn().decode_area(data, scale=scale)


def test_a_sound_has_no_area():
    data = Lcn().encode(Audio(np.zeros((1, 4000), np.float32), 16000))
    with pytest.raises(UnsupportedSignalError, match="allowed is a picture"):
        Lcn().decode_area(data)


def test_limits_hold_for_areas():
    data = Lcn().encode(picture(30, 40))
    with pytest.raises(LimitError):
        Lcn().decode_area(data, region=(0, 0, 1, 1), limits=Limits(max_pixels=100))


# --- what is read


@pytest.mark.parametrize("profile", ["small", "best"])
@pytest.mark.parametrize("progression", ["group", "tile"])
def test_a_region_reads_what_it_needs(progression, profile):
    codec = codec_for(None, progression=progression, profile=profile)
    data = codec.encode(picture(1000, 900))
    file = CountingFile(data)
    region = (400, 500, 50, 40)
    found = codec.decode_area(file, region=region)[0].samples
    assert file.num_read < len(data) / 8
    assert np.array_equal(found, crop(codec.decode(data).samples, region))


def test_a_small_scale_reads_what_it_needs():
    codec = Lcn(quality=90, tile_log2=4)
    data = codec.encode(picture(600, 600))
    file = CountingFile(data)
    found = codec.decode_area(file, scale=8)[0]
    assert file.num_read < len(data) / 8
    assert found == codec.decode_area(data, scale=8)[0]


@pytest.mark.parametrize("profile", ["small", "best"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("tile_log2", [None, TILE_LOG2])
def test_pipes_give_the_same_areas(channels, tile_log2, profile):
    codec = codec_for(None, tile_log2=tile_log2, profile=profile)
    data = codec.encode(picture(200, 210, channels))
    for region, scale in itertools.product((None, (70, 130, 80, 20)), (1, 4)):
        expected = codec.decode_area(data, region=region, scale=scale)[0]
        assert codec.decode_area(Pipe(data), region=region, scale=scale)[0] == expected


def test_an_open_file_is_read_from_where_it_stands():
    codec = codec_for(None)
    data = codec.encode(picture(200, 210))
    file = io.BytesIO(b"before" + data)
    file.seek(6)
    assert codec.decode_area(file, region=(9, 150, 20, 30))[0] == codec.decode_area(data, region=(9, 150, 20, 30))[0]


def test_trailing_bytes_are_refused():
    for codec in (Lcn(), codec_for(None)):
        data = codec.encode(picture(100, 130, 4))
        for source in (data + b"x", io.BytesIO(data + b"x"), Pipe(data + b"x")):
            with pytest.raises(CorruptStreamError, match="bytes follow the last segment"):
                codec.decode_area(source)
        with pytest.raises(CorruptStreamError, match="bytes follow the last segment"):
            codec.decode(data + b"x")
        with pytest.raises(CorruptStreamError, match="bytes follow the last segment"):
            list(codec.open_area(data + b"x").rows())


# --- damage


def test_damage_outside_the_region_does_not_matter():
    codec = codec_for(None, progression="tile")
    data = codec.encode(picture(600, 500))
    whole = codec.decode(data).samples
    damaged = bytearray(data)
    damaged[-3] ^= 1
    with pytest.raises(BitstreamError):
        codec.decode(bytes(damaged))
    found, damage = codec.decode_area(bytes(damaged), region=(0, 0, 100, 90), allow_partial=True)
    assert np.array_equal(found.samples, whole[:90, :100])
    assert damage == ()
    found, damage = codec.decode_area(bytes(damaged), allow_partial=True)
    assert np.array_equal(found.samples[:256], whole[:256])
    assert len(damage) >= 1


@pytest.mark.parametrize(("channels", "profile"), [(3, "small"), (4, "small"), (4, "best")])
def test_cut_and_damaged_files_are_decoded_in_part(channels, profile):
    codec = codec_for(None, profile=profile)
    data = codec.encode(picture(300, 260, channels))
    random = np.random.default_rng(1)
    for _ in range(5 if profile == "best" else 25):
        damaged = bytearray(data[: int(random.integers(len(data) // 3, len(data)))])
        damaged[int(random.integers(len(data) // 4, len(damaged)))] ^= 1 << int(random.integers(8))
        for source in (bytes(damaged), io.BytesIO(damaged)):
            whole, damage = codec.decode_area(source, allow_partial=True)
            assert damage
            latent = codec.unpack(bytes(damaged), allow_partial=True)
            assert damage == latent.damage
            assert whole == codec.synthesize(latent)
        region = (100, 120, 64, 70)
        for source in (bytes(damaged), io.BytesIO(damaged), Pipe(damaged)):
            found, damage = codec.decode_area(source, region=region, allow_partial=True)
            assert np.array_equal(found.samples, crop(whole.samples, region))
            assert set(damage) <= set(latent.damage)


# --- threads and streams


@pytest.mark.parametrize(("kind", "profile"), PROFILE_KINDS, ids=PROFILE_IDS)
def test_threads_change_nothing(kind, profile):
    dtype, channels = kind
    image = picture(333, 290, channels, dtype)
    files, whole, parts, rows = [], [], [], []
    for threads in (1, 2, 5):
        codec = codec_for(image, profile=profile, threads=threads)
        files.append(codec.encode(image))
        whole.append(codec.decode(files[0]))
        parts.append(codec.decode_area(files[0], region=(20, 100, 150, 170), scale=2)[0])
        rows.append(Image(np.concatenate([part.copy() for part in codec.open_area(files[0]).rows()])))
    assert files[0] == files[1] == files[2]
    assert whole[0] == whole[1] == whole[2] == rows[0] == rows[1] == rows[2]
    assert parts[0] == parts[1] == parts[2]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (63, 65), (512, 64), (333, 290), (1030, 70)])
@pytest.mark.parametrize(("kind", "profile"), [k for k in PROFILE_KINDS if k[0][1] in (1, 3) and k[1] != "fast"])
def test_rows_give_the_same_file(kind, profile, size, threads, monkeypatch):
    dtype, channels = kind
    for module in ("picture_decoder", "encoder_chunks"):  # a row of tiles at a time
        monkeypatch.setattr(f"laconic.codecs.pictures.{module}.CHUNK_VALUES", 1)
    monkeypatch.setattr("laconic.codecs.pictures.color_choice.MOST_PIXELS", 0)
    image = Image(picture(*size, channels, dtype).samples, {"icc": b"profile", "exif": b"Exif\0\0x"})
    codec = codec_for(image, effort=1, threads=threads, profile=profile)
    source = Rows(image.samples)
    form = form_of(image)
    data = codec.encode_rows(
        source,
        num_colors=channels,
        sample_type=form.sample_type,
        bit_depth=form.bit_depth,
        metadata=image.metadata,
    )
    assert data == codec.encode(image) == codec.pack(codec.analyze(image))
    assert source.largest <= 128 + 64  # two rows of tiles and margins


@pytest.mark.parametrize("tile_log2", [None, TILE_LOG2, 4])
@pytest.mark.parametrize(("kind", "profile"), [k for k in PROFILE_KINDS if k[1] != "fast"])
def test_decoded_rows_are_the_picture(kind, profile, tile_log2, monkeypatch):
    dtype, channels = kind
    image = picture(333, 290, channels, dtype)
    codec = codec_for(image, tile_log2=tile_log2, profile=profile)
    data = codec.encode(image)
    for module in ("picture_decoder", "encoder_chunks"):  # a row of tiles at a time
        monkeypatch.setattr(f"laconic.codecs.pictures.{module}.CHUNK_VALUES", 1)
    opened = codec.open_area(data)
    assert (opened.shape, opened.dtype) == (image.samples.shape, dtype)
    parts = [part.copy() for part in opened.rows()]
    assert len(parts) > 1 or tile_log2 is None
    whole = codec.synthesize(codec.unpack(data))  # by no rows
    assert Image(np.concatenate(parts)) == whole
    assert codec.decode(data) == whole
    with pytest.raises(LimitError):
        codec.open_area(data, limits=Limits(max_pixels=100))


def test_streaming_needs_little_memory():
    code = """
import resource, sys
import numpy as np
from laconic.codecs import Lcn
class Rows:
    height, width, at = 6000, 4000, 0
    def read_rows(self, count):
        self.at += count
        return np.resize(np.arange(251, dtype=np.uint8), (count, self.width, 3))
codec = Lcn(profile="fast")
small = Rows()
small.height = 500
list(codec.open_area(codec.encode_rows(small, num_colors=3, sample_type="uint8")).rows())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = codec.encode_rows(Rows(), num_colors=3, sample_type="uint8")
for rows in codec.open_area(data).rows():
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 6000 * 4000 * 3 * 2  # the int16 latent alone has as much


# --- scales


def means(samples, scale):
    """Means around every `scale`-th pixel, over half a scale to both sides, of what is there."""
    window = np.r_[0.5, np.ones(scale - 1), 0.5]
    half = scale // 2

    def sums(line):
        return np.convolve(line, window)[half : half + len(line) : scale]

    def reduced(array):
        return np.apply_along_axis(sums, 1, np.apply_along_axis(sums, 0, array))

    return reduced(samples.astype(np.float64)) / reduced(np.ones_like(samples, np.float64))


@pytest.mark.parametrize("scale", SCALES[1:])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_scaled_picture_is_near_its_means(scale, dtype):
    y, x = np.mgrid[0:240, 0:320]
    waves = np.stack([128 + 60 * np.sin(x / 31 + c) + 60 * np.cos(y / 23 - c) for c in range(3)], axis=2)
    image = Image((waves if dtype == np.uint8 else waves * 257).astype(dtype))
    codec = Lcn(quality=90)
    found = codec.decode_area(codec.encode(image), scale=scale)[0].samples
    error = np.mean((found - means(image.samples, scale)) ** 2)
    assert 10 * np.log10(float(np.iinfo(dtype).max) ** 2 / error) > 40


def test_a_scaled_photograph_is_near_its_means():
    image = read_image(Path(__file__).parents[1] / "data" / "kodim05_crop.png")
    for scale in SCALES[1:]:
        found = decode(encode(image, quality=90), scale=scale).samples
        assert 10 * np.log10(255**2 / np.mean((found - means(image.samples, scale)) ** 2)) > 31


@pytest.mark.parametrize(("profile", "scale"), [*(("small", s) for s in SCALES), *(("best", s) for s in (1, 8, 32))])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (5, 130), (77, 61)])
def test_flat_pictures_stay_flat(size, dtype, scale, profile):
    for level in (0, 1, 77, 128, 200, 254, 255):
        full = level if dtype == np.uint8 else level * 257
        image = Image(np.full((*size, 3), full, dtype))
        codec = Lcn(quality=95, profile=profile)
        found = codec.decode_area(codec.encode(image), scale=scale)[0].samples
        assert np.abs(found.astype(np.int64) - full).max() <= (1 if dtype == np.uint8 else 257), level


@pytest.mark.parametrize("scale", SCALES[1:])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_is_scaled_to_means(dtype, scale):
    image = picture(203, 187, 4, dtype)
    data = Lcn().encode(image)
    alpha = Lcn().decode_area(data, scale=scale)[0].samples[..., 3:]
    assert np.abs(alpha - means(image.samples[..., 3:], scale)).max() <= 0.5 + 1e-6
