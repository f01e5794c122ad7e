"""A trained head in a folder of Hugging Face's hub: it scores as before, with the codec's model beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pack_scene
import pytest

pytest.importorskip("torch")

from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.models.pretrained import PRETRAINED_MODEL_NAME
from laconic.codecs.models.zoo import model_path
from laconic.tasks.heads import head_training
from laconic.tasks.heads.predictor import Predictor
from laconic.tasks.heads.train_options import TrainOptions
from laconic.tasks.training.run_names import BEST_NAME


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and a picture."""
    root = tmp_path_factory.mktemp("pretrained")
    pack = pack_scene.make_pack(root, count=6)
    head_training.train(pack, root / "run", TrainOptions(channels=3, epochs=1))
    return root / "run", root / "pictures" / "test" / "red" / "red0.png"


def test_head_scores_as_before(scene: tuple[Path, Path], tmp_path: Path) -> None:
    run, picture = scene
    trained = Predictor.load(run)
    trained.save_pretrained(tmp_path / "folder")
    again = Predictor.from_pretrained(tmp_path / "folder", local_files_only=True)
    assert again.scores(picture) == trained.scores(picture)
    assert (again.classes, again.form.model) == (("blue", "red"), None)
    assert "Task classify of blue, red" in (tmp_path / "folder" / "README.md").read_text()
    assert not (tmp_path / "folder" / PRETRAINED_MODEL_NAME).exists()


def test_head_brings_the_model_of_its_codec(scene: tuple[Path, Path], tmp_path: Path) -> None:
    run, picture = scene
    shutil.copy(model_path("rgb"), tmp_path / "mine.safetensors")
    trained = Predictor.load(run, model=str(tmp_path / "mine.safetensors"))
    trained.save_pretrained(tmp_path / "folder")
    expected = trained.scores(picture)
    (tmp_path / "mine.safetensors").unlink()
    again = Predictor.from_pretrained(tmp_path / "folder")
    assert again.form.model == str(tmp_path / "folder" / PRETRAINED_MODEL_NAME)
    assert again.scores(picture) == expected


def test_head_is_not_overwritten_unless_told(scene: tuple[Path, Path], tmp_path: Path) -> None:
    trained = Predictor.load(scene[0])
    (tmp_path / BEST_NAME).write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        trained.save_pretrained(tmp_path)
    assert (tmp_path / BEST_NAME).read_bytes() == b"mine"
    trained.save_pretrained(tmp_path, force=True)
    Predictor.from_pretrained(tmp_path)


def test_what_is_no_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is no checkpoint"):
        Predictor.from_pretrained(tmp_path)
    pytest.importorskip("huggingface_hub")
    with pytest.raises(CodecError, match="no repository of the hub"):
        Predictor.from_pretrained("someone/absent", local_files_only=True, cache_dir=tmp_path)
