"""One head that answers from few channels of a file and from many, and heads that read files of another model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from PIL import Image as PillowImage  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from laconic.codecs.errors import CodecError, UnknownModelError  # noqa: E402
from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.codecs.media import Image  # noqa: E402
from laconic.codecs.models.zoo import load_model  # noqa: E402
from laconic.tasks.cli import app  # noqa: E402
from laconic.tasks.datasets import archive  # noqa: E402
from laconic.tasks.datasets.framing import Framing, read_signal  # noqa: E402
from laconic.tasks.datasets.pack_index import PackIndexOptions  # noqa: E402
from laconic.tasks.heads.classification import Classification  # noqa: E402
from laconic.tasks.heads.comparison import read_result  # noqa: E402
from laconic.tasks.heads.head_training import train  # noqa: E402
from laconic.tasks.heads.judged_items import load_judged_items  # noqa: E402
from laconic.tasks.heads.learning_task import Batch, InputForm  # noqa: E402
from laconic.tasks.heads.nested_channels import prefixes_stacked  # noqa: E402
from laconic.tasks.heads.predictor import Predictor  # noqa: E402
from laconic.tasks.heads.train_options import TrainOptions  # noqa: E402

TASK = Classification(body="residual", mixup=0.2, width=8, nested=(3,))
OPTIONS = TrainOptions(epochs=6, batch_size=8, channels=12, learning_rate=1e-2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes by the direction of their stripes, which the first 3 channels do not show, and two by their colour."""
    root = tmp_path_factory.mktemp("stripes")
    random = np.random.default_rng(6)
    stripes = np.where(np.arange(48) // 4 % 2, 60, -60)
    for split, count in (("train", 12), ("val", 3), ("test", 5)):
        for name, colour, pattern in (
            ("across", (120, 120, 120), stripes[:, None]),
            ("down", (120, 120, 120), stripes[None, :]),
            ("red", (200, 60, 60), stripes[:1]),
        ):
            (root / "pictures" / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.add(pattern[..., None], colour) + random.normal(0, 8, (48, 48, 3))
                picture = Image.from_array(pixels.clip(0, 255).astype(np.uint8))
                PillowImage.fromarray(picture.samples).save(root / "pictures" / split / name / f"{i}.png")
                if split == "test":
                    (root / "files" / name).mkdir(parents=True, exist_ok=True)
                    (root / "files" / name / f"{i}.lcn").write_bytes(Lcn(quality=80, profile="fast").encode(picture))
    return root


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    archive.pack(folder / "pictures", root / "packed", PackIndexOptions(quality=80, profile="fast"))
    train(root / "packed", root / "run", OPTIONS, task=TASK)
    return root / "run"


def test_prefixes_are_the_batch_with_zeros() -> None:
    x = torch.arange(1.0, 25.0).reshape(2, 3, 2, 2)
    stacked = prefixes_stacked(x, (1, 3))
    assert stacked.shape == (4, 3, 2, 2)
    assert torch.equal(stacked[2:], x)
    assert torch.equal(stacked[:2, :1], x[:, :1]) and not stacked[:2, 1:].any()


@pytest.mark.parametrize("body", ["residual", "bands"])
def test_loss_is_the_mean_over_prefixes(body: Any) -> None:
    named = {"fingerprint": load_model("rgb").fingerprint.hex(), "group_ends": (3, 12, 48, 192)}
    scaled = {"scale": (1.0,) * 12, "shift": (0.0,) * 12}
    form = InputForm("latents", "image", 12, (6, 6), classes=("a", "b"), **scaled, **named)  # type: ignore[arg-type]
    task = replace(TASK, body=body, mixup=0.0)
    network = task.network(form, 1).eval()
    batch = Batch(torch.randn(4, 12, 6, 6, generator=torch.Generator().manual_seed(0)), (torch.tensor([0, 1, 1, 0]),))
    plain = replace(task, nested=())
    cut = replace(batch, x=torch.cat([batch.x[:, :3], torch.zeros(4, 9, 6, 6)], 1))
    random = np.random.default_rng(0)
    with torch.no_grad():
        each = [float(plain.loss(network, b, random)) for b in (cut, batch)]
        assert float(task.loss(network, batch, random)) == pytest.approx(sum(each) / 2, rel=1e-5)


def test_nested_head_answers_from_few_channels_and_better_from_all(finished: Path) -> None:
    result = read_result(finished)
    assert result["test_accuracy"] >= 0.8
    rows = load_judged_items(finished / "judged.safetensors").rows
    scores = TASK.scores(rows)
    assert scores["accuracy"] == result["test_accuracy"]
    assert 0.5 < scores["accuracy_3"] < scores["accuracy"]  # red is seen in 3 channels, stripes are not


def test_network_of_bands_is_nested_too(finished: Path, tmp_path: Path) -> None:
    task = Classification(nested=(3,))
    result = train(finished.parent / "packed", tmp_path / "run", replace(OPTIONS, epochs=2), task=task)
    scores = task.scores(load_judged_items(tmp_path / "run" / "judged.safetensors").rows)
    assert result["test_accuracy"] == scores["accuracy"] >= 0.6
    assert scores["accuracy_3"] > 0.5


def test_predictor_reads_few_channels_alone(folder: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, path = Predictor.load(finished), folder / "files/red/0.lcn"
    assert predictor.channels == (3, 12)
    read, unpack = [], Lcn.unpack

    def noting(codec: Lcn, data: Any, **options: Any) -> Any:
        read.append(options["channels"])
        return unpack(codec, data, **options)

    monkeypatch.setattr(Lcn, "unpack", noting)
    whole, few = predictor.answer(path), predictor.answer(path, channels=3)
    assert read == [12, 3]
    assert few.values["class"] == "red" and few.values["scores"] != whole.values["scores"]


def test_wrong_numbers_of_channels_are_a_sentence(folder: Path, finished: Path) -> None:
    with pytest.raises(CodecError, match="allowed are 3, 12 of a run on latents"):
        Predictor.load(finished).answer(folder / "files/red/0.lcn", channels=5)


@pytest.mark.parametrize("nested", [(3, 3), (12, 3), (0,), 3, "x", (1.5,)])
def test_prefixes_out_of_order_are_a_sentence(nested: object) -> None:
    with pytest.raises(CodecError, match="nested"):
        Classification(nested=nested)  # type: ignore[arg-type]


def test_prefixes_of_no_latent_are_a_sentence() -> None:
    with pytest.raises(CodecError, match="allowed are fewer than the channels"):
        Classification(nested=(12,)).network(InputForm("latents", "image", 12, (6, 6)), 0)
    with pytest.raises(CodecError, match="of arm pixels"):
        Classification(nested=(1,)).network(InputForm("pixels", "image", 3, (6, 6)), 0)


def test_command_line_reads_few_channels(folder: Path, finished: Path) -> None:
    out = CliRunner().invoke(app, ["predict", str(finished), str(folder / "files/red/1.lcn"), "--channels", "3"])
    assert out.exit_code == 0 and "red" in out.output
    out = CliRunner().invoke(app, ["predict", str(finished), str(folder / "files/red/1.lcn"), "--channels", "4"])
    assert out.exit_code == 1 and "allowed are 3, 12" in out.output


def test_head_reads_files_of_a_newer_model(folder: Path, finished: Path, tmp_path: Path) -> None:
    """In other axes, of which the head knows nothing; its own model is rgb."""
    model, random = load_model("rgb"), np.random.default_rng(8)
    turns = [np.linalg.qr(random.normal(size=(len(m), len(m))))[0] for m in model.analysis]
    newer = replace(
        model,
        name="newer",
        analysis=tuple((t @ m).astype(np.float32) for t, m in zip(turns, model.analysis, strict=True)),
        synthesis=tuple((m @ t.T).astype(np.float32) for t, m in zip(turns, model.synthesis, strict=True)),
        fixed=(),
        turn=None,
    )
    newer.save(tmp_path / "newer.safetensors")
    place, path = str(tmp_path / "newer.safetensors"), tmp_path / "x.lcn"
    predictor = Predictor.load(finished, file_model=place)
    for name in ("across", "down", "red"):
        own = folder / f"files/{name}/2.lcn"
        path.write_bytes(Lcn(model=place, quality=95).encode(read_signal(own, "image", Framing())))
        scores, known = predictor.scores(path), predictor.scores(own)
        assert scores == pytest.approx(known, abs=0.05)
        assert predictor.answer(path, channels=3).values["scores"] == pytest.approx(
            predictor.answer(own, channels=3).values["scores"], abs=0.05
        )
    with pytest.raises(UnknownModelError, match="name its model file"):
        Predictor.load(finished).answer(path)
    shutil.copy(path, tmp_path / "y.lcn")
    command = ["predict", str(finished), str(tmp_path / "y.lcn"), "--file-model", place]
    assert "red" in CliRunner().invoke(app, command).output


def test_head_of_one_profile_reads_files_of_another(folder: Path, finished: Path, tmp_path: Path) -> None:
    """Models rgb and rgb_best are different ones, of latents in the same axes."""
    own = folder / "files/down/3.lcn"
    (tmp_path / "x.lcn").write_bytes(Lcn(profile="best", quality=95).encode(read_signal(own, "image", Framing())))
    predictor = Predictor.load(finished)
    assert predictor.scores(tmp_path / "x.lcn") == pytest.approx(predictor.scores(own), abs=0.05)
