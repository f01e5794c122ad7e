"""The published baseline WaLLoC: packets against PyWavelets, sizes as published, files by the laws of codecs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from laconic.codecs.checks import check_codec, images_to_check  # noqa: E402
from laconic.codecs.errors import CodecError, UnsupportedSignalError, WeightsError  # noqa: E402
from laconic.codecs.media import Image  # noqa: E402
from laconic.codecs.walloc import walloc_codec  # noqa: E402
from laconic.codecs.walloc.walloc_codec import WallocCodec, add_contexts_to_walloc_codec  # noqa: E402
from laconic.codecs.walloc.walloc_network import (  # noqa: E402
    WallocAttention,
    WallocConfig,
    WallocNetwork,
    WallocNetworkLearner,
    extended_for_walloc,
    load_walloc,
    packets_of,
    pictures_of_walloc,
    save_walloc,
)
from laconic.entropy.errors import BitstreamError, ChecksumError, LimitError  # noqa: E402

SMALL = WallocConfig(latent_channels=12, width=64, layers_before=1, layers_after=1)


def pictures(count: int = 2, height: int = 64, width: int = 64, seed: int = 0):
    """(count, 3, height, width), smooth with some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    phases = rng.uniform(0, 6, (count, 3, 1, 1))
    waves = np.sin(0.11 * x + phases) * np.cos(0.07 * y + phases) + rng.normal(0, 0.03, (count, 3, height, width))
    return torch.from_numpy(np.clip(0.4 * waves, -0.5, 0.5).astype(np.float32))


