"""Training of a codec's parts: runs that stop go on as if they had not, processes share the work, errors are sentences."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image as PillowImage  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from laconic.codecs.errors import CodecError, WeightsError  # noqa: E402
from laconic.codecs.learning.learner import Learner, LearnerCutting, cutting_for_learner  # noqa: E402
from laconic.codecs.learning.synthesis_learner import SynthesisLearner, SynthesisOptions  # noqa: E402
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, load_tensor_encoder  # noqa: E402
from laconic.codecs.learning.transform_learner import TransformLearner, TransformOptions  # noqa: E402
from laconic.codecs.models import zoo  # noqa: E402
from laconic.codecs.models.neural_synthesis import NeuralSynthesisConfig, load_neural_synthesis  # noqa: E402
from laconic.tasks.cli import app  # noqa: E402
from laconic.tasks.training.codec_training import CodecTrainingOptions, train_codec  # noqa: E402
from laconic.tasks.training.crops import CropPool, find_pictures_for_crops, planes_of_crops, read_pictures_for_crops  # noqa: E402
from laconic.tasks.training.optimizers import Optimizers  # noqa: E402
from laconic.tasks.training.recipes import RECIPES  # noqa: E402
from laconic.tasks.training.runs import run_learning_rate_at  # noqa: E402
from laconic.tasks.training.tensor_files import load_tensors, save_tensors  # noqa: E402

RGB = Path(zoo.__file__).parent / "rgb.safetensors"
OPTIONS = CodecTrainingOptions("synthesis", ("waves",), steps=6, every=2)
NEEDS_MUON = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="needs torch 2.9")


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Training sets torch's."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@cache
def encoder() -> TensorEncoderModel:
    return load_tensor_encoder(RGB)


def synthesis() -> SynthesisLearner:
    torch.manual_seed(0)
    return SynthesisLearner(
        encoder(), SynthesisOptions(NeuralSynthesisConfig(width=8, num_blocks=1), batch_size=2, crop=8)
    )


def transform() -> TransformLearner:
    return TransformLearner(encoder(), TransformOptions(batch_size=2, crop=8))


def pictures(count: int = 3, side: int = 120) -> list[torch.Tensor]:
    """(3, side, side) uint8: waves and noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    waves = [120 + 60 * np.sin(x / (5 + i)) + 40 * np.cos(y / (9 + i)) for i in range(count)]
    noisy = [w + random.normal(0, 6, (3, side, side)) for w in waves]
    return [torch.from_numpy(n.clip(0, 255).astype(np.uint8)) for n in noisy]


def train(learner: Learner, run: Path, options: CodecTrainingOptions = OPTIONS, **more: Any) -> Any:
    return train_codec(learner, pictures(), [planes_of_crops(p) for p in pictures(1)], run, options, **more)


class Stopping:
    """A learner that is interrupted at a step."""

    def __init__(self, learner: Any, step: int) -> None:
        self._learner, self._left = learner, step

    def loss(self, *arguments: Any) -> Any:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        return self._learner.loss(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._learner, name)


# --- runs


@pytest.mark.parametrize("make", [pytest.param(synthesis, marks=NEEDS_MUON), transform])
def test_interrupted_run_ends_the_same(make: Any, tmp_path: Path) -> None:
    train(make(), tmp_path / "whole")
    for _ in range(2):  # in the second interval, and in the third
        with pytest.raises(KeyboardInterrupt):
            train(Stopping(make(), 3), tmp_path / "cut")
        assert not (tmp_path / "cut" / "result.safetensors").exists()
    train(make(), tmp_path / "cut")
    for name in ("last.safetensors", "result.safetensors"):
        (tensors, _), (others, _) = load_tensors(tmp_path / "whole" / name), load_tensors(tmp_path / "cut" / name)
        assert tensors.keys() == others.keys()
        assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []
    rows, others = (without_times(rows_of(tmp_path / name)) for name in ("whole", "cut"))
    assert rows == others


def rows_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]


def without_times(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "minutes"} for row in rows]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "transform"
    train(transform(), run, replace(OPTIONS, steps=5))
    return run


def test_curve_has_a_row_for_each_checkpoint(finished: Path) -> None:
    rows = rows_of(finished)
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert set(rows[0]) == {"step", "minutes", "loss", "bits_per_pixel", *(f"cost_{c}" for c in (112, 140, 154, 168))}


