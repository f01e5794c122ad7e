"""Recipe contexts: pictures as they are read, runs that stop and go on, what the command says."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image as PillowImage  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from laconic.codecs.errors import CodecError, WeightsError  # noqa: E402
from laconic.codecs.fitting.closed_form import FitOptions, fit  # noqa: E402
from laconic.codecs.fitting.training_signals import training_images  # noqa: E402
from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.codecs.models.model import Model  # noqa: E402
from laconic.codecs.models.zoo import model_path  # noqa: E402
from laconic.tasks.cli import app  # noqa: E402
from laconic.tasks.training.context_pictures import find_context_pictures, read_context_pictures  # noqa: E402
from laconic.tasks.training.context_training import ContextTrainingOptions, train_contexts  # noqa: E402
from laconic.tasks.training.tensor_files import load_tensors  # noqa: E402

STEPS = 8
BEST = model_path("rgb_best")


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Training sets torch's."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of texture."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(2):
        soft = random.normal(0, 1, (76, 84, 3)).cumsum(0).cumsum(1)
        noisy = 128 + 30 * soft / soft.std() + random.normal(0, 8, soft.shape)
        PillowImage.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


def command(*arguments: object, exit_code: int = 0) -> str:
    """What it says; a failure says one sentence."""
    result = CliRunner().invoke(app, ["train", "codec", *map(str, arguments)])
    assert result.exit_code == exit_code, result.output
    assert exit_code == 0 or (result.output.count("\n") == 1 and "Traceback" not in result.output)
    return result.output


@pytest.fixture(scope="module")
def start(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a model that networks can be added to."""
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    pictures = training_images([folder / "0.png", folder / "1.png"], num_planes=3)
    model = fit(pictures, "start", FitOptions(blocks="color"))
    replace(model, card={"command": "laconic fit"}).save(path)
    return path


def arguments_of(folder: Path, start: Path, run: Path) -> tuple[object, ...]:
    return (folder, "--recipe", "contexts", "--model", start, "--all-pictures", "--steps", STEPS, "-o", run)


