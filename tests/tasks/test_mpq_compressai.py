"""The adapter for CompressAI, which is installed by hand: random weights prove the path, a saved state dict the weights."""

from __future__ import annotations

import importlib.util
import zlib
from pathlib import Path

import numpy as np
import pytest

from laconic.codecs.checks import check_codec, images_to_check
from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError, WeightsError
from laconic.codecs.external.compressai import CompressAI
from laconic.codecs.media import Image
from laconic.codecs.registry import make_codec
from laconic.entropy.errors import BitstreamError, ChecksumError, TruncatedError
from laconic.tasks.mpq.operating_points import operating_points

INSTALLED = importlib.util.find_spec("compressai") is not None and importlib.util.find_spec("torch") is not None
needs_compressai = pytest.mark.skipif(not INSTALLED, reason="compressai is not installed")
TRAINED = Path(__file__).parents[2] / "benchmarks" / "models" / "factorized"
PICTURE = Image(np.random.default_rng(0).integers(0, 256, (33, 70, 3), np.uint8))


@needs_compressai
def test_laws() -> None:
    check_codec(make_codec("compressai"), images_to_check(("RGB",))[-2:])


@needs_compressai
def test_every_byte_of_the_strings_is_in_the_file() -> None:
    data = CompressAI("bmshj2018-hyperprior").encode(PICTURE)
    (count,) = data[18:19]
    assert count == 2
    position = 19
    for _ in range(count):
        position += 4 + int.from_bytes(data[position : position + 4], "little")
    assert position + 4 == len(data)


@needs_compressai
def test_weights_of_a_checkpoint_decide(tmp_path: Path) -> None:
    import torch

    from laconic.codecs.external.compressai import _network

    weights = dict(_network("bmshj2018-factorized", 1, None).state_dict())
    weights = {name: value * 3 if name.startswith("g_a") else value for name, value in weights.items()}
    torch.save({"state_dict": weights}, tmp_path / "checkpoint.pth")
    codec = CompressAI(checkpoint=str(tmp_path / "checkpoint.pth"))
    data = codec.encode(PICTURE)
    assert data != CompressAI().encode(PICTURE)
    assert codec.decode(data).samples.shape == PICTURE.samples.shape


def write_safetensors(path: Path, model: str, widths: tuple[int, int], **metadata: str) -> None:
    """Random weights of these widths in half precision, without the integer tables."""
    import torch
    from safetensors.torch import save_file

    from laconic.codecs.external.compressai import zoo

    torch.manual_seed(1)
    network = type(zoo()[model](quality=1, pretrained=False))(*widths)
    tables = ("_quantized_cdf", "_cdf_length", "_offset", "scale_table")
    weights = {name: value.half() for name, value in network.state_dict().items() if not name.endswith(tables)}
    about = {"architecture": model, "N": str(widths[0]), "M": str(widths[1])} | metadata
    save_file(weights, path, {name: text for name, text in about.items() if text})


@needs_compressai
@pytest.mark.parametrize("model", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018"])
def test_safetensors_of_any_width_are_weights_of_any_model(model: str, tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    write_safetensors(path, model, (8, 12))
    codec = make_codec(f"compressai:model={model},checkpoint={path}")
    data = codec.encode(PICTURE)
    assert codec.decode(data).samples.shape == PICTURE.samples.shape
    assert data != CompressAI(model).encode(PICTURE)


@needs_compressai
@pytest.mark.skipif(not TRAINED.exists(), reason="the benchmarks are not here")
def test_the_trained_peer_is_a_curve() -> None:
    y, x, c = np.mgrid[:64, :96, :3]
    picture = Image((128 + 90 * np.sin(x / 9 + c) * np.cos(y / 11)).astype(np.uint8))
    points = operating_points([f"compressai:checkpoint={TRAINED}/*.safetensors"])
    assert len(points) == 5
    files = [point.codec.encode(picture) for point in points]
    errors = [
        np.square(point.codec.decode(data).samples.astype(float) - picture.samples).mean()
        for point, data in zip(points, files, strict=True)
    ]
    assert [len(data) for data in files] == sorted(map(len, files))  # from the lowest lambda on
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < 255**2 * 10 ** (-25 / 10)


@needs_compressai
@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        ({"architecture": "mbt2018"}, "holds weights of mbt2018, not of bmshj2018-factorized; name its model"),
        ({"architecture": ""}, "holds weights of None, not of bmshj2018-factorized"),
        ({"N": ""}, "holds no weights of bmshj2018-factorized"),
        ({"M": "13"}, "holds no weights of bmshj2018-factorized"),
    ],
)
def test_safetensors_of_another_network_are_refused(metadata: dict[str, str], match: str, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    write_safetensors(path, "bmshj2018-factorized", (8, 12), **metadata)
    with pytest.raises(WeightsError, match=match):
        CompressAI(checkpoint=str(path)).encode(PICTURE)


@needs_compressai
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_checkpoints_that_are_none_are_refused(suffix: str, tmp_path: Path) -> None:
    bad = tmp_path / f"bad.{suffix}"
    bad.write_bytes(b"no pickle")
    for path in (bad, tmp_path / f"absent.{suffix}"):
        with pytest.raises(WeightsError, match=rf"\.{suffix}"):
            CompressAI(checkpoint=str(path)).encode(PICTURE)


def test_damage_is_found_before_the_native_decoder_sees_it() -> None:
    content = b"CAI1" + bytes([0, 1]) + (33).to_bytes(4, "little") + (70).to_bytes(4, "little") + bytes([1, 0, 2, 0, 0])
    data = content + zlib.crc32(content).to_bytes(4, "little")
    with pytest.raises(TruncatedError):
        CompressAI().decode(data[:10])
    with pytest.raises(ChecksumError):
        CompressAI().decode(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BitstreamError, match="of bmshj2018-factorized at quality 1, not mbt2018 at 1"):
        CompressAI("mbt2018").decode(data)


@pytest.mark.parametrize("options", [{"model": "hific"}, {"quality": 9}])
def test_values_outside_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        CompressAI(**options)  # type: ignore[arg-type]


def test_grey_is_refused() -> None:
    with pytest.raises(UnsupportedSignalError):
        CompressAI().encode(Image(np.zeros((4, 4, 1), np.uint8)))


@pytest.mark.skipif(
    INSTALLED or importlib.util.find_spec("torch") is None, reason="compressai is installed, or no torch"
)
def test_absent_package_is_one_sentence() -> None:
    with pytest.raises(MissingDependencyError, match="pip install --no-deps compressai"):
        CompressAI().encode(PICTURE)
