"""A small pack, with samples in members of their own and in groups, for tests of what other libraries read of packs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pack_scene
import pytest

from laconic.tasks.datasets.pack_index import PackIndexOptions


@pytest.fixture(scope="module", params=["single", "grouped"])
def pack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = PackIndexOptions(size=32, members=request.param, shard_samples=5)
    return pack_scene.make_pack(tmp_path_factory.mktemp("integrations"), count=5, options=options)


@pytest.fixture(scope="module")
def decoder(pack: Path) -> Any:
    from laconic.tasks.datasets.integrations.latent_decoder import LatentDecoder

    return LatentDecoder.of_pack(pack, channels=12)
