"""A task and a network of another package: found by entry points, trained and used from the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.tasks.heads.learning_task import InputForm  # noqa: E402
from laconic.tasks.heads.network_catalog import make_network  # noqa: E402
from laconic.tasks.heads.task_catalog import make_learning_task, parse_task_options  # noqa: E402

ROOT = Path(__file__).parents[2]
FORM = InputForm("latents", "image", 12, (8, 8), classes=("a", "b", "c"))


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A package as pip leaves it."""
    folder = tmp_path / "site"
    (folder / "graded-1.0.dist-info").mkdir(parents=True)
    shutil.copy(ROOT / "tasks" / "examples" / "own_task.py", folder / "graded.py")
    (folder / "graded-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: graded\nVersion: 1.0\n")
    (folder / "graded-1.0.dist-info" / "entry_points.txt").write_text(
        "[laconic.learning_tasks]\ngrades = graded:Grades\n[laconic.networks]\ntiny = graded:tiny_network\n"
    )
    return folder


def test_task_of_another_package_is_trained_and_answers(installed: Path, tmp_path: Path) -> None:
    def call(*arguments: object) -> str:
        command = [sys.executable, "-m", "laconic.tasks.cli", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    pictures, run = ROOT / "tests" / "data" / "clothing", tmp_path / "run"
    call("pack", pictures, "-o", tmp_path / "packed", "--size", 64, "--quiet")
    assert "grades" in call("train", "--help")
    said = call("train", "grades", tmp_path / "packed", "-o", run, "--epochs", 2, "--network", "tiny")
    assert "test error" in said and "grades" in said
    result = json.loads((run / "result.json").read_text())
    assert (result["task"], result["options"]["network"]) == ("grades", "tiny")
    picture = next((pictures / "test").rglob("*.jpg"))
    assert isinstance(json.loads(call("predict", run, picture, "--json"))["grade"], float)


def test_network_of_ones_own_has_weights_of_its_seed() -> None:
    task, name = make_learning_task("classify"), "laconic.tasks.examples.own_task:tiny_network"
    one, two, other = (make_network(name, task, FORM, seed) for seed in (0, 0, 1))
    assert torch.equal(one[0].weight, two[0].weight) and not torch.equal(one[0].weight, other[0].weight)
    assert one(torch.zeros(2, 12, 8, 8)).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet", "the network is 'resnet'; allowed are timm:NAME, MODULE:FUNCTION"),
        ("math:sqrt", "network math:sqrt cannot be made"),
        ("builtins:max", "gives InputForm|network builtins:max cannot be made"),
        ("no_such_module:f", "cannot be imported"),
    ],
)
def test_names_that_give_no_network_are_sentences(name: str, sentence: str) -> None:
    with pytest.raises(CodecError, match=sentence):
        make_network(name, make_learning_task("classify"), FORM, 0)


def test_names_that_give_no_task_are_sentences() -> None:
    with pytest.raises(CodecError, match="the task is 'sort'; known are classify"):
        make_learning_task("sort")
    with pytest.raises(CodecError, match="is no learning task: it has no name"):
        make_learning_task("builtins:dict")
    with pytest.raises(CodecError, match="task classify has no option 'depth'"):
        make_learning_task("classify", {"depth": 3})
    with pytest.raises(CodecError, match="an option is 'mixup'; allowed is NAME=VALUE"):
        parse_task_options(["mixup"])


class _Timm:
    """What is asked of timm, which needs a torchvision that fits torch: it is tried by hand (see `timm_networks`)."""

    def __init__(self) -> None:
        self.asked: dict[str, object] = {}

    @staticmethod
    def is_model(name: str) -> bool:
        return name in ("resnet18", "vit_tiny_patch16_224")

    def create_model(self, name: str, **options: object) -> object:
        if name == "resnet18" and "img_size" in options:
            raise TypeError("unexpected argument img_size")
        self.asked = {"name": name, **options}
        return _ResidualLike(int(str(options["in_chans"])), int(str(options["num_classes"])))


class _ResidualLike(torch.nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(channels, 8, 7, 2, 3, bias=False)
        self.maxpool = torch.nn.MaxPool2d(3, 2, 1)
        self.head = torch.nn.Linear(8, classes)

    def forward(self, x: object) -> object:
        self.grid = self.maxpool(self.conv1(x))
        return self.head(self.grid.mean((2, 3)))


def test_networks_of_timm_take_latents_as_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = _Timm()
    monkeypatch.setitem(sys.modules, "timm", timm)
    task = make_learning_task("classify")
    network = make_network("timm:resnet18", task, FORM, 0)
    assert network(torch.zeros(2, 12, 8, 8)).shape == (2, 3)
    assert network.grid.shape == (2, 8, 8, 8)  # not reduced before the first stage
    patches = InputForm("patches", "image", 3, (64, 64), patch=(8, 8), classes=("a", "b", "c"))
    pixels = InputForm("pixels", "image", 3, (64, 64), classes=("a", "b", "c"))
    for form, side in ((patches, 8), (pixels, 16)):
        network = make_network("timm:resnet18", task, form, 0)
        network(torch.zeros(2, 3, 64, 64))
        assert network.grid.shape[2:] == (side, side)
    make_network("timm:vit_tiny_patch16_224", task, FORM, 0)
    assert (timm.asked["img_size"], timm.asked["patch_size"], timm.asked["in_chans"]) == ((8, 8), (1, 1), 12)
    with pytest.raises(CodecError, match="timm has no network 'lenet'"):
        make_network("timm:lenet", task, FORM, 0)
