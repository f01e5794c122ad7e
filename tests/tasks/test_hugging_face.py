"""Packs as datasets of Hugging Face: what comes out is what `LatentDataset` gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pack_scene
import pytest

from laconic.codecs.lcn import Lcn
from laconic.tasks.datasets.integrations.hugging_face import (
    LatentTransform,
    LcnFeature,
    dataset_of_pack,
    register_lcn_feature,
)
from laconic.tasks.datasets.integrations.latent_decoder import LatentDecoder
from laconic.tasks.datasets.stored_samples import StoredSamples

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def hugging(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("datasets")
    return dataset_of_pack(pack, "train", cache_dir=tmp_path_factory.mktemp("cache"))


def test_datasets_has_the_samples_of_a_split(pack: Path, hugging: Any) -> None:
    expected, stored = pack_scene.items_by_key(pack, "train"), StoredSamples(pack)
    rows = {key: row for row, key in enumerate(stored.index.key)}
    assert hugging["key"][:] == list(expected)
    assert hugging.features["label"].names == ["blue", "red"]
    for item in hugging:
        row = rows[item["key"]]
        assert (item["lcn"], item["source"]) == (stored.lcn(row), stored.index.source[row])
        assert (item["label"], item["txt"]) == expected[item["key"]][1:]
        assert (item["mask.png"] is None) == ("mask.png" not in stored.target_bytes(row))


def test_datasets_decodes_batches_by_a_transform(pack: Path, hugging: Any, decoder: LatentDecoder) -> None:
    expected = pack_scene.items_by_key(pack, "train")
    dataset = hugging.remove_columns("mask.png").with_transform(LatentTransform(decoder))
    batch = dataset[3:8]
    assert batch["lcn"].shape == (5, 12, 4, 4)
    for key, latent in zip(batch["key"], batch["lcn"], strict=True):
        assert np.array_equal(latent.numpy(), expected[key][0])
    loader = torch.utils.data.DataLoader(dataset, batch_size=4)
    assert [tuple(batch["lcn"].shape) for batch in loader] == [(4, 12, 4, 4), (4, 12, 4, 4), (2, 12, 4, 4)]
    assert hugging.with_transform(LatentTransform(decoder)).select_columns("key")[:2] == {"key": hugging["key"][:2]}


def test_datasets_feature_survives_disk_and_parquet(
    pack: Path, hugging: Any, decoder: LatentDecoder, tmp_path: Path
) -> None:
    import datasets

    expected = pack_scene.items_by_key(pack, "train")
    cast = hugging.cast_column("lcn", LcnFeature.of_decoder(decoder))
    cast.save_to_disk(tmp_path / "saved")
    cast.to_parquet(tmp_path / "x.parquet")
    code = (
        "import sys, datasets\n"
        "from laconic.tasks.datasets.integrations.hugging_face import register_lcn_feature\n"
        "register_lcn_feature()\n"
        "saved = datasets.load_from_disk(sys.argv[1])\n"
        "print(saved.features['lcn'].channels, saved[0]['lcn'].shape, float(abs(saved[0]['lcn']).sum()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "saved")], capture_output=True, text=True, check=True
    )
    first = next(iter(expected.values()))[0]
    assert done.stdout.split()[0] == "12" and "(12, 4, 4)" in done.stdout
    assert float(done.stdout.split()[-1]) == pytest.approx(float(np.abs(first).sum()), rel=1e-6)
    register_lcn_feature()
    for dataset in (
        datasets.load_from_disk(tmp_path / "saved"),
        datasets.Dataset.from_parquet(str(tmp_path / "x.parquet"), cache_dir=str(tmp_path / "cache")),
    ):
        assert dataset.features["lcn"] == LcnFeature.of_decoder(decoder)
        for item in dataset:
            assert np.array_equal(np.asarray(item["lcn"], np.float32), expected[item["key"]][0])


def test_datasets_feature_takes_signals_paths_and_bytes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    from laconic.codecs.media import Image

    register_lcn_feature()
    image = Image(np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8))
    data = Lcn().encode(image)
    (tmp_path / "x.lcn").write_bytes(data)
    features = datasets.Features({"x": LcnFeature(decode=False)})
    dataset = datasets.Dataset.from_list(
        [{"x": image}, {"x": str(tmp_path / "x.lcn")}, {"x": data}, {"x": None}], features=features
    )
    assert dataset["x"][:] == [data, data, data, None]
    assert np.asarray(dataset.cast_column("x", LcnFeature(3))[1]["x"]).shape == (3, 3, 3)
