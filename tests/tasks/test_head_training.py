"""Training: learns, resumes to the same result after a kill, compares, predicts; on the command line, too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

import soundfile  # noqa: E402
from PIL import Image as PillowImage  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from laconic.codecs.errors import CodecError, WeightsError  # noqa: E402
from laconic.codecs.files import read_image, read_sound  # noqa: E402
from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.codecs.media import Audio, Image  # noqa: E402
from laconic.tasks.cli import app  # noqa: E402
from laconic.tasks.datasets import archive  # noqa: E402
from laconic.tasks.datasets.augmentation import Augmentation  # noqa: E402
from laconic.tasks.datasets.class_folders import hold_out_of_class_folder  # noqa: E402
from laconic.tasks.datasets.framing import Framing, read_signal  # noqa: E402
from laconic.tasks.datasets.pack_index import PackIndexOptions  # noqa: E402
from laconic.tasks.heads import head_training  # noqa: E402
from laconic.tasks.heads.classification import Classification  # noqa: E402
from laconic.tasks.heads.comparison import comparison_table, read_result, wilson_interval  # noqa: E402
from laconic.tasks.heads.head_training import RunComfort  # noqa: E402
from laconic.tasks.heads.inputs import Data, load_inputs  # noqa: E402
from laconic.tasks.heads.judged_items import load_judged_items  # noqa: E402
from laconic.tasks.heads.networks import ClassifierNetwork, NetworkConfig, new_network, num_parameters  # noqa: E402
from laconic.tasks.heads.predictor import Predictor  # noqa: E402
from laconic.tasks.heads.train_options import TrainOptions  # noqa: E402
from laconic.tasks.training.tensor_files import load_tensors  # noqa: E402

MOVES = Augmentation(shift=1, flip=0.5)
SMALL = TrainOptions(epochs=4, batch_size=8, size=64, channels=12, learning_rate=5e-3, augmentation=MOVES)
TASK = Classification(body="residual", width=8, mixup=0.2)
TIMES = ("loading_seconds", "compute_seconds", "loading_processor_seconds", "compute_processor_seconds")
OF_THE_MACHINE = ("seconds_per_epoch", "peak_memory_bytes")


def train(folder: Path, run: Path, options: TrainOptions, **more: Any) -> dict[str, Any]:
    return head_training.train(folder, run, options, task=TASK, comfort=RunComfort(**more))


def inputs(folder: Path, options: TrainOptions) -> Data:
    return load_inputs(folder, options, TASK)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three easy classes by colour, 14 + 5 pictures each."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(5)
    for split, count in (("train", 14), ("test", 5)):
        for name, colour in (("blue", (40, 50, 200)), ("green", (40, 180, 60)), ("red", (200, 40, 50))):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                noise = random.normal(colour, 25, (64, 64, 3)).clip(0, 255).astype(np.uint8)
                PillowImage.fromarray(noise).save(root / split / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("packed") / "out"
    archive.pack(folder, output, PackIndexOptions(size=64))
    return output


@pytest.fixture(scope="module")
def finished(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "latents"
    train(packed, run, SMALL)
    return run


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    history = [{k: v for k, v in row.items() if k not in TIMES} for row in result["history"]]
    return {**{k: v for k, v in result.items() if k not in OF_THE_MACHINE}, "history": history}


def weights_of(run: Path, name: str) -> dict[str, Any]:
    return load_tensors(run / name)[0]


def assert_same_run(run: Path, other: Path) -> None:
    assert without_times(read_result(run)) == without_times(read_result(other))
    for name in ("last.safetensors", "best.safetensors", "judged.safetensors"):
        tensors, others = weights_of(run, name), weights_of(other, name)
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensors[key], others[key]) for key in tensors)


def test_train_learns_easy_classes(finished: Path) -> None:
    result = read_result(finished)
    assert result["test_accuracy"] >= 0.8
    low, high = result["test_interval_95"]
    assert low < result["test_accuracy"] <= high
    assert (result["train_items"], result["val_items"], result["test_items"]) == (39, 3, 15)
    assert (len(result["history"]), result["input"]) == (4, "12 latent channels")


def test_run_on_a_pack_of_another_shipped_model_predicts(folder: Path, tmp_path: Path) -> None:
    archive.pack(folder, tmp_path / "packed", PackIndexOptions(size=64, profile="best"))
    train(tmp_path / "packed", tmp_path / "run", replace(SMALL, epochs=1))
    predictor, picture = Predictor.load(tmp_path / "run"), folder / "test/red/0.png"
    encoded = tmp_path / "x.lcn"
    encoded.write_bytes(Lcn(profile="best").encode(read_signal(picture, "image", Framing(size=64))))
    assert predictor.scores(picture) == predictor.scores(encoded)
    encoded.write_bytes(Lcn(model="grey").encode(Image.from_array(np.zeros((64, 64), np.uint8))))
    with pytest.raises(CodecError, match="allowed are models of the same"):
        predictor.scores(encoded)


@pytest.mark.parametrize("arm", ["small", "patches"])
def test_train_on_pixels_learns_the_same(folder: Path, tmp_path: Path, arm: Any) -> None:
    result = train(folder, tmp_path / "run", replace(SMALL, arm=arm))
    assert result["test_accuracy"] >= 0.8
    pixels = {"small": "pixels 16x16 in 2x2 patches", "patches": "pixels 64x64 in 8x8 patches"}
    assert result["input"] == pixels[arm]
    assert result["train_items"] == 39
    scores = Predictor.load(tmp_path / "run").scores(folder / "test/red/0.png")
    assert next(iter(scores)) == "red"


def test_arms_see_the_same_items_and_as_many_tokens(folder: Path, tmp_path: Path) -> None:
    archive.pack(folder, tmp_path / "packed", PackIndexOptions(size=128))
    large, names = replace(SMALL, size=128), ("small", "patches")
    arms = [inputs(tmp_path / "packed", SMALL), *(inputs(folder, replace(large, arm=arm)) for arm in names)]  # type: ignore[arg-type]
    for data in arms:
        for name in ("train", "val", "test"):
            assert getattr(data, name).sources == getattr(arms[0], name).sources
        batch = next(data.batches(data.judged_loader(data.train, TASK)))
        network = TASK.network(data.form, 0)
        assert isinstance(network, ClassifierNetwork) and network.stem(batch.x).shape[2:] == (16, 16)
    assert arms[0].train.num_bytes < arms[2].train.num_bytes


def test_same_seed_gives_the_same_run_and_another_does_not(packed: Path, finished: Path, tmp_path: Path) -> None:
    train(packed, tmp_path / "same", SMALL)
    assert_same_run(tmp_path / "same", finished)
    other = train(packed, tmp_path / "other", replace(SMALL, seed=1))
    assert other["history"][0]["train_loss"] != read_result(finished)["history"][0]["train_loss"]


def test_threads_that_load_do_not_change_the_result(packed: Path, finished: Path, tmp_path: Path) -> None:
    train(packed, tmp_path / "run", SMALL, loading_threads=2)
    changed = without_times(read_result(tmp_path / "run")) | {"loading_threads": 1}
    assert changed == without_times(read_result(finished))


def test_run_that_stopped_between_epochs_ends_the_same(packed: Path, finished: Path, tmp_path: Path) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    for _ in range(SMALL.epochs - 1):
        with pytest.raises(KeyboardInterrupt):
            train(packed, tmp_path / "run", SMALL, on_epoch=stop)
    train(packed, tmp_path / "run", SMALL)
    assert_same_run(tmp_path / "run", finished)


def test_killed_run_ends_the_same(packed: Path, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code = (
        "import os, signal, sys\n"
        "from laconic.tasks.datasets.augmentation import Augmentation\n"
        "from laconic.tasks.heads import classification, head_training\n"
        "from laconic.tasks.heads.train_options import TrainOptions\n"
        "calls, step = [], classification.Classification.loss\n"
        "def dying(*arguments):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 8: os.kill(os.getpid(), signal.SIGKILL)\n"  # in the second epoch of five steps each
        "    return step(*arguments)\n"
        "classification.Classification.loss = dying\n"
        "moves = Augmentation(shift=1, flip=0.5)\n"
        "options = TrainOptions(epochs=4, batch_size=8, size=64, channels=12, learning_rate=5e-3, augmentation=moves)\n"
        "task = classification.Classification(body='residual', width=8, mixup=0.2)\n"
        "comfort = head_training.RunComfort(checkpoint_seconds=0)\n"
        "head_training.train(*sys.argv[1:], options, task=task, comfort=comfort)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(packed), str(run)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    progress = json.loads(load_tensors(run / "last.safetensors")[1]["progress"])
    assert (progress["done"], progress["part"]["step"]) == (1, 2)  # inside of the second epoch
    train(packed, run, SMALL)
    assert_same_run(run, finished)


def test_finished_run_is_not_trained_again(packed: Path, finished: Path) -> None:
    before = (finished / "last.safetensors").stat().st_mtime_ns
    assert train(packed, finished, SMALL) == read_result(finished)
    assert (finished / "last.safetensors").stat().st_mtime_ns == before


def test_run_of_other_options_is_refused(packed: Path, finished: Path) -> None:
    with pytest.raises(CodecError, match="is a run with other epochs, seed; name another folder, or remove it"):
        train(packed, finished, replace(SMALL, epochs=9, seed=3))


def test_damaged_checkpoint_is_a_sentence(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(WeightsError, match="no checkpoint"):
        Predictor.load(tmp_path)


def test_arm_that_does_not_fit_the_folder_is_a_sentence(folder: Path, packed: Path) -> None:
    with pytest.raises(CodecError, match="not packed"):
        inputs(folder, SMALL)
    with pytest.raises(CodecError, match="holds latents"):
        inputs(packed, replace(SMALL, arm="small"))


def test_folder_without_splits_is_split_by_the_seed(folder: Path) -> None:
    data = inputs(folder / "train", replace(SMALL, arm="small"))
    assert [len(part) for part in (data.train, data.val, data.test)] == [30, 3, 9]
    other = inputs(folder / "train", replace(SMALL, arm="small", seed=1))
    assert other.test.items.tolist() == data.test.items.tolist()
    assert other.val.items.tolist() != data.val.items.tolist()


def test_predictor_reads_lcn_files_and_pictures_alike(folder: Path, finished: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(finished)
    path = folder / "test/green/2.png"
    scores = predictor.scores(path)
    assert (next(iter(scores)), round(sum(scores.values()), 4)) == ("green", 1.0)
    options = PackIndexOptions(size=64)
    data = Lcn(quality=50).encode(read_signal(path, "image", options.framing))
    (tmp_path / "x.lcn").write_bytes(data)
    assert predictor.scores(tmp_path / "x.lcn") == scores


@pytest.mark.parametrize("arm", ["latents", "small"])
def test_predictor_takes_signals_as_it_takes_files(folder: Path, finished: Path, tmp_path: Path, arm: str) -> None:
    if arm != "latents":
        train(folder, tmp_path / "run", replace(SMALL, arm="small", epochs=1))
    predictor = Predictor.load(finished if arm == "latents" else tmp_path / "run")
    path = folder / "test/green/2.png"
    assert predictor.scores(read_image(path)) == predictor.scores(path)
    with pytest.raises(CodecError, match="the run learned pictures, the signal is Audio; allowed are pictures"):
        predictor.scores(Audio(np.zeros((1, 100), np.float32), 8_000))


def test_comparison_table_joins_seeds(finished: Path) -> None:
    result = read_result(finished)
    other = {**result, "test_accuracy": 0.5, "test_correct": 7, "options": {**result["options"], "seed": 1}}
    small = {**result, "input": "pixels"}
    lines = comparison_table([result, other, small]).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| 12 latent channels | ") and "±" in lines[2] and "| 2 | 4 |" in lines[2]


def test_hold_out_takes_of_each_class() -> None:
    labels = np.repeat([0, 1, 2], [10, 20, 1])
    held = hold_out_of_class_folder(labels, 0.2, 0)
    assert np.bincount(labels[held], minlength=3).tolist() == [2, 4, 0]
    assert np.array_equal(held, hold_out_of_class_folder(labels, 0.2, 0))
    assert not np.array_equal(held, hold_out_of_class_folder(labels, 0.2, 1))


def test_rows_of_test_items_make_the_score(finished: Path) -> None:
    result, judged = read_result(finished), load_judged_items(finished / "judged.safetensors")
    assert (len(judged.rows), len(judged.sources)) == (15, 15)
    assert TASK.scores(judged.rows)["accuracy"] == result["test_accuracy"]
    assert all(source.startswith("test/") for source in judged.sources)


def test_folds_hold_every_sample_once(packed: Path, folder: Path) -> None:
    tested: list[str] = []
    for fold in range(4):
        data = inputs(packed, replace(SMALL, folds=4, fold=fold))
        other = inputs(folder, replace(SMALL, folds=4, fold=fold, arm="patches"))
        assert data.test.sources == other.test.sources and data.train.sources == other.train.sources
        classes = [source.split("/")[1] for source in data.test.sources]
        assert all(4 <= classes.count(name) <= 5 for name in ("blue", "green", "red"))
        assert not set(data.test.sources) & {*data.train.sources, *data.val.sources}
        tested += data.test.sources
    assert len(tested) == len(set(tested)) == 57


def test_wilson_interval_of_extremes_stays_in_range() -> None:
    assert wilson_interval(0, 20)[0] == pytest.approx(0, abs=1e-12)
    assert wilson_interval(20, 20)[1] == pytest.approx(1)


def test_classifier_has_a_million_parameters_and_takes_sound() -> None:
    network = new_network(NetworkConfig(channels=12, outputs=10), 0).eval()
    assert 1.0e6 < num_parameters(network) < 1.2e6
    for shape in ((2, 12, 32, 32), (2, 12, 1, 862), (2, 12, 1, 1)):
        assert network(torch.zeros(shape)).shape == (2, 10)


def test_tensorboard_curves_are_written(packed: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", exc_type=ImportError)
    train(packed, tmp_path / "run", replace(SMALL, epochs=1), with_tensorboard=True)
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


@pytest.mark.parametrize("field", [{"arm": "big"}, {"epochs": 0}, {"val_fraction": 1.0}, {"size": 0}])
def test_options_outside_their_range_are_errors(field: dict[str, Any]) -> None:
    with pytest.raises(CodecError, match="allowed"):
        TrainOptions(**field)


@pytest.mark.parametrize("field", [{"mixup": -1.0}, {"width": 0}, {"label_smoothing": 1.0}])
def test_task_options_outside_their_range_are_errors(field: dict[str, Any]) -> None:
    with pytest.raises(CodecError, match="allowed"):
        Classification(**field)


def test_command_line_packs_trains_compares_and_predicts(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()

    def call(*arguments: object) -> str:
        result = runner.invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    packed, run, small = tmp_path / "packed", tmp_path / "run", tmp_path / "small"
    counts = json.loads(call("pack", folder, "-o", packed, "--size", 64, "--json"))
    assert (counts["samples"], counts["classes"], counts["skipped"]) == (57, 3, 0)
    common = ("--epochs", 2, "--batch-size", 8)
    assert "test accuracy" in call("train", "classify", packed, "-o", run, "--channels", 3, *common)
    call("train", "classify", folder, "--arm", "small", "-o", small, "--size", 64, "--quiet", *common)
    table = call("train", "compare", run, small)
    assert "| 3 latent channels |" in table and "| pixels 16x16 in 2x2 patches |" in table
    line = json.loads(call("predict", run, folder / "test/blue/1.png", "--json"))
    assert line["class"] in ("blue", "green", "red") and len(line["scores"]) == 3


def test_augmentation_that_channels_do_not_allow_is_said(packed: Path, tmp_path: Path) -> None:
    arguments = ("train", "classify", packed, "-o", tmp_path / "run", "--channels", 5, "--epochs", 1, "--quiet")
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0 and result.output.count("no mirroring and no colours while training") == 1
    augmentation = read_result(tmp_path / "run")["options"]["augmentation"]
    assert (augmentation["flip"], augmentation["hue"]) == (0, 0) and augmentation["contrast"] > 0


def test_command_line_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    for arguments, sentence in (
        (("pack", tmp_path, "-o", tmp_path / "out"), "no class folder"),
        (("train", "classify", folder, "-o", tmp_path / "run", "--arm", "latents"), "not packed"),
        (("train", "compare", tmp_path), "no finished run"),
        (("predict", tmp_path, folder / "test/blue/1.png"), "no checkpoint"),
    ):
        result = runner.invoke(app, [str(argument) for argument in arguments])
        assert (result.exit_code, result.output.count("\n")) == (1, 1), result.output
        assert sentence in result.output


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of noise, dull and bright."""
    root = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(9)
    for split, count in (("train", 14), ("test", 5)):
        for name, kernel in (("bright", [0.5, -0.5]), ("dull", [0.25, 0.25, 0.25, 0.25])):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                noise = np.convolve(random.normal(0, 0.3, 8_000), kernel)
                soundfile.write(root / split / name / f"{i}.wav", noise, 16_000)
    return root


