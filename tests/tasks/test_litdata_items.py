"""Latents in streamed datasets of litdata: what comes out is what `LatentDataset` gives."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pack_scene
import pytest

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.integrations.latent_decoder import LatentDecoder
from laconic.tasks.datasets.integrations.litdata_items import (
    LatentCollate,
    LcnItem,
    LcnSerializer,
    litdata_items,
    register_lcn_serializer,
)

torch = pytest.importorskip("torch")


def test_litdata_streams_latents(pack: Path, decoder: LatentDecoder, tmp_path: Path) -> None:
    litdata = pytest.importorskip("litdata")
    from litdata.streaming.writer import BinaryWriter

    writer = BinaryWriter(str(tmp_path), chunk_size=4, serializers={"lcn": LcnSerializer()})
    for i, item in enumerate(litdata_items(pack, "train")):
        writer[i] = {name: item[name] for name in ("lcn", "cls", "key", "txt")}
    writer.done()
    writer.merge()
    expected = pack_scene.items_by_key(pack, "train")
    stream = partial(litdata.StreamingDataset, str(tmp_path))
    found = list(stream(serializers={"lcn": LcnSerializer(decoder)}))
    assert [item["key"] for item in found] == list(expected)
    for item in found:
        assert np.array_equal(item["lcn"].numpy(), expected[item["key"]][0])
        assert (item["cls"], item["txt"]) == expected[item["key"]][1:]
    loader = litdata.StreamingDataLoader(
        stream(serializers={"lcn": LcnSerializer()}), batch_size=4, num_workers=0, collate_fn=LatentCollate(decoder)
    )
    batches = list(loader)
    assert [tuple(batch["lcn"].shape) for batch in batches] == [(4, 12, 4, 4), (4, 12, 4, 4), (2, 12, 4, 4)]
    assert np.array_equal(batches[1]["lcn"][2].numpy(), list(expected.values())[6][0])
    assert batches[0]["cls"].tolist() == [label for _, label, _ in expected.values()][:4]


OPTIMIZE = """
import sys
import litdata
from laconic.tasks.datasets.integrations.litdata_items import litdata_items, register_lcn_serializer

register_lcn_serializer()
items = [{name: item[name] for name in ("lcn", "cls", "key")} for item in litdata_items(sys.argv[1], "train")]
keys = {item["key"]: item for item in items}

def item_of(key):
    return keys[key]

if __name__ == "__main__":
    litdata.optimize(item_of, list(keys), sys.argv[2], chunk_size=4, num_workers=1, start_method="fork", verbose=False)
"""


def test_litdata_optimize_writes_items(pack: Path, decoder: LatentDecoder, tmp_path: Path) -> None:
    litdata = pytest.importorskip("litdata")
    (tmp_path / "job.py").write_text(OPTIMIZE, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "job.py"), str(pack), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    expected = pack_scene.items_by_key(pack, "train")
    found = list(litdata.StreamingDataset(str(tmp_path / "out"), serializers={"lcn": LcnSerializer(decoder)}))
    assert sorted(item["key"] for item in found) == sorted(expected)
    assert all(np.array_equal(item["lcn"].numpy(), expected[item["key"]][0]) for item in found)


def test_litdata_parts_refuse_what_they_cannot_take(pack: Path) -> None:
    pytest.importorskip("litdata")
    assert not LcnSerializer().can_serialize(b"bytes")
    with pytest.raises(CodecError, match="data"):
        LcnItem("text")  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="split is 'val'"):
        next(litdata_items(pack, "val"))
    register_lcn_serializer()
    register_lcn_serializer()
    from litdata.streaming.serializers import _SERIALIZERS

    assert list(_SERIALIZERS).count("lcn") == 1 and next(iter(_SERIALIZERS)) == "lcn"