def test_result_has_a_card_of_its_run(finished: Path) -> None:
    tensors, card = load_tensors(finished / "result.safetensors")
    assert "analysis.0" in tensors
    assert (card["recipe"], card["data"]) == ("synthesis", "waves")
    assert json.loads(card["run"])["steps"] == 5
    assert json.loads(card["last_row"])["step"] == 5
    assert sorted(p.name for p in finished.iterdir()) == [
        "curve.jsonl",
        "last.safetensors",
        "options.json",
        "result.safetensors",
    ]


def test_result_is_the_running_mean(finished: Path) -> None:
    learner = transform()
    with torch.no_grad():
        tensors, _ = load_tensors(finished / "last.safetensors")
        for name, parameter in learner.module.named_parameters():
            parameter.copy_(tensors[f"mean.{name}"])
        expected, _ = learner.module.rotations.matrices()
    found, _ = load_tensors(finished / "result.safetensors")
    assert all(torch.equal(found[f"analysis.{i}"], a) for i, a in enumerate(expected))


def test_finished_run_is_not_trained_again(finished: Path) -> None:
    before = (finished / "last.safetensors").stat().st_mtime_ns
    history = train(Stopping(transform(), 0), finished, replace(OPTIONS, steps=5))
    assert history.done == 5
    assert (finished / "last.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"seed": 1}, {"steps": 9}, {"data": ("other",)}, {"model": "01234567"}], ids=str)
def test_run_of_other_options_is_refused(finished: Path, change: dict[str, Any]) -> None:
    (name,) = change
    with pytest.raises(CodecError, match=f"is a run with other {name}; name another folder"):
        train(transform(), finished, replace(OPTIONS, **{"steps": 5, **change}))


@pytest.mark.parametrize("text", ["no JSON", "[]", "7"])
def test_damaged_options_are_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "options.json").write_text(text)
    with pytest.raises(CodecError, match=r"options\.json is damaged"):
        train(transform(), tmp_path)


def test_damaged_checkpoint_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match="no checkpoint of a run"):
        train(transform(), tmp_path)


def test_checkpoint_of_another_module_is_a_sentence(tmp_path: Path) -> None:
    save_tensors(tmp_path / "last.safetensors", {"weights.a": torch.zeros(2)}, {"progress": '{"done": 1}'})
    with pytest.raises(WeightsError, match=r"no checkpoint of this run: .*; remove the run, or train again"):
        train(transform(), tmp_path)


def test_run_that_dies_while_it_saves_has_no_result(tmp_path: Path) -> None:
    class Dying(Stopping):
        def save(self, path: Path, card: dict[str, str]) -> None:
            path.write_bytes(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Dying(transform(), 9), tmp_path, replace(OPTIONS, steps=1))
    assert not (tmp_path / "result.safetensors").exists()
    train(Stopping(transform(), 0), tmp_path, replace(OPTIONS, steps=1))  # no step is left
    assert "analysis.0" in load_tensors(tmp_path / "result.safetensors")[0]


def test_loss_that_is_not_finite_is_a_sentence(tmp_path: Path) -> None:
    class Broken(Stopping):
        def loss(self, *arguments: Any) -> Any:
            loss, numbers = super().loss(*arguments)
            return loss * torch.nan, numbers

    with pytest.raises(CodecError, match="the loss is nan by step 2; try another seed, or a lower learning rate"):
        train(Broken(transform(), 9), tmp_path)
    assert not (tmp_path / "last.safetensors").exists()


@pytest.mark.parametrize("field", ["steps", "every", "threads"])
def test_options_outside_their_range_are_errors(field: str) -> None:
    with pytest.raises(CodecError, match="allowed is 1 and up"):
        replace(OPTIONS, **{field: 0})