def parameters_of(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """A file with contexts."""
    torch.manual_seed(0)
    path = str(tmp_path_factory.mktemp("walloc") / "small.safetensors")
    WallocNetworkLearner(SMALL, start=pictures(4)).save(path, {"data": "waves"})
    samples = np.moveaxis(((pictures(3, 96, 96, seed=1) + 0.5) * 255).round().to(torch.uint8).numpy(), 1, -1)
    add_contexts_to_walloc_codec(path, [Image(np.ascontiguousarray(s)) for s in samples])
    return path


@pytest.mark.parametrize("shape", [(8, 8), (16, 40), (64, 24)])
def test_packets_are_those_of_pywavelets(shape):
    pywt = pytest.importorskip("pywt")

    def split(plane, level):
        if level == 0:
            return [plane]
        low, (vertical, horizontal, both) = pywt.dwt2(plane, "bior4.4", mode="periodization")
        return [leaf for band in (low, vertical, horizontal, both) for leaf in split(band, level - 1)]

    picture = np.random.default_rng(0).uniform(-0.5, 0.5, (3, *shape))
    expected = np.stack([leaf for plane in picture for leaf in split(plane, 3)])
    packets = packets_of(torch.from_numpy(picture)[None])
    np.testing.assert_allclose(packets[0].numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(pictures_of_walloc(packets)[0].numpy(), picture, atol=1e-12)


@pytest.mark.parametrize(("channels", "projection"), [(12, 2316), (48, 9264)])
def test_sizes_are_the_published_ones(channels, projection):
    with torch.device("meta"):
        module = WallocNetwork(WallocConfig(latent_channels=channels))
    assert parameters_of(module.projection) == projection
    assert 56.5e6 < parameters_of(module.decoder) < 57.5e6
    assert parameters_of(module) == parameters_of(module.projection) + parameters_of(module.decoder)


def test_latents_are_bytes_however_large():
    module = WallocNetwork(SMALL).eval()
    with torch.no_grad():
        module.projection.weight.mul_(1e4)
        latent = module.bottleneck(module.analyze(pictures()))
        decoded = module.synthesize(latent)
    assert latent.abs().max() == 127
    assert decoded.isfinite().all()
    assert decoded.abs().max() <= 0.5


def test_start_is_the_best_linear_codec_of_its_pictures():
    batch = pictures(8)
    learner = WallocNetworkLearner(replace(SMALL, gain=20.0), start=batch)
    packets = packets_of(batch).movedim(1, -1).reshape(-1, 192)
    centred = packets - packets.mean(0)
    left_out = torch.linalg.svdvals(centred)[12:].square().sum() / packets.numel()
    with torch.no_grad():
        difference = packets_of(learner.module.eval()(batch)) - packets_of(batch)
    assert difference.square().mean().item() == pytest.approx(left_out.item(), rel=0.1)  # integers add little here


def test_attention_in_turns_is_attention_at_once(monkeypatch):
    torch.manual_seed(0)
    layer = WallocAttention(64, 32)
    torch.nn.init.normal_(layer.leave.weight)
    x = torch.randn(2, 64, 6, 5)
    at_once = layer(x)
    monkeypatch.setattr("laconic.codecs.walloc.walloc_network._MAX_SCORES", 2 * 30 * 7)
    torch.testing.assert_close(layer(x), at_once)


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    learner, batch = WallocNetworkLearner(SMALL, peak_rate=1e-3), pictures(4)
    optimizer = torch.optim.AdamW(learner.parameter_groups())
    found = []
    for step in range(12):
        sample = learner.sample(batch, torch.Generator().manual_seed(step))
        loss, numbers = learner.loss(sample, step / 12)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(numbers["psnr_db"])
    assert all(parameter.grad is not None for parameter in learner.module.parameters())
    assert found[-1] > found[0] + 1


def test_loss_is_repeatable_by_its_generator():
    learner, batch = WallocNetworkLearner(SMALL, start=pictures(4)), pictures(2)
    samples = [learner.sample(batch, torch.Generator().manual_seed(n)) for n in (1, 1, 2)]
    first, second, other = (learner.loss(sample, 0.0)[0].item() for sample in samples)
    assert first == second != other


def test_autocast_leaves_the_latent_in_float32():
    module = WallocNetwork(SMALL)
    with torch.autocast("cpu", torch.bfloat16):
        latent = module.analyze(pictures())
    assert torch.equal(latent, module.analyze(pictures()))


def test_learner_says_how_it_is_trained():
    learner = WallocNetworkLearner(SMALL, peak_rate=1e-3)
    (group,) = learner.parameter_groups()
    assert group["lr"] == 1e-3
    assert {id(p) for p in group["params"]} == {id(p) for p in learner.module.parameters()}
    picture = pictures(1, 256, 264)[0]
    prepared = learner.cutting.prepare(picture)
    assert (learner.cutting.crop, learner.cutting.least_side, learner.batch_size) == (256, 256, 8)
    assert prepared.dtype == torch.float16
    torch.testing.assert_close(prepared.float(), picture, rtol=0, atol=3e-4)


def test_only_the_first_pictures_are_validated():
    learner = WallocNetworkLearner(SMALL, start=pictures(4))
    learner.module.eval()
    first = list(pictures(4, 24, 24, seed=2))
    assert learner.validate([*first, *pictures(2, 24, 24, seed=3)]) == learner.validate(first)


def test_validation_measures_the_codec(weights):
    picture = pictures(1, 50, 70, seed=5)[0]
    learner = WallocNetworkLearner(SMALL)
    learner.module.load_state_dict(load_walloc(weights).state_dict())
    learner.module.eval()
    samples = np.moveaxis(((picture + 0.5) * 255).round().to(torch.uint8).numpy(), 0, -1)
    codec, image = WallocCodec(weights), Image(np.ascontiguousarray(samples))
    error = np.square(codec.decode(codec.encode(image)).samples - samples.astype(float)).mean()
    found = learner.validate([torch.from_numpy(samples).movedim(-1, 0).float() / 255 - 0.5])
    assert found["psnr_db"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
    assert found["bits_per_pixel"] > 0


def test_extension_repeats_the_last_row_and_column():
    found = extended_for_walloc(torch.arange(6.0).reshape(1, 1, 2, 3))
    assert found.shape == (1, 1, 8, 8)
    assert found[0, 0, 7].tolist() == [3, 4, 5, 5, 5, 5, 5, 5]


def test_weights_come_back(tmp_path):
    module = WallocNetwork(SMALL)
    save_walloc(module, tmp_path / "a.safetensors")
    loaded = load_walloc(tmp_path / "a.safetensors")
    assert loaded.config == SMALL
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), loaded.parameters(), strict=True))


def write_without_metadata(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"projection.weight": np.zeros((12, 192, 1, 1), np.float32)}, path)


def write_other_config(path: Path) -> None:
    module = WallocNetwork(SMALL)
    module.config = replace(SMALL, width=96)
    save_walloc(module, path)


