"""Models of one's own on folders of classes: made-up ones that say which colour, or which half of a sound, is most."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.media import Image
from laconic.tasks.mpq import evaluate, make_tasks, operating_points, summarize
from laconic.tasks.mpq.model_card import ModelCard, read_model_card

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
COLORS = ("red", "green", "blue")
FUNCTIONS = """
import numpy as np

from laconic.codecs.media import Image

def by_name(signal):
    red, green, blue = signal.samples.mean((0, 1)) / 20
    return {"green": green, "blue": blue, "red": red}

def in_order(signal):
    red, green, blue = signal.samples.mean((0, 1))
    return np.array([blue, green, red]) / (red + green + blue)

def two(signal):
    return [1.0, 2.0]

def nothing(signal):
    return [float("nan"), 1.0, 2.0]

def broken(signal):
    raise ValueError("no such colour")

number = 3
"""


def needs(name: str) -> Any:
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """30 pictures of three colours."""
    random = np.random.default_rng(0)
    for number in range(30):
        color = number % 3
        samples = random.integers(0, 90, (16, 20, 3), dtype=np.uint8)
        samples[..., color] += 60
        (tmp_path / "colors" / COLORS[color]).mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(samples).save(tmp_path / "colors" / COLORS[color] / f"{number}.png")
    return tmp_path


def write_card(path: Path, **fields: Any) -> Path:
    path.write_text(json.dumps({"size": 8, "classes": COLORS, **fields}))
    return path


def write_onnx(path: Path, shape: tuple[int | str, ...], axes: tuple[int, ...]) -> None:
    """Scores: means over axes, times 8."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["m"], keepdims=0),
        helper.make_node("Mul", ["m", "eight"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes),
            helper.make_tensor("eight", TensorProto.FLOAT, [1], [8.0]),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def score(model: str, data: Path, rows: Path) -> float:
    tasks = make_tasks([f"model:{model}"], data, data)
    return summarize(tasks[0], [], evaluate(tasks, [], rows)).anchor.score


@needs("onnx")
@needs("onnxruntime")
@pytest.mark.parametrize("layout", ["chw", "hwc"])
def test_onnx_model(folder: Path, layout: str) -> None:
    model = folder / "means.onnx"
    shape, axes = ((1, 3, 8, 8), (2, 3)) if layout == "chw" else ((1, 8, 8, 3), (1, 2))
    write_onnx(model, shape, axes)
    write_card(folder / "means.json", folder="colors", layout=layout, resize=12, mean=[0.5, 0.5, 0.5], std=0.25)
    (task,) = make_tasks([f"model:{model}"], folder, folder)
    assert (task.name, len(task.keys()), task.kind) == ("model-means", 30, "image")
    points = operating_points(["jpeg:quality=80"])
    rows = evaluate([task], points, folder / "rows.jsonl")
    summary = summarize(task, points, rows)
    assert summary.anchor.score == 1.0
    sample = task.sample(task.keys()[0])
    judgement = task.judge(sample, sample.signal)
    assert (sample.label, judgement.answer) == ("blue", "blue")
    assert judgement.probabilities is not None
    assert judgement.loss == pytest.approx(-np.log(judgement.probabilities[2]))
    pixels = np.asarray(sample.signal.to_pillow().crop((4, 2, 15, 13)).resize((8, 8), PillowImage.Resampling.BILINEAR))
    means = (pixels.mean((0, 1)) / 255 - 0.5) / 0.25
    assert np.log(judgement.probabilities / judgement.probabilities[0]) == pytest.approx(
        8 * (means - means[0]), abs=1e-4
    )


@needs("onnx")
@needs("onnxruntime")
def test_onnx_model_of_sounds_takes_the_test_split(tmp_path: Path) -> None:
    """Two classes: louder in the first, or in the second half of a second."""
    random = np.random.default_rng(0)
    for split, count in (("train", 1), ("test", 4)):
        for half, name in enumerate(("early", "late")):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                samples = np.abs(random.normal(0, 0.02, 8000))
                samples[half * 4000 : half * 4000 + 4000] += 0.3
                soundfile.write(tmp_path / split / name / f"{number}.wav", samples, 8000)
    write_onnx(tmp_path / "wrong.onnx", (1, 2, "t"), (2,))
    for name in ("wrong", "halves"):
        (tmp_path / f"{name}.json").write_text('{"sample_rate_hz": 8000, "seconds": 1}')
    with pytest.raises(WeightsError, match=r"wrong\.onnx does not take float32 of shape \(1, 8000\)"):
        score(str(tmp_path / "wrong.onnx"), tmp_path, tmp_path / "rows.jsonl")
    write_halves(tmp_path / "halves.onnx")
    (task,) = make_tasks([f"model:{tmp_path / 'halves.onnx'}"], tmp_path, tmp_path)
    assert len(task.keys()) == 8
    assert score(str(tmp_path / "halves.onnx"), tmp_path, tmp_path / "rows.jsonl") == 1.0


def write_halves(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    weights = np.zeros((8000, 2), np.float32)
    weights[:4000, 0] = weights[4000:, 1] = 1 / 4000
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "halves",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8000])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.ravel())],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


