"""The adapter for EnCodec: random weights prove the path, a saved network the weights."""

from __future__ import annotations

import importlib.util
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laconic.codecs.checks import check_codec, sounds_to_check
from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError, WeightsError
from laconic.codecs.external.encodec import EnCodec
from laconic.codecs.media import Audio
from laconic.codecs.registry import make_codec
from laconic.entropy.errors import CorruptStreamError

INSTALLED = all(importlib.util.find_spec(name) is not None for name in ("transformers", "torch"))
needs_transformers = pytest.mark.skipif(not INSTALLED, reason="transformers is not installed")
SOUND = Audio(np.random.default_rng(0).normal(0, 0.2, (1, 24000)).astype(np.float32), 24000)


def saved(folder: Path, **changes: Any) -> Path:
    """A small network with weights of its own, as transformers saves it; its codes are near what it finds in `SOUND`."""
    import torch
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(1)
    network = EncodecModel(EncodecConfig(num_filters=4, hidden_size=16, codebook_dim=16, **changes)).eval()
    with torch.no_grad():
        channels = changes.get("audio_channels", 1)
        found = network.encoder(torch.from_numpy(SOUND.samples)[None].expand(1, channels, -1))
    for layer in network.quantizer.layers:
        layer.codebook.embed.normal_().mul_(found.std(2)).add_(found.mean(2))
    network.save_pretrained(folder)
    return folder


@needs_transformers
def test_laws(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path / "small")
    check_codec(make_codec(f"encodec:bandwidth=1.5,checkpoint={checkpoint}"), sounds_to_check((16000, 44100)))


@needs_transformers
@pytest.mark.parametrize(("bandwidth", "codebooks"), [(1.5, 2), (6.0, 8), (24.0, 32)])
def test_a_second_takes_the_bits_of_its_bandwidth(bandwidth: float, codebooks: int) -> None:
    data = EnCodec(bandwidth).encode(SOUND)
    assert 8 * len(data) == pytest.approx(1000 * bandwidth, abs=8 * 32)
    assert data[5] == codebooks
    assert EnCodec().decode(data).samples.shape == SOUND.samples.shape


@needs_transformers
def test_codes_come_back_as_the_network_found_them(tmp_path: Path) -> None:
    import torch

    from laconic.codecs.external.encodec import _network

    codec = EnCodec(3.0, str(saved(tmp_path / "small")))
    network = _network(codec.checkpoint)
    with torch.no_grad():
        codes = network.encode(torch.from_numpy(SOUND.samples)[None], bandwidth=3.0).audio_codes
        expected = network.decode(codes, [None]).audio_values[0].numpy()
    assert len(np.unique(codes)) > 16
    np.testing.assert_allclose(codec.decode(codec.encode(SOUND)).samples, expected[:, :24000], rtol=1e-5, atol=1e-6)


@needs_transformers
def test_weights_of_a_folder_decide(tmp_path: Path) -> None:
    codec = EnCodec(checkpoint=str(saved(tmp_path / "small")))
    data = codec.encode(SOUND)
    assert data != EnCodec().encode(SOUND)
    assert not np.array_equal(codec.decode(data).samples, EnCodec().decode(data).samples)


@needs_transformers
def test_channels_are_coded_each_on_its_own() -> None:
    both = replace(SOUND, samples=np.concatenate([SOUND.samples, SOUND.samples[:, ::-1]]))
    decoded = EnCodec().decode(EnCodec().encode(both))
    alone = EnCodec().decode(EnCodec().encode(SOUND))
    np.testing.assert_allclose(decoded.samples[0], alone.samples[0], rtol=1e-3, atol=1e-4)


@needs_transformers
def test_a_file_that_claims_more_than_it_holds_is_refused() -> None:
    data = EnCodec().encode(SOUND)
    for at, value in ((11, 1 << 31), (15, 1 << 31), (7, 0)):
        content = data[:at] + struct.pack("<I", value) + data[at + 4 : -4]
        with pytest.raises(CorruptStreamError, match="claims"):
            EnCodec().decode(content + struct.pack("<I", zlib.crc32(content)))


@needs_transformers
def test_a_bandwidth_that_the_network_lacks_is_refused() -> None:
    with pytest.raises(CodecError, match=r"bandwidth is 7; allowed of these weights are 1.5, 3, 6, 12, 24 kbit/s"):
        EnCodec(7).encode(SOUND)
    with pytest.raises(UnsupportedSignalError, match="9 channels"):
        EnCodec().encode(Audio(np.zeros((9, 100), np.float32), 24000))


@needs_transformers
def test_folders_without_its_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is no folder with config\.json"):
        EnCodec(checkpoint=str(tmp_path)).encode(SOUND)
    other = saved(tmp_path / "other")
    (other / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="holds no weights of EnCodec"):
        EnCodec(checkpoint=str(other)).encode(SOUND)
    chunked = saved(tmp_path / "chunked", chunk_length_s=1.0, overlap=0.01, normalize=True, audio_channels=2)
    with pytest.raises(WeightsError, match="holds weights for 2 channels at 24000 Hz in chunks"):
        EnCodec(checkpoint=str(chunked)).encode(SOUND)
    larger = saved(tmp_path / "larger")
    config = json.loads((larger / "config.json").read_text())
    (larger / "config.json").write_text(json.dumps(config | {"num_lstm_layers": 3}))
    with pytest.raises(WeightsError, match=r"lacks \d+ of EnCodec's weights"):
        EnCodec(checkpoint=str(larger)).encode(SOUND)


def test_without_transformers_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    from laconic.codecs.external.encodec import _network

    _network.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"pip install 'laconic\[encodec\]'"):
        EnCodec().encode(SOUND)
