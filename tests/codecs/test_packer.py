"""How far a reader of few channels reads, as the packer says it and as reading shows it."""

import io

import numpy as np
import pytest

from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image, Signal
from laconic.codecs.models.latent_turn import coded_channels_for
from laconic.codecs.models.zoo import load_model, load_model_of
from laconic.codecs.packing.packer import PackedFile
from laconic.entropy import TruncatedError


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


def sound(num_samples: int) -> Audio:
    return Audio(np.random.default_rng(6).normal(0, 0.2, (1, num_samples)).astype(np.float32), 16_000)


CASES = {
    "one segment": (Lcn(quality=30), Image(np.zeros((30, 40, 3), np.uint8))),
    "groups": (Lcn(quality=90), Image(noise(160, 200, 3))),
    "alpha": (Lcn(quality=90), Image(noise(160, 200, 4))),
    "tiles": (Lcn(quality=60, tile_log2=3), Image(noise(160, 200, 3))),
    "tile by tile": (Lcn(quality=60, tile_log2=3, progression="tile"), Image(noise(160, 200, 2))),
    "one group": (Lcn(quality=90, grouping="whole"), Image(noise(160, 200, 3))),
    "fast": (Lcn(quality=90, profile="fast"), Image(noise(160, 200, 3))),
    "best": (Lcn(quality=60, profile="best"), Image(noise(80, 100, 3))),
    "best tile by tile": (Lcn(quality=60, profile="best", tile_log2=3, progression="tile"), Image(noise(80, 100, 4))),
    "sound": (Lcn(quality=90), sound(90_000)),
    "sound by groups": (Lcn(quality=90, grouping="channels", progression="group", tile_log2=5), sound(20_000)),
    "empty sound": (Lcn(), sound(0)),
}


@pytest.mark.parametrize(("codec", "signal"), CASES.values(), ids=CASES)
def test_head_bytes_are_what_a_reader_of_so_many_channels_reads(codec: Lcn, signal: Signal) -> None:
    latent = codec.analyze(signal)
    packed = codec.pack_with_heads(latent)
    assert packed.data == codec.pack(latent)
    ends = load_model_of(latent.fingerprint, None).group_ends
    for channels in sorted({1, *ends, *(end - 1 for end in ends if end > 1)}):
        file = io.BytesIO(packed.data)
        codec.unpack(file, channels=channels)
        assert packed.head_bytes(channels) == file.tell()


@pytest.mark.parametrize(("codec", "signal"), CASES.values(), ids=CASES)
def test_head_bytes_are_enough_and_not_too_many(codec: Lcn, signal: Signal) -> None:
    latent = codec.analyze(signal)
    packed = codec.pack_with_heads(latent)
    for channels in (1, len(latent.values) // 2, len(latent.values)):
        head = packed.data[: packed.head_bytes(channels)]
        found = codec.unpack(head, channels=channels)
        assert np.array_equal(found.values, latent.values[: len(found.values)])
        assert np.array_equal(found.dequantize(), latent.dequantize()[:channels])
        with pytest.raises(TruncatedError):
            codec.unpack(head[:-1], channels=channels)


def test_head_bytes_of_a_file_with_few_channels() -> None:
    codec = Lcn(quality=90)
    latent = codec.unpack(codec.encode(Image(noise(160, 200, 3))), channels=20)
    packed = codec.pack_with_heads(latent)
    stored = len(latent.values)
    assert packed.bounds[-1] == stored and packed.head_bytes(20) == packed.head_bytes(stored) == len(packed.data)
    assert 0 < packed.head_bytes(1) < len(packed.data)


def test_head_bytes_reach_all_that_the_axes_of_latents_are_made_of() -> None:
    model = load_model("rgb")
    assert coded_channels_for(model, 4) == 9
    assert PackedFile(b"", (0, 4, 8, 12), (10, 20, 30)).head_bytes(4) == 10
    assert PackedFile(b"", (0, 4, 8, 12), (10, 20, 30), model).head_bytes(4) == 30
    assert PackedFile(b"", (0, 4, 8), (10, 20), model).head_bytes(4) == 20