@needs("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit
def test_torchscript_model(folder: Path) -> None:
    import torch

    class Means(torch.nn.Module):
        def forward(self, inputs: Any) -> Any:
            return inputs.mean((2, 3)) * 8

    torch.jit.trace(Means(), torch.zeros(1, 3, 8, 8)).save(folder / "means.pt")
    write_card(folder / "means.json")
    assert score(str(folder / "means.pt"), folder / "colors", folder / "rows.jsonl") == 1.0
    (folder / "other.ts").write_bytes(b"no model")
    write_card(folder / "other.json")
    with pytest.raises(WeightsError, match=r"other\.ts is no TorchScript"):
        score(str(folder / "other.ts"), folder / "colors", folder / "rows2.jsonl")


@needs("ai_edge_litert")
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data at {SHARED}")
def test_quantised_tflite_model_answers_as_the_task_of_its_own(tmp_path: Path) -> None:
    (judge,) = make_tasks(["imagenet-v1"], SHARED, SHARED / "models")
    path = tmp_path / "v1.tflite"
    shutil.copy(SHARED / "models" / "imagenet_tflite" / "mobilenet_v1_0.5_160_quant.tflite", path)
    card = {"size": 160, "resize": 183, "mean": 0.5, "std": 0.5, "classes": [str(index - 1) for index in range(1001)]}
    path.with_suffix(".json").write_text(json.dumps(card))
    for key in judge.keys()[::30]:
        label = judge.sample(key).label
        (tmp_path / "data" / str(label)).mkdir(parents=True)
        shutil.copy(SHARED / "imagenet_sample" / "test" / key, tmp_path / "data" / str(label) / "picture.jpg")
    (task,) = make_tasks([f"model:{path}"], tmp_path / "data", tmp_path)
    for key in judge.keys()[::30]:
        sample = judge.sample(key)
        expected = judge.judge(sample, sample.signal)
        found = task.judge(task.sample(f"{sample.label}/picture.jpg"), sample.signal)
        assert expected.probabilities is not None
        assert found.answer == str(int(expected.probabilities.argmax()) - 1)
        assert found.counts == expected.counts
        assert found.probabilities is not None
        assert found.probabilities.max() > expected.probabilities.max()  # which reckons with what 8 bits may hide


def test_function_from_outside_the_package_by_the_command(folder: Path) -> None:
    (folder / "my_colors.py").write_text(FUNCTIONS)
    command = [sys.executable, "-m", "laconic.tasks.cli", "evaluate", "--codecs", "jpeg:quality=30|90", "-j", "2"]
    tasks = "model:my_colors:by_name,model:my_colors:in_order"
    done = subprocess.run(
        [*command, "--tasks", tasks, "--data", str(folder / "colors"), "-o", str(folder / "report")],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (folder / "report" / "summary.jsonl").read_text().splitlines()]
    assert {line["task"] for line in lines} == {"model-my_colors.by_name", "model-my_colors.in_order"}
    assert {line["score"] for line in lines} == {1.0}
    rows = [json.loads(line) for line in (folder / "report" / "rows.jsonl").read_text().splitlines()]
    assert all(row["scores"]["loss"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            "my_functions:two",
            r"my_functions:two gives scores of shape \(2,\); allowed is one for each of the 3 classes",
        ),
        ("my_functions:broken", r"my_functions:broken fails on a signal of shape \(16, 20, 3\): .*no such colour"),
        ("my_functions:absent", "my_functions:absent cannot be imported: .*absent.*; name one of its functions"),
        (
            "my_functions:nothing",
            r"my_functions:nothing gives the scores \[nan, 1\.0, 2\.0\]; allowed are finite numbers",
        ),
        ("my_functions:number", "my_functions:number is of type int; allowed is a function of a signal"),
        ("my_absent_module:f", "my_absent_module:f cannot be imported: .*my_absent_module"),
        (
            "weights.h5",
            "model 'weights.h5' is no model; allowed are files .tflite, .onnx, .pt, .ts, and module:function",
        ),
        ("absent.onnx", "model 'absent.onnx' is no file"),
    ],
)
def test_models_that_do_not_fit_are_a_sentence(
    model: str, sentence: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "my_functions.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(CodecError, match=sentence):
        (task,) = make_tasks([f"model:{model}"], folder / "colors", folder)
        sample = task.sample(task.keys()[0])
        task.judge(sample, sample.signal)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1]", r"holds list; allowed is an object with size, resize"),
        ('{"sides": 8}', r"holds \['sides'\]; allowed is an object with size, resize"),
        ("{", "cannot be read as JSON"),
        ('{"size": 0}', r"m\.json: size is 0"),
        ('{"size": 8, "resize": 4}', "resize is 4; allowed is size, 8, or more"),
        ('{"size": 8, "mean": [1, 2]}', "mean has 2 numbers; allowed are one, or three"),
        ('{"size": 8, "std": 0}', "std is 0"),
        ('{"size": 8, "layout": "bchw"}', "layout"),
    ],
)
def test_wrong_cards_are_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(CodecError, match=sentence):
        read_model_card(tmp_path / "m.json")


def test_absent_cards_and_fields_are_named(folder: Path) -> None:
    (folder / "m.onnx").write_bytes(b"")
    with pytest.raises(CodecError, match=r"m\.json is absent; it says how the model is fed"):
        make_tasks([f"model:{folder / 'm.onnx'}"], folder / "colors", folder)
    with pytest.raises(CodecError, match="lacks size"):
        ModelCard().inputs(Image(np.zeros((4, 4, 3), np.uint8)), layout="chw")
    write_card(folder / "m.json", classes=["red", "green"])
    with pytest.raises(CodecError, match=r"has class 'blue', which the card of .* does not name"):
        make_tasks([f"model:{folder / 'm.onnx'}"], folder / "colors", folder)


def test_two_models_of_one_name_are_refused(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "m.onnx").write_bytes(b"")
        write_card(folder / name / "m.json")
    names = [f"model:{folder / name / 'm.onnx'}" for name in ("a", "b")]
    with pytest.raises(CodecError, match="two tasks are called model-m, the key of their rows"):
        make_tasks(names, folder / "colors", folder)