@pytest.mark.parametrize("arm", ["latents", "small", "patches"])
def test_sounds_are_learned_too(sounds: Path, tmp_path: Path, arm: Any) -> None:
    cut = {"sample_rate_hz": 16_000, "seconds": 0.5}
    data = sounds
    if arm == "latents":
        data = tmp_path / "packed"
        archive.pack(sounds, data, PackIndexOptions(**cut))  # type: ignore[arg-type]
    moves = Augmentation(shift=1)
    options = replace(SMALL, arm=arm, epochs=10, channels=64, size=None, augmentation=moves, **cut)  # type: ignore[arg-type]
    result = train(data, tmp_path / "run", options)
    assert result["test_items"] == 10
    if arm == "latents":  # a loudness in each band; five epochs do not teach that to filters on samples
        assert result["test_accuracy"] >= 0.8
    predictor, path = Predictor.load(tmp_path / "run"), sounds / "test/dull/0.wav"
    assert set(predictor.scores(path)) == {"bright", "dull"}
    assert predictor.scores(read_sound(path)) == predictor.scores(path)


def test_sounds_without_length_are_a_sentence(sounds: Path) -> None:
    with pytest.raises(CodecError, match="sample_rate_hz and seconds"):
        inputs(sounds, replace(SMALL, arm="patches"))