@pytest.fixture(scope="module")
def run(folder: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    before = torch.get_num_threads()
    output = command(*arguments_of(folder, start, run))
    torch.set_num_threads(before)
    assert output.count("bits_per_symbol") == 12
    return run


def test_command_adds_networks_to_a_model_with_a_card(run: Path, start: Path, folder: Path) -> None:
    model = Model.load(run / "result.safetensors")
    assert (model.name, model.num_planes) == ("start", 3)
    assert model.networks is not None
    assert model.contexts.digest == Model.load(start).contexts.digest
    _, card = load_tensors(run / "result.safetensors")
    assert (card["recipe"], card["data"], card["pictures"]) == ("contexts", str(folder), "2")
    assert card["command"].split()[0] == "laconic"
    assert card["fit_command"] == "laconic fit"
    assert json.loads(card["run"])["steps"] == STEPS
    assert json.loads(card["run"])["model"] == Model.load(start).fingerprint.hex()
    assert len(json.loads(card["bits_per_symbol"])) == 6
    codec = Lcn(quality=50, model=str(run / "result.safetensors"), profile="best")
    (picture,) = read_context_pictures([folder / "0.png"], colors=3, seed=0)
    assert codec.decode(codec.encode(picture)).samples.shape == picture.samples.shape


def test_finished_run_is_left_alone_and_others_are_refused(
    run: Path, start: Path, folder: Path, tmp_path: Path
) -> None:
    before = (run / "result.safetensors").read_bytes()
    assert command(*arguments_of(folder, start, run)) == ""
    assert (run / "result.safetensors").read_bytes() == before
    assert "other seed" in command(*arguments_of(folder, start, run), "--seed", 1, exit_code=1)
    replace(Model.load(start), rounding=0.4).save(tmp_path / "other.safetensors")
    assert "other model" in command(*arguments_of(folder, tmp_path / "other.safetensors", run), exit_code=1)


def test_interrupted_run_ends_in_the_same_model(run: Path, start: Path, folder: Path, tmp_path: Path) -> None:
    paths, folders = find_context_pictures(folder, all_pictures=True)
    pictures = read_context_pictures(paths, colors=3, seed=0)
    model = Model.load(start)
    options = ContextTrainingOptions(folders, STEPS, model.fingerprint.hex())
    shares: list[float] = []

    def train(stop: tuple[int, int] | None) -> None:
        def stopping(row: Mapping[str, float]) -> None:
            if (row["round"], row["level"]) == stop:
                raise KeyboardInterrupt

        train_contexts(pictures, model, tmp_path, options, on_row=stopping, on_progress=shares.append)

    for stop in ((1, 3), (1, 5), (2, 4)):
        with pytest.raises(KeyboardInterrupt):
            train(stop)
        assert not (tmp_path / "result.safetensors").exists()
    shares.clear()
    train(None)
    assert shares == sorted(shares)
    assert (0 < shares[0] < 0.9, shares[-1]) == (True, 1)
    for name in ("first.safetensors", "result.safetensors", "last.safetensors"):
        (tensors, card), (others, other_card) = (load_tensors(r / name) for r in (tmp_path, run))
        assert tensors.keys() == others.keys()
        assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []
        for key in ("fingerprint", "bits_per_symbol", "name"):
            assert card.get(key) == other_card.get(key)
    rows = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [(row["round"], row["level"]) for row in rows] == [(r, level) for r in (1, 2) for level in range(6)]


def test_damaged_checkpoint_is_a_sentence(folder: Path, start: Path, tmp_path: Path) -> None:
    paths, folders = find_context_pictures(folder, all_pictures=True)
    pictures = read_context_pictures(paths, colors=3, seed=0)
    (tmp_path / "last.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="is no checkpoint of a run"):
        train_contexts(pictures, Model.load(start), tmp_path, ContextTrainingOptions(folders, STEPS))


def test_denormal_numbers_are_as_before(run: Path) -> None:
    assert float(torch.tensor(1e-39) * 0.5) > 0


# --- pictures


def test_pictures_are_reduced_and_cut_by_the_seed(tmp_path: Path) -> None:
    random, paths = np.random.default_rng(1), []
    for number in range(12):
        paths.append(tmp_path / f"{number}.png")
        PillowImage.fromarray(random.integers(0, 256, (90, 120, 3), np.uint8)).save(paths[-1])
    pictures = read_context_pictures(paths, colors=3, seed=4)
    again, others = (read_context_pictures(paths, colors=3, seed=seed) for seed in (4, 5))
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(pictures, again, strict=True))
    assert [p.samples.shape for p in pictures] != [p.samples.shape for p in others]
    heights = {p.samples.shape[0] for p in pictures}
    assert all(83 <= height <= 89 or 53 <= height <= 59 for height in heights)
    assert min(heights) < 60 < max(heights)
    whole = next(i for i, p in enumerate(pictures) if p.samples.shape[0] > 60)
    height, width = pictures[whole].samples.shape[:2]
    assert np.array_equal(pictures[whole].samples, np.asarray(PillowImage.open(paths[whole]))[-height:, -width:])
    grey = read_context_pictures(paths, colors=1, seed=4)
    assert [p.samples.shape for p in grey] == [(*p.samples.shape[:2], 1) for p in pictures]


def test_pictures_are_those_of_the_folders_every_so_many(tmp_path: Path) -> None:
    for folder, count in (("bsds500/train", 2), ("clothing10/train/hat", 5), ("imagenet_sample/train", 1)):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(count):
            (tmp_path / folder / f"{number}.jpg").write_bytes(b"")
    paths, folders = find_context_pictures(tmp_path)
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == [
        "bsds500/train/0.jpg",
        "bsds500/train/1.jpg",
        "clothing10/train/hat/0.jpg",
        "clothing10/train/hat/3.jpg",
        "imagenet_sample/train/0.jpg",
    ]
    assert folders == ("bsds500/train", "clothing10/train", "imagenet_sample/train")


# --- errors


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--recipe", "contexts"], "recipe contexts needs a fitted model to add networks to: pass --model"),
        (["--recipe", "contexts", "--model", model_path("rgb_best")], "there is no picture in"),  # the recipe's folders
        (["--recipe", "contexts", "--model", "x.safetensors", "--all-pictures"], "x.safetensors does not exist"),
        (
            ["--recipe", "contexts", "--model", model_path("rgb"), "--all-pictures"],
            "model rgb has channels in another order than subbands; fit one with --blocks color",
        ),
        (
            ["--recipe", "contexts", "--model", model_path("mono"), "--all-pictures"],
            "model mono is none of grey or RGB pictures with five dyadic levels; fit one as laconic fit does",
        ),
    ],
)
def test_command_says_what_is_wrong(options: list[str], sentence: str, folder: Path, tmp_path: Path) -> None:
    assert sentence in command(folder, *options, "-o", tmp_path / "run", exit_code=1)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_small_pictures_are_a_sentence(tmp_path: Path) -> None:
    PillowImage.new("RGB", (31, 100)).save(tmp_path / "0.png")
    assert "name larger ones" in command(*arguments_of(tmp_path, BEST, tmp_path / "run"), exit_code=1)


def test_several_processes_are_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "start it without torchrun" in command(*arguments_of(folder, BEST, tmp_path / "run"), exit_code=1)
    assert not (tmp_path / "run").exists()


def test_missing_torch_is_a_sentence(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "torch is not installed" in command(*arguments_of(folder, BEST, tmp_path / "run"), exit_code=1)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"threads": 0}])
def test_options_outside_their_range_are_errors(wrong: dict[str, int]) -> None:
    with pytest.raises(CodecError, match="allowed is 1 and up"):
        ContextTrainingOptions(("x",), **wrong)
