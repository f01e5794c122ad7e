"""Models in folders of Hugging Face's hub, and found there without a network."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from laconic.codecs.errors import CodecError, MissingDependencyError, UnknownModelError, WeightsError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.pretrained import (
    PRETRAINED_MODEL_NAME,
    pretrained_folder,
    pretrained_model_path,
    save_pretrained_model,
)
from laconic.codecs.models.zoo import model_path


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a test asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def in_cache(cache: Path, repository: str, folder: Path) -> None:
    """As the hub's client keeps what it has downloaded."""
    root = cache / f"models--{repository.replace('/', '--')}"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    shutil.copytree(folder, root / "snapshots" / commit)


def test_model_is_saved_and_found_in_a_folder(tmp_path: Path) -> None:
    save_pretrained_model("grey", tmp_path / "folder")
    path = pretrained_model_path(tmp_path / "folder", local_files_only=True)
    assert Path(path).read_bytes() == model_path("grey").read_bytes()
    card = (tmp_path / "folder" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: laconic\n") and "# grey" in card
    image = Image(np.zeros((16, 16, 1), np.uint8))
    assert Lcn(model=path).encode(image) == Lcn(model="grey").encode(image)


def test_model_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    save_pretrained_model("grey", tmp_path)
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FileExistsError):
        save_pretrained_model("mono", tmp_path)
    save_pretrained_model("mono", tmp_path, force=True)
    assert (tmp_path / PRETRAINED_MODEL_NAME).read_bytes() == model_path("mono").read_bytes()
    assert (tmp_path / "README.md").read_text() == "mine"


def test_model_is_found_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    save_pretrained_model("grey", tmp_path / "folder")
    in_cache(tmp_path / "cache", "someone/pictures", tmp_path / "folder")
    path = pretrained_model_path("someone/pictures", local_files_only=True, cache_dir=tmp_path / "cache")
    assert Path(path).read_bytes() == model_path("grey").read_bytes()


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    for name in ("someone/absent", "not a name!", "a/b/c"):
        with pytest.raises(CodecError, match="no repository of the hub that can be had on this machine"):
            pretrained_folder(name, local_files_only=True, cache_dir=tmp_path)
    with pytest.raises(WeightsError, match=PRETRAINED_MODEL_NAME):
        pretrained_model_path(tmp_path)
    with pytest.raises(UnknownModelError, match="not known"):
        save_pretrained_model("unknown", tmp_path)


def test_missing_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match="pip install huggingface_hub"):
        pretrained_folder("someone/absent")
