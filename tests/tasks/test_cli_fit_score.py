"""`laconic fit --score`: a tune beside a model's others; what cannot be meant is a sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs import Model
from laconic.codecs.files import read_image
from laconic.tasks.cli import app

torch = pytest.importorskip("torch")

PICTURE = Path(__file__).parents[1] / "data" / "kodim05_crop.png"
COARSE_ERROR = """
import torch
from torch.nn import functional
def distance(original, decoded):
    return functional.avg_pool2d(original - decoded, 4).square().mean()
number = 3
"""


def laconic(*arguments, exit_code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.stderr
    return result


def sentence(*arguments, exit_code):
    """What is said of a failure, without the frame around it."""
    return " ".join(laconic(*arguments, exit_code=exit_code).stderr.replace("│", " ").split())


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a picture and a module of scores."""
    (tmp_path / "own_score.py").write_text(COARSE_ERROR)
    with PillowImage.open(PICTURE) as picture:
        picture.crop((0, 0, 104, 96)).save(tmp_path / "a.png")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_tune_is_learned_written_and_used(place):
    result = laconic("fit", "rgb", "a.png", "--score", "own_score:distance", "--name", "own", "-o", "m.safetensors")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("weights of bands in octaves: low +")
    assert lines[1].split()[:3] == ["strength", "score", "%"]
    assert lines[-2].startswith("tune own: strength ")
    model, start = Model.load(place / "m.safetensors"), Model.load(path_of("rgb"))
    assert [tuning.name for tuning in model.tunings] == [*(t.name for t in start.tunings), "own"]
    assert model.fingerprint != start.fingerprint
    assert model.card["tune own"].startswith("own_score:distance; 1 pictures of a.png; laconic")
    assert start.card.items() <= model.card.items()
    laconic("encode", "a.png", "--model", "m.safetensors", "--tune", "own", "-o", "own.lcn")
    laconic("encode", "a.png", "--model", "m.safetensors", "-o", "plain.lcn")
    assert (place / "own.lcn").read_bytes() != (place / "plain.lcn").read_bytes()
    laconic("decode", "own.lcn", "--model", "m.safetensors", "-o", "back.png")
    assert np.abs(read_image(place / "back.png").samples.astype(int) - read_image(place / "a.png").samples).mean() < 20
    again = "fit", "m.safetensors", "a.png", "--score", "own_score:distance", "-o", "n.safetensors", "--name"
    assert "has tune own already" in sentence(*again, "own", exit_code=2)


def path_of(name):
    from laconic.codecs.models.zoo import model_path

    return model_path(name)


def test_torchscript_is_a_score_and_the_same_twice(place):
    class Distance(torch.nn.Module):
        def forward(self, original: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.avg_pool2d(original - decoded, 4).square().mean()

    with pytest.warns(DeprecationWarning):
        torch.jit.script(Distance()).save(place / "score.pt")
    choice = "fit", "rgb", "a.png", "--score", "score.pt", "--name", "own", "--quiet", "-o"
    for name in ("m.safetensors", "n.safetensors"):
        assert laconic(*choice, name).stdout == ""
    assert Model.load(place / "m.safetensors").fingerprint == Model.load(place / "n.safetensors").fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rgb", "a.png", "--score", "none", "--name", "x"], "--score none is no score; allowed are ms-ssim"),
        (["rgb", "a.png", "--score", "none.pt", "--name", "x"], "--score none.pt is no file"),
        (["rgb", "a.png", "--score", "ms-ssim"], "--score needs --name"),
        (["rgb", "a.png", "--score", "ms-ssim", "--name", "psnr"], "the name of the tuning is 'psnr'"),
        (["mono", "a.png", "--score", "ms-ssim", "--name", "x"], "kind sound; tunings are for pictures"),
        (["a.png", "--score", "ms-ssim", "--name", "x"], "name a model and then pictures"),
        (["other", "a.png", "--score", "ms-ssim", "--name", "x"], "other"),
        (["rgb", "a.png", "--score", "ms-ssim", "--name", "x", "--depth", "2"], "--depth is not for --score"),
        (["rgb", "a.png", "--score", "ms-ssim", "--name", "x", "--share", "2"], "--share"),
        (["a.png", "--share", "0.4"], "--share is for --score"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, message, place):
    assert message in sentence("fit", *arguments, "-o", "m.safetensors", exit_code=2)
    assert not (place / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ("ms-ssim", "MS-SSIM needs 161 a side"),
        ("own_score:number", "is of type int; allowed is a function of two tensors"),
        ("own_score:nothing", "cannot be imported"),
        ("torch:sub", "gives a tensor of shape (1, 3, 96, 104); allowed is a tensor of one number"),
        ("bad.pt", "is no TorchScript"),
    ],
)
def test_what_goes_wrong_is_a_sentence(score, message, place):
    (place / "bad.pt").write_bytes(b"bad")
    choice = "fit", "rgb", "a.png", "--score", score, "--name", "x", "-o", "m.safetensors"
    assert message in sentence(*choice, exit_code=1)
    assert not (place / "m.safetensors").exists()


def test_pictures_that_cannot_be_read_are_left_out(place):
    (place / "bad.png").write_bytes(b"bad")
    choice = "fit", "rgb", "a.png", "bad.png", "--score", "own_score:distance", "--name", "x", "-o", "m.safetensors"
    assert "bad.png: left out" in sentence(*choice, exit_code=1)
    assert (place / "m.safetensors").exists()
    choice = "fit", "rgb", "bad.png", "--score", "own_score:distance", "--name", "x", "-o", "n.safetensors"
    assert "there are no pictures" in sentence(*choice, exit_code=1)
