"""Packs read by webdataset: what comes out is what `LatentDataset` gives."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pack_scene
import pytest

from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.entropy import BitstreamError
from laconic.tasks.datasets.integrations.latent_decoder import LatentDecoder
from laconic.tasks.datasets.integrations.web_shards import BatchedLatents, LatentHandler, PictureHandler, ungrouped
from laconic.tasks.datasets.stored_samples import StoredSamples

torch = pytest.importorskip("torch")
# webdataset leaves its files to the collector: `closed` collects them while that is no warning.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("closed"),
]


@pytest.fixture
def closed() -> Iterator[None]:
    yield
    gc.collect()


def shards_of(pack: Path, split: str = "train") -> list[str]:
    return [str(path) for path in sorted(pack.glob(f"{split}-*.tar"))]


def web(pack: Path, split: str = "train") -> Any:
    wds = pytest.importorskip("webdataset")
    return wds.WebDataset(shards_of(pack, split), shardshuffle=False)


def test_webdataset_decodes_latents_one_by_one(pack: Path, decoder: LatentDecoder) -> None:
    expected = pack_scene.items_by_key(pack, "train")
    found = list(web(pack).compose(ungrouped).decode(LatentHandler(decoder)).to_tuple("__key__", "lcn", "cls", "txt"))
    assert [key for key, *_ in found] == list(expected)
    for key, latent, label, text in found:
        assert torch.equal(latent, torch.from_numpy(expected[key][0]))
        assert (label, text) == expected[key][1:]


def test_webdataset_decodes_pictures(pack: Path) -> None:
    stored = StoredSamples(pack)
    rows = {key: row for row, key in enumerate(stored.index.key)}
    for scale, side in ((1, 32), (4, 8)):
        for sample in web(pack).compose(ungrouped).decode(PictureHandler(scale)):
            expected = Lcn().decode_area(stored.lcn(rows[sample["__key__"]]), scale=scale)[0].samples
            assert sample["lcn"].shape == (side, side, 3) and np.array_equal(sample["lcn"], expected)
    with pytest.raises(CodecError, match="scale"):
        PictureHandler(3)


@pytest.mark.parametrize("drop_last", [False, True])
def test_webdataset_decodes_batches(pack: Path, decoder: LatentDecoder, drop_last: bool) -> None:
    expected = pack_scene.items_by_key(pack, "train")
    stage = BatchedLatents(4, decoder, drop_last=drop_last)
    batches = list(web(pack).compose(ungrouped).shuffle(5, seed=1).compose(stage))
    assert [len(batch["__key__"]) for batch in batches] == [4, 4] + [2] * (not drop_last)
    seen = [key for batch in batches for key in batch["__key__"]]
    assert len(set(seen)) == len(seen) and set(seen) <= set(expected)
    for batch in batches:
        for i, key in enumerate(batch["__key__"]):
            assert np.array_equal(batch["lcn"][i].numpy(), expected[key][0])
            assert (int(batch["cls"][i]), batch["txt"][i]) == expected[key][1:]
        assert {type(mask) for mask in batch["mask.png"]} <= {np.ndarray, type(None)}


def test_webdataset_batches_in_a_loader_with_workers(pack: Path, decoder: LatentDecoder) -> None:
    wds = pytest.importorskip("webdataset")
    stages = web(pack).compose(ungrouped).compose(BatchedLatents(3, decoder))
    loader = wds.WebLoader(stages, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert sorted(key for batch in loader for key in batch["__key__"]) == sorted(pack_scene.items_by_key(pack, "train"))


def test_webdataset_goes_on_without_damaged_samples_where_told(
    pack: Path, decoder: LatentDecoder, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(pack, tmp_path / "pack"))
    index = StoredSamples(damaged).index
    row = next(row for row in range(20) if index.shards[index.shard[row]].split == "train")
    pack_scene.overwrite(damaged, row)
    with pytest.raises(BitstreamError):
        list(web(damaged).compose(ungrouped).compose(BatchedLatents(4, decoder)))
    errors: list[Exception] = []

    def note(error: Exception) -> bool:
        errors.append(error)
        return True

    batches = list(web(damaged).compose(ungrouped).compose(BatchedLatents(4, decoder, handler=note)))
    keys = [key for batch in batches for key in batch["__key__"]]
    assert sorted([*keys, index.key[row]]) == sorted(pack_scene.items_by_key(pack, "train"))
    assert len(errors) == 1 and isinstance(errors[0], BitstreamError)


def test_stages_refuse_what_they_cannot_take(decoder: LatentDecoder) -> None:
    table = {"key": ["a", "b"], "cls": [0, -1], "length": {"lcn": [2, 3]}}
    group = {"__key__": "a", "many.json": json.dumps(table).encode(), "lcn.many": b"AABBB"}
    assert list(ungrouped([group, {"__key__": "c", "lcn": b"C"}])) == [
        {"__key__": "a", "lcn": b"AA", "cls": b"0"},
        {"__key__": "b", "lcn": b"BBB"},
        {"__key__": "c", "lcn": b"C"},
    ]
    for wrong in ({**group, "lcn.many": b"AAB"}, {**group, "many.json": b"{}"}, {"many.json": b"["}):
        with pytest.raises(CodecError, match="no group of samples"):
            list(ungrouped([wrong]))
    with pytest.raises(CodecError, match="put `ungrouped` before"):
        list(BatchedLatents(2, decoder)([group]))
    with pytest.raises(CodecError, match="batch_size"):
        BatchedLatents(0, decoder)