@pytest.mark.parametrize("warm_up", [0.02, 0.1])
def test_learning_rate_rises_and_falls_to_zero(warm_up: float) -> None:
    rates = [run_learning_rate_at(i / 200, warm_up) for i in range(201)]
    peak = round(200 * warm_up)
    assert max(rates) == rates[peak] == 1
    assert 0 < rates[0] < rates[peak // 2] < rates[peak] > rates[100] > rates[199] > rates[200] == pytest.approx(0)


def test_learning_rate_without_warm_up_begins_at_the_peak() -> None:
    assert run_learning_rate_at(0.0, 0.0) == 1


@NEEDS_MUON
def test_optimizers_move_by_their_share_of_the_peak() -> None:
    torch.manual_seed(0)
    bias, kernel = torch.nn.Parameter(torch.zeros(4)), torch.nn.Parameter(torch.randn(4, 4, 3, 3))
    optimizers = Optimizers([{"params": [bias], "lr": 0.1}, {"params": [kernel], "lr": 0.1, "muon": True}])
    bias.grad, kernel.grad = torch.ones(4), torch.randn(4, 4, 3, 3)
    start = kernel.detach().clone()
    optimizers.step(0.5)
    assert bias.detach().tolist() == pytest.approx([-0.05] * 4)
    moved = (kernel.detach() - start).reshape(4, 36)
    singular = torch.linalg.svdvals(moved)
    assert singular.max() < 2.5 * singular.min()  # every direction alike
    assert bias.grad is None
    assert kernel.grad is None


def test_tensorboard_curves_have_each_row_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", exc_type=ImportError)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(KeyboardInterrupt):
        train(Stopping(transform(), 5), tmp_path, with_tensorboard=True)
    train(transform(), tmp_path, with_tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [2, 4, 6]


def test_rows_are_reported(tmp_path: Path) -> None:
    rows: list[Any] = []
    history = train(transform(), tmp_path, replace(OPTIONS, steps=2), on_row=rows.append)
    assert rows == history.rows
    assert [row["step"] for row in rows] == [2]


# --- crops


def plain(crop: int) -> LearnerCutting:
    return LearnerCutting(lambda picture: picture, crop, crop)


def test_crops_of_pictures_are_the_same_on_every_machine_and_version() -> None:
    random = np.random.default_rng(17)
    sizes = ((30, 41), (25, 25), (64, 33))
    chosen = [torch.from_numpy(random.integers(0, 256, (3, *size), np.uint8)) for size in sizes]
    pool, digest = CropPool(chosen, plain(16), seed=5, first_step=2), hashlib.sha256()
    for step in range(2, 9):
        digest.update(pool.batch(step, 3).contiguous().numpy().tobytes())
    assert digest.hexdigest() == "c8fd43926850297ffd58a8e6cbd4fea03971de1a48aab3f2c1b243e58c18f220"


@pytest.mark.parametrize("shape", [(2, 60), (5, 30, 40), (1, 24, 25, 26)], ids=["sound", "cube", "volume"])
def test_crops_of_any_number_of_axes(shape: tuple[int, ...]) -> None:
    signal = torch.arange(float(np.prod(shape))).reshape(shape)
    pool = CropPool([signal, signal[..., :-1]], plain(8), seed=1)
    batches = [pool.batch(step, 4) for step in range(5)]
    assert all(batch.shape == (4, shape[0], *[8] * (len(shape) - 1)) for batch in batches)
    for crop in torch.cat(batches):
        first = np.unravel_index(int(crop.min()), shape)
        places = tuple(slice(start, start + 8) for start in first[1:])
        expected = signal[(slice(None), *places)]
        views = [expected]
        if len(shape) == 3:  # only pictures, and planes like them, are mirrored and turned
            views += [expected.flip(2)] + [view.transpose(1, 2) for view in (expected, expected.flip(2))]
        assert any(torch.equal(crop, view) for view in views)
    again = CropPool([signal, signal[..., :-1]], plain(8), seed=1, first_step=3)
    assert torch.equal(again.batch(3, 4), batches[3])


def test_latent_cutting_takes_sounds() -> None:
    cutting = cutting_for_learner(lambda x: x.reshape(1, 1, -1, 4).amax(3), crop=5, factor=4)
    sound = torch.arange(float(cutting.least_side + 2))[None]
    prepared = cutting.prepare(sound)
    assert prepared[0].tolist() == [float(4 * i + 3) for i in range(2, cutting.least_side // 4 - 2)]
    assert len(prepared[0]) >= cutting.crop


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        (torch.tensor(255, dtype=torch.uint8), 0.5),
        (torch.tensor(0, dtype=torch.uint8), -0.5),
        (torch.tensor(65535, dtype=torch.uint16), 0.5),
        (torch.tensor(-(2**15), dtype=torch.int16), -0.5),
        (torch.tensor(0.75), 0.75),
    ],
)
def test_samples_of_every_type_have_one_scale(sample: torch.Tensor, value: float) -> None:
    assert float(planes_of_crops(sample)) == value


def test_signals_that_fit_in_no_batch_are_a_sentence() -> None:
    for others in ([torch.zeros(2, 40)], [torch.zeros(1, 40, 40)], [torch.zeros(40)]):
        with pytest.raises(CodecError, match="allowed are as many channels and axes in all"):
            CropPool([torch.zeros(1, 40), *others], plain(8), seed=0)
    with pytest.raises(CodecError, match="none of 1 training signals has 15 samples along each axis"):
        CropPool([torch.zeros(1, 14)], plain(8), seed=0)


def test_crops_do_not_hang_on_where_a_run_began() -> None:
    whole = CropPool(pictures(), plain(16), seed=3)
    batches = [whole.batch(step, 4) for step in range(8)]
    for first in (1, 4, 6):
        later = CropPool(pictures(), plain(16), seed=3, first_step=first)
        assert all(torch.equal(later.batch(step, 4), batches[step]) for step in range(first, 8))
    assert not torch.equal(CropPool(pictures(), plain(16), seed=4).batch(0, 4), batches[0])


def test_crops_are_of_the_pictures() -> None:
    picture = torch.arange(3 * 30 * 30, dtype=torch.float32).reshape(3, 30, 30) % 251
    (crop,) = CropPool([picture.to(torch.uint8)], plain(8), seed=0).batch(0, 1)
    values = ((crop + 0.5) * 255).round()
    views = [picture, picture.flip(2)]
    views += [view.transpose(1, 2) for view in views]
    found = [torch.equal(v[:, y : y + 8, x : x + 8], values) for v in views for y in range(23) for x in range(23)]
    assert any(found)


def test_small_pictures_are_left_out() -> None:
    sizes = [torch.zeros((3, side, 40), dtype=torch.uint8) for side in (40, 23, 22)]
    assert len(CropPool(sizes, plain(16), seed=0)) == 2
    with pytest.raises(CodecError, match="none of 1 training pictures has sides of 23 pixels"):
        CropPool(sizes[2:], plain(16), seed=0)


def test_pictures_are_read_at_their_reductions(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name, mode in (("b/a.PNG", "L"), ("a.jpg", "RGB"), ("c.png", "RGBA")):
        PillowImage.new(mode, (30, 21)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    paths = find_pictures_for_crops([tmp_path])
    assert [p.name for p in paths] == ["a.jpg", "a.PNG", "c.png"]
    shapes = [tuple(p.shape) for p in read_pictures_for_crops(paths, reductions=(1.0, 1.5))]
    assert shapes == [(3, 21, 30), (3, 14, 20)] * 3
    with pytest.raises(CodecError, match="there is no picture in"):
        find_pictures_for_crops([tmp_path / "none"])


class Echo:
    """A filter of sounds (1, t) that learns to change nothing."""

    batch_size = 4

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module = torch.nn.Conv1d(1, 1, 3, padding=1)
        self.cutting = plain(32)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "lr": 0.05}]

    def sample(self, crops: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return crops

    def loss(self, sample: torch.Tensor, done: float) -> tuple[torch.Tensor, dict[str, float]]:
        return (self.module(sample) - sample).square().mean(), {}

    def validate(self, signals: Sequence[torch.Tensor]) -> dict[str, float]:
        with torch.no_grad():
            return {"error": sum(float(self.loss(signal[None], 1)[0]) for signal in signals)}

    def save(self, path: Path, card: dict[str, str]) -> None:
        save_tensors(path, self.module.state_dict(), card)


def test_sounds_are_learned_from(tmp_path: Path) -> None:
    sounds = list(torch.randn(3, 1, 200, generator=torch.Generator().manual_seed(0)))
    options = CodecTrainingOptions("echo", ("noise",), steps=200, every=100)
    progress = train_codec(Echo(), sounds, sounds[:1], tmp_path / "run", options)
    assert progress.rows[-1]["error"] < 0.05 * float(sounds[0].square().mean())
    assert load_tensors(tmp_path / "run" / "result.safetensors")[0]["weight"].shape == (1, 1, 3)


# --- processes

SCRIPT = """
import sys
sys.modules["laconic.codecs._native"] = sys.modules["laconic.entropy._native"] = None
from pathlib import Path
import numpy as np, torch
import laconic.tasks.training.recipes
from laconic.codecs.learning.tensor_encoder import load_tensor_encoder
from laconic.codecs.models.neural_synthesis import NeuralSynthesisConfig
from laconic.codecs.learning.synthesis_learner import SynthesisLearner, SynthesisOptions
from laconic.codecs.learning.transform_learner import TransformLearner, TransformOptions
from laconic.codecs.walloc.walloc_network import WallocNetworkLearner
from laconic.tasks.training.codec_training import CodecTrainingOptions, train_codec
model, folder, *recipes = sys.argv[1:]
pictures = [torch.from_numpy(p) for p in np.random.default_rng(0).integers(0, 256, (3, 3, 120, 120), np.uint8)]
encoder = load_tensor_encoder(model)
learners = {
    "transform": TransformLearner(encoder, TransformOptions(batch_size=2, crop=8)),
    "synthesis": SynthesisLearner(encoder, SynthesisOptions(NeuralSynthesisConfig(width=8, num_blocks=1), 2, 8)),
}
for recipe in recipes:
    learner, options = learners[recipe], CodecTrainingOptions(recipe, ("noise",), steps=2, every=1)
    train_codec(learner, pictures, [p.float() / 255 - 0.5 for p in pictures[:1]], Path(folder, recipe), options,
                on_row=lambda row: print("row", row["step"]))
    # In one write: two processes share the pipe.
    sys.stdout.write(f"sum {sum(p.double().abs().sum().item() for p in learner.module.parameters())}\\n")
"""


def script(*arguments: object, launcher: tuple[str, ...] = ()) -> list[str]:
    command = [sys.executable, *launcher, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@NEEDS_MUON
def test_training_needs_no_compiled_coder(tmp_path: Path) -> None:
    lines = script("-c", SCRIPT, RGB, tmp_path, "transform", "synthesis")
    assert [line for line in lines if line.startswith("row")] == ["row 1", "row 2"] * 2
    assert all((tmp_path / recipe / "result.safetensors").exists() for recipe in ("transform", "synthesis"))


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no processes")
def test_two_processes_share_one_run(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    lines = script(tmp_path / "script.py", RGB, tmp_path, "transform", launcher=launcher)
    assert sorted(line for line in lines if line.startswith("row")) == ["row 1", "row 2"]  # by one of them
    sums = [line for line in lines if line.startswith("sum")]
    assert len(sums) == 2
    assert sums[0] == sums[1]  # each has seen the other's gradients
    expected = after_two_steps_of_both()
    tensors, _ = load_tensors(tmp_path / "transform" / "last.safetensors")
    for name, parameter in expected.items():
        torch.testing.assert_close(tensors[f"weights.{name}"], parameter, rtol=1e-4, atol=1e-5)
    assert (tmp_path / "transform" / "result.safetensors").exists()


def after_two_steps_of_both() -> dict[str, torch.Tensor]:
    """Weights after steps by the mean of both processes' losses."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 3, 120, 120), np.uint8)
    learner, seeds = transform(), (0, 1_000_003)
    pools = [CropPool([torch.from_numpy(p) for p in noise], learner.cutting, seed=seed) for seed in seeds]
    optimizers = Optimizers(learner.parameter_groups())
    for step in range(2):
        for pool, seed in zip(pools, seeds, strict=True):
            generator = torch.Generator().manual_seed(seed + step * 7919)
            sample = learner.sample(pool.batch(step, 2), generator)
            torch.autograd.backward(learner.loss(sample, step / 2)[0] / 2)
        torch.nn.utils.clip_grad_norm_(learner.module.parameters(), 1.0)
        optimizers.step(run_learning_rate_at(step / 2, 0.02))
    return {name: p.detach() for name, p in learner.module.named_parameters()}


# --- the command


def command(*arguments: object, exit_code: int = 0) -> str:
    """What it says; a failure says one sentence."""
    result = CliRunner().invoke(app, ["train", "codec", *map(str, arguments)])
    assert result.exit_code == exit_code, result.output
    assert exit_code == 0 or (result.output.count("\n") == 1 and "Traceback" not in result.output)
    return result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures with room for a crop of the recipe "transform"."""
    (tmp_path / "pictures").mkdir()
    for number, picture in enumerate(pictures(3, 290)):
        PillowImage.fromarray(picture.movedim(0, 2).numpy()).save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path / "pictures"


def test_command_trains_on_a_folder_and_goes_on(folder: Path, tmp_path: Path) -> None:
    choice = (folder, "--recipe", "transform", "--model", RGB, "--all-pictures", "--steps", 2, "--every", 1)
    output = command(*choice, "-o", tmp_path / "run")
    assert output.count("cost_154") == 2
    tensors, card = load_tensors(tmp_path / "run" / "result.safetensors")
    assert "analysis.9" in tensors
    assert card["data"] == str(folder)
    assert card["command"].split()[0] == "laconic"
    assert json.loads(card["run"])["model"] == encoder().fingerprint
    assert command(*choice, "-o", tmp_path / "run") == ""  # it is done
    assert "other seed" in command(*choice, "-o", tmp_path / "run", "--seed", 1, exit_code=1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--recipe", "magic"],
            "recipe 'magic' is not known; allowed are transform, synthesis, turned_synthesis, machine_synthesis, ",
        ),
        (["--recipe", "synthesis"], "needs a model file to start from: pass --model"),
        (["--recipe", "walloc", "--model", RGB], "recipe walloc starts from nothing"),
        (["--recipe", "transform", "--model", "none.safetensors"], "does not exist"),
        (
            ["--recipe", "transform", "--model", RGB.with_name("grey.safetensors")],
            "has 1 planes; this recipe takes one of 3",
        ),
        (["--recipe", "transform", "--model", RGB.with_name("speech.safetensors")], "a block for each leaf"),
        (
            ["--recipe", "transform", "--model", RGB, "--teacher", "efficientnet-lite0"],
            "recipe transform has no teacher",
        ),
        (["--recipe", "task", "--model", RGB, "--teacher", "other"], "teacher 'other' is not known; allowed is"),
        (["--recipe", "transform", "--model", RGB], "there is no picture in"),  # the recipe's folders
    ],
    ids=[
        "recipe",
        "model",
        "needless model",
        "absent model",
        "grey model",
        "sound model",
        "no teacher",
        "teacher",
        "data",
    ],
)
def test_command_says_what_is_wrong(options: list[Any], sentence: str, folder: Path, tmp_path: Path) -> None:
    more = () if sentence.startswith("there is no picture") else ("--all-pictures",)
    assert sentence in command(folder, *options, *more, "-o", tmp_path / "run", exit_code=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_pictures_without_room_are_a_sentence(recipe: str, tmp_path: Path) -> None:
    for number in range(3):
        PillowImage.new("RGB", (100, 90)).save(tmp_path / f"{number}.png")
    model = ("--model", RGB) if RECIPES[recipe].needs_model else ()
    output = command(tmp_path, "--recipe", recipe, *model, "--all-pictures", "-o", tmp_path / "run", exit_code=1)
    assert "pictures" in output
    assert "name larger ones" in output


def test_damaged_picture_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    (folder / "3.png").write_bytes(b"no picture")
    command(folder, "--recipe", "transform", "--model", RGB, "--all-pictures", "-o", tmp_path / "run", exit_code=1)


@pytest.mark.parametrize("option", ["--steps", "--every", "--threads"])
def test_wrong_usage_exits_with_2(option: str, folder: Path, tmp_path: Path) -> None:
    arguments = ["train", "codec", str(folder), "--recipe", "walloc", "-o", str(tmp_path / "run"), option, "0"]
    assert CliRunner().invoke(app, arguments).exit_code == 2


@NEEDS_MUON
def test_result_of_synthesis_is_a_network_of_its_model(tmp_path: Path) -> None:
    train(synthesis(), tmp_path, replace(OPTIONS, steps=1))
    network, card = load_neural_synthesis(tmp_path / "result.safetensors")
    assert card["model_fingerprint"] == encoder().fingerprint
    assert network.config.width == 8
