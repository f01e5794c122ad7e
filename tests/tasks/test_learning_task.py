"""Tasks of a network: one that is defined here is trained by the same loop, on targets that a shard carries, by one process
and by two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from PIL import Image as PillowImage  # noqa: E402

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.codecs.form import MediaKind  # noqa: E402
from laconic.codecs.media import Image  # noqa: E402
from laconic.tasks.datasets import archive  # noqa: E402
from laconic.tasks.datasets.class_folders import ClassFolder  # noqa: E402
from laconic.tasks.datasets.pack_index import PackIndexOptions  # noqa: E402
from laconic.tasks.datasets.sources.pack_source import SourceSample  # noqa: E402
from laconic.tasks.datasets.targets import NO_LABEL  # noqa: E402
from laconic.tasks.heads.checkpoint import OwnPlaces  # noqa: E402
from laconic.tasks.heads.classification import Classification  # noqa: E402
from laconic.tasks.heads.comparison import comparison_table, read_result  # noqa: E402
from laconic.tasks.heads.head_training import train  # noqa: E402
from laconic.tasks.heads.learning_task import (  # noqa: E402
    Answer,
    Batch,
    InputForm,
    LearningTask,
    TaskRecipe,
    best_epoch_of_task,
)
from laconic.tasks.heads.networks import NetworkConfig, new_network  # noqa: E402
from laconic.tasks.heads.predictor import Predictor  # noqa: E402
from laconic.tasks.heads.task_catalog import make_learning_task  # noqa: E402
from laconic.tasks.heads.train_options import TrainOptions  # noqa: E402
from laconic.tasks.training.tensor_files import load_tensors, save_tensors  # noqa: E402

OPTIONS = TrainOptions(epochs=3, batch_size=8, channels=3, learning_rate=3e-2, weight_decay=0.0)


@dataclass(frozen=True)
class Brightness:
    """How bright is it? A number in a JSON file, by a linear map of the mean latent: no statistics of batches."""

    scale: float = 1.0

    name: ClassVar[str] = "brightness"
    kinds: ClassVar[tuple[MediaKind, ...]] = ("image",)
    targets: ClassVar[tuple[str, ...]] = ("json",)
    judged_targets: ClassVar[tuple[str, ...]] = ("json",)
    maps: ClassVar[tuple[str, ...]] = ()
    has_sizes: ClassVar[bool] = False
    score_name: ClassVar[str] = "error"
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = False
    best_by: ClassVar[Literal["score", "loss"]] = "score"

    def recipe(self, form: InputForm) -> TaskRecipe:
        return TaskRecipe()

    def num_outputs(self, form: InputForm) -> int:
        return 1

    def network(self, form: InputForm, seed: int) -> Any:
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 1))

    def loss(self, network: Any, batch: Batch, random: np.random.Generator) -> Any:
        return self._squares(network, batch).mean()

    def judge(self, network: Any, batch: Batch) -> Any:
        return self._squares(network, batch)

    def _squares(self, network: Any, batch: Batch) -> Any:
        said = torch.tensor([[self.scale * value["brightness"]] for value in batch.targets[0]])
        return (network(batch.x) - said).square()

    def scores(self, rows: Any) -> dict[str, float]:
        return {"loss": float(rows.mean()), "error": float(rows.mean() ** 0.5)}

    def plot(self, rows: Any, form: InputForm) -> str:
        return f"<svg><title>{len(rows)} pictures</title></svg>"

    def answers(self, network: Any, batch: Batch, form: InputForm) -> list[Answer]:
        return [Answer(f"{value:.2f}", {"brightness": value}) for value in network(batch.x)[:, 0].tolist()]


TASK: LearningTask = Brightness()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey pictures without classes, their brightness beside each of them."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(2)
    samples = []
    for split, count in (("train", 32), ("val", 8), ("test", 9)):
        for i in range(count):
            source, level = f"{split}{i}.png", float(random.uniform(0.2, 0.8))
            pixels = random.normal(255 * level, 4, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            PillowImage.fromarray(pixels).save(root / source)
            (root / f"{split}{i}.json").write_text(json.dumps({"brightness": level}))
            samples.append(SourceSample(source, split, NO_LABEL, (("json", f"{split}{i}.json"),)))
    listing = ClassFolder(root, "image", (), tuple(samples), ())
    output = tmp_path_factory.mktemp("packs") / "packed"
    archive.pack(listing, output, PackIndexOptions(quality=90))
    return output


@pytest.fixture(scope="module")
def finished(packed: Path) -> Path:
    train(packed, packed.parent / "run", replace(OPTIONS, epochs=40), task=TASK)
    return packed.parent / "run"


def test_a_task_of_numbers_is_learned(finished: Path) -> None:
    result = read_result(finished)
    assert (result["task"], result["score_name"], result["unit"]) == ("brightness", "error", "")
    assert [result[f"{name}_items"] for name in ("train", "val", "test")] == [32, 8, 9]
    assert result["test_error"] < 0.02 < 0.1 < result["history"][0]["val_error"]
    assert result["test_error"] == pytest.approx(result["test_loss"] ** 0.5)
    errors = [row["val_error"] for row in result["history"]]
    assert result["best_epoch"] == int(np.argmin(errors))  # the lower, the better
    assert (finished / "plot.svg").read_text() == "<svg><title>9 pictures</title></svg>"
    assert len((finished / "curve.jsonl").read_text().splitlines()) == 40


def test_comparison_shows_numbers_as_they_are(finished: Path) -> None:
    result = read_result(finished)
    lines = comparison_table([result, {**result, "options": {**result["options"], "seed": 1}}]).splitlines()
    assert lines[0].startswith("| input | test error | 95 % interval |")
    assert lines[2].startswith(f"| 3 latent channels | {result['test_error']:.4g} ± 0 |  | 2 | 40 |")
    with pytest.raises(CodecError, match="the runs are of the tasks brightness, classification; allowed is one task"):
        comparison_table([result, {**result, "task": "classification"}])


def test_options_of_the_task_belong_to_the_run(finished: Path, packed: Path) -> None:
    with pytest.raises(CodecError, match="is a run with other task; name another folder"):
        train(packed, finished, replace(OPTIONS, epochs=40), task=Brightness(scale=2.0))


def test_a_task_of_ones_own_answers_by_its_place(packed: Path, tmp_path: Path) -> None:
    """The class is named, as no package says where it is."""
    place = f"{Brightness.__module__}:{Brightness.__qualname__}"
    task = make_learning_task(place, {"scale": 2.0})
    assert task == Brightness(scale=2.0)
    with pytest.raises(CodecError, match="has no option 'size'; it has scale: name one of these"):
        make_learning_task(place, {"size": 2})


def test_unknown_task_is_a_sentence(finished: Path) -> None:
    with pytest.raises(
        CodecError, match="is of task 'brightness', which no installed package has; allowed are classify"
    ):
        Predictor.load(finished)
    predictor = Predictor.load(finished, own=OwnPlaces(f"{Brightness.__module__}:{Brightness.__qualname__}"))
    grey = Image(np.full((16, 16, 3), 128, np.uint8))
    assert predictor.answer(grey).values["brightness"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("field", ["task", "network"])
def test_what_a_checkpoint_names_is_not_called(finished: Path, tmp_path: Path, field: str) -> None:
    """A file from anywhere must not run what it likes."""
    tensors, metadata = load_tensors(finished / "best.safetensors")
    card = json.loads(metadata["card"])
    card["task"] = {"name": "classify"}
    command = f"touch {tmp_path / 'called'}"
    card[field] = {"name": "os:system", "command": command} if field == "task" else "os:system"
    save_tensors(tmp_path / "best.safetensors", tensors, {"card": json.dumps(card)})
    with pytest.raises(CodecError, match="'os:system', which no installed package has"):
        Predictor.load(tmp_path)
    assert not (tmp_path / "called").exists()


def test_task_without_its_target_is_a_sentence(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"train\d+.png has no target 'cls'; it has json"):
        train(packed, tmp_path / "run", OPTIONS, task=Classification())


def test_best_epoch_is_the_first_of_the_best_with_a_finite_loss() -> None:
    rows = [{"val_accuracy": a, "val_loss": loss} for a, loss in ((1.0, np.nan), (0.9, 2.0), (0.5, 1.0), (0.5, 1.0))]
    assert best_epoch_of_task(rows, Classification()) == 2
    assert best_epoch_of_task(rows[:1], Classification()) is None
    errors = [
        {"val_error": error, "val_loss": loss} for error, loss in ((0.5, np.nan), (2.0, 3.0), (1.0, 3.0), (1.0, 4.0))
    ]
    assert best_epoch_of_task(errors, TASK) == 2  # by the score, of which the lower is better


def test_plot_of_classification_counts_each_pair() -> None:
    task, form = Classification(), InputForm("latents", "image", 3, (1, 1), classes=("a<b", "c", "d"))
    outputs = torch.eye(3)[[0, 0, 2, 1, 0]]
    batch = Batch(torch.zeros(5, 3, 1, 1), (torch.tensor([0, 1, 2, 1, 0]),))
    rows = task.judge(lambda _: outputs, batch).numpy()  # type: ignore[arg-type]
    assert rows[:, 1:].tolist() == [[0, 0, 3], [1, 0, 3], [2, 2, 3], [1, 1, 3], [0, 0, 3]]
    assert task.scores(rows) == {"loss": pytest.approx(rows[:, 0].mean()), "correct": 4, "accuracy": 0.8}
    drawing = task.plot(rows, form)
    assert drawing.count("<rect") == 9 and "a&lt;b" in drawing
    assert drawing.count('fill="rgb(95,95,255)"') == 2  # whole rows: of the first class and of the third


def test_a_lone_sample_of_one_place_is_learned_from() -> None:
    network = new_network(NetworkConfig(channels=3, outputs=2, width=4), 0).train()
    for count in (1, 2):
        x, targets = torch.ones(count, 3, 1, 1), torch.ones(count, dtype=torch.long)
        loss = Classification().loss(network, Batch(x, (targets,)), np.random.default_rng(0))
        assert torch.isfinite(loss)


# --- processes


def launch(tmp_path: Path, *arguments: object) -> list[str]:
    """What two processes print."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_learning_task import OPTIONS, TASK