def write_unknown_field(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({}, path, {"format": "laconic.walloc.1", "config": '{"depth": 3}'})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.write_bytes(b"no weights at all"), "cannot be read"),
        (write_without_metadata, "has the format None"),
        (write_other_config, "holds no weights"),
        (write_unknown_field, "no valid configuration"),
    ],
    ids=["absent", "no-safetensors", "no-metadata", "other-shapes", "unknown-field"],
)
def test_other_files_are_refused(tmp_path, write, message):
    path = tmp_path / "a.safetensors"
    write(path)
    with pytest.raises(WeightsError, match=message):
        load_walloc(path)


@pytest.mark.parametrize("store", ["webp", "laconic"])
def test_laws_hold(weights, store):
    check_codec(WallocCodec(weights, store), images_to_check(["RGB"]))


def test_both_stores_hold_the_same_latent(weights):
    image = images_to_check(["RGB"])[-1]
    decoded = [WallocCodec(weights, store) for store in ("webp", "laconic")]
    assert len({codec.decode(codec.encode(image)).samples.tobytes() for codec in decoded}) == 1


@pytest.mark.parametrize("store", ["webp", "laconic"])
def test_every_latent_comes_back(weights, store):
    latent = np.random.default_rng(0).integers(-127, 128, (12, 5, 9)).astype(np.int8)
    if store == "webp":
        found = walloc_codec._of_webp(walloc_codec._to_webp(latent), latent.shape)
    else:
        contexts = walloc_codec._loaded(weights).needed_contexts()
        found = walloc_codec._of_segment(walloc_codec._to_segment(latent, contexts), latent.shape, contexts)
    assert np.array_equal(found, latent)


def test_store_laconic_needs_contexts(tmp_path):
    save_walloc(WallocNetwork(SMALL), tmp_path / "a.safetensors")
    codec = WallocCodec(str(tmp_path / "a.safetensors"), "laconic")
    with pytest.raises(WeightsError, match="add_contexts"):
        codec.encode(images_to_check(["RGB"])[0])


def test_contexts_keep_weights_and_card(weights):
    from safetensors import safe_open

    with safe_open(weights, "np") as file:
        assert file.metadata()["data"] == "waves"
    assert load_walloc(weights).config == SMALL


def test_other_weights_do_not_decode(weights, tmp_path):
    save_walloc(WallocNetwork(SMALL), tmp_path / "a.safetensors")
    data = WallocCodec(weights).encode(images_to_check(["RGB"])[0])
    with pytest.raises(BitstreamError, match="made with weights"):
        WallocCodec(str(tmp_path / "a.safetensors")).decode(data)


def test_damage_and_claims_are_named(weights):
    codec = WallocCodec(weights)
    data = codec.encode(images_to_check(["RGB"])[0])
    with pytest.raises(ChecksumError, match="cut or damaged"):
        codec.decode(data[:-1])
    header = walloc_codec._HEADER.pack(b"WLC1", 0, data[5:9], 1 << 31, 1 << 31)
    with pytest.raises(LimitError, match="allowed are"):
        codec.decode(header + walloc_codec._CHECKSUM.pack(walloc_codec.zlib.crc32(header)))


def test_wrong_uses_are_refused(weights):
    with pytest.raises(CodecError, match="store"):
        WallocCodec(weights, "png")  # type: ignore[arg-type]
    with pytest.raises(UnsupportedSignalError, match="8-bit L"):
        WallocCodec(weights).encode(images_to_check(["L"])[0])
    with pytest.raises(ValueError, match="groups"):
        WallocConfig(width=100)
    with pytest.raises(ValueError, match="latent channels"):
        WallocConfig(latent_channels=0)


def test_training_needs_no_compiled_coder():
    code = (
        "import sys\n"
        "sys.modules['laconic.entropy._native'] = sys.modules['laconic.codecs._native'] = None\n"
        "from laconic.codecs.walloc.walloc_network import WallocConfig, WallocNetworkLearner\n"
        "import torch\n"
        "learner = WallocNetworkLearner(WallocConfig(3, width=64, layers_before=0, layers_after=0))\n"
        "print(learner.loss(learner.sample(torch.zeros(1, 3, 8, 8), torch.Generator()), 0.0)[0].item() < 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
