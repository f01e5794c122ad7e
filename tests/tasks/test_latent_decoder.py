"""The decoder that pipelines of other libraries share: what it gives is what `LatentDataset` gives."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.tasks.datasets.integrations.latent_decoder import LatentDecoder
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.stored_samples import StoredSamples

torch = pytest.importorskip("torch")


def test_decoder_normalises_as_the_dataset_does(pack: Path, decoder: LatentDecoder) -> None:
    stored, dataset = StoredSamples(pack), LatentDataset(pack, channels=12)
    files = [stored.lcn(row) for row in range(6)]
    for found, i in zip(decoder.arrays(files), range(6), strict=True):
        np.testing.assert_array_equal(found, dataset.array(i)[0])
    assert np.array_equal(decoder.array(files[3]), decoder.arrays(files)[3])
    assert np.array_equal(LatentDecoder(3).array(files[0]), Lcn().unpack(files[0], channels=3).dequantize())


def test_decoder_is_a_value(decoder: LatentDecoder) -> None:
    again = pickle.loads(pickle.dumps(decoder))
    assert again == decoder and hash(again) == hash(decoder)


@pytest.mark.parametrize(
    "wrong", [{"channels": 0}, {"channels": 2, "scale": (1.0,)}, {"shift": "abc"}, {"channels": 1, "scale": (np.nan,)}]
)
def test_decoder_refuses_what_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(CodecError, match="allowed"):
        LatentDecoder(**wrong)