from laconic.tasks.heads.head_training import RunComfort, train
comfort = RunComfort(on_epoch=lambda row: print("row", flush=True))
result = train(sys.argv[2], sys.argv[3], OPTIONS, task=TASK, comfort=comfort)
print("loss", result["history"][-1]["train_loss"], result["test_error"], flush=True)
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no processes")
def test_two_processes_give_the_run_of_one(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    lines = launch(tmp_path, tmp_path / "script.py", Path(__file__).parent, packed, tmp_path / "two")
    assert lines.count("row") == OPTIONS.epochs  # by one of them
    assert len({line for line in lines if line.startswith("loss")}) == 1  # both know the numbers of all
    train(packed, tmp_path / "one", OPTIONS, task=TASK)
    one, two = (read_result(tmp_path / name) for name in ("one", "two"))
    assert (one["num_processes"], two["num_processes"]) == (1, 2)
    for name in ("test_error", "test_loss", "val_error"):
        assert two[name] == pytest.approx(one[name], rel=1e-4)
    assert [row["train_loss"] for row in two["history"]] == pytest.approx(
        [row["train_loss"] for row in one["history"]], rel=1e-4
    )
    for name in ("last.safetensors", "best.safetensors"):
        tensors, others = (load_tensors(tmp_path / run / name)[0] for run in ("one", "two"))
        for key in tensors:
            torch.testing.assert_close(others[key], tensors[key], rtol=1e-3, atol=1e-5)


CLASSIFY = """
import sys
from laconic.tasks.heads.classification import Classification
from laconic.tasks.heads.head_training import train
from laconic.tasks.heads.train_options import TrainOptions
options = TrainOptions(epochs=2, batch_size=12, channels=12)
train(sys.argv[1], sys.argv[2], options, task=Classification(body=sys.argv[3], width=8, mixup=0.2))
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no processes")
@pytest.mark.parametrize("body", ["bands", "residual"])
def test_two_processes_give_the_curve_of_one_with_twice_the_batch(tmp_path: Path, body: str) -> None:
    """Statistics of batches, dropout, augmentation and mixing included."""
    random = np.random.default_rng(6)
    for split, count in (("train", 20), ("test", 4)):
        for name, level in (("dark", 90), ("light", 160)):
            for i in range(count):
                (tmp_path / "in" / split / name).mkdir(parents=True, exist_ok=True)
                pixels = random.normal(level, 40, (48, 48, 3)).clip(0, 255).astype(np.uint8)
                PillowImage.fromarray(pixels).save(tmp_path / "in" / split / name / f"{i}.png")
    archive.pack(tmp_path / "in", tmp_path / "packed", PackIndexOptions())
    (tmp_path / "script.py").write_text(CLASSIFY)
    launch(tmp_path, tmp_path / "script.py", tmp_path / "packed", tmp_path / "two", body)
    command = [sys.executable, tmp_path / "script.py", tmp_path / "packed", tmp_path / "one", body]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    one, two = (read_result(tmp_path / name) for name in ("one", "two"))
    assert one["train_items"] == 36  # three batches, each whole
    for name in ("train_loss", "val_loss"):
        assert [row[name] for row in two["history"]] == pytest.approx([row[name] for row in one["history"]], rel=1e-3)
    assert two["test_loss"] == pytest.approx(one["test_loss"], rel=1e-3)


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no processes")
def test_two_processes_of_the_command_share_one_run(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for name, level in (("dark", 60), ("light", 190)):
        for i in range(15):
            (tmp_path / "in" / name).mkdir(parents=True, exist_ok=True)
            pixels = random.normal(level, 20, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            PillowImage.fromarray(pixels).save(tmp_path / "in" / name / f"{i}.png")
    command = ("-m", "laconic.tasks.cli", "train", "classify", tmp_path / "in", "-o", tmp_path / "run")
    options = ("--arm", "small", "--size", 32, "--epochs", 2, "--batch-size", 7)
    lines = launch(tmp_path, *command, *options)
    assert [line.split(" ")[0] for line in lines] == ["train", "train", f"{tmp_path / 'run'}:"]
    result = read_result(tmp_path / "run")
    assert (result["num_processes"], result["train_items"], result["test_items"]) == (2, 22, 6)
    assert result["test_correct"] == round(6 * result["test_accuracy"])
    assert Predictor.load(tmp_path / "run").scores(tmp_path / "in/dark/0.png").keys() == {"dark", "light"}
