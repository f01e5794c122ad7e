"""Arms of sounds that torchaudio makes: mel spectrograms and cepstra, beside its own transforms."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.tasks.cli import app
from laconic.tasks.heads.learning_task import Batch, InputForm, LearningTask
from laconic.tasks.heads.listening import Listening
from laconic.tasks.heads.mel_frontend import MEL_ARMS, NUM_CEPSTRA, MelPlaces, torchaudio_module
from laconic.tasks.heads.separation import Separation
from laconic.tasks.heads.sound_bands import SoundBands
from laconic.tasks.heads.transcription import Transcription

RATE = 16_000
NUM_BANDS = 64
MEL = InputForm("mel", "sound", 1, (1, RATE), place=(1, 256), classes=("high", "low"), sample_rate_hz=RATE)
needs_torchaudio = pytest.mark.skipif(
    importlib.util.find_spec("torchaudio") is None, reason="torchaudio is not installed"
)


def tones(count: int = 4, num_samples: int = RATE) -> torch.Tensor:
    """(count, 1, 1, num_samples): each higher than the one before."""
    at = torch.arange(num_samples) / RATE
    return torch.stack([0.3 * torch.sin(2 * torch.pi * 300 * (i + 1) * at) for i in range(count)])[:, None, None]


@needs_torchaudio
def test_cepstra_are_those_of_torchaudio() -> None:
    bands = SoundBands(replace(MEL, arm="mfcc"), NUM_BANDS).eval()
    x = tones() + 0.05 * torch.randn(4, 1, 1, RATE, generator=torch.Generator().manual_seed(0))
    places = bands.places
    assert isinstance(places, MelPlaces)
    window = round(0.025 * RATE)
    expected = torchaudio_module("transforms").MFCC(
        RATE,
        n_mfcc=NUM_CEPSTRA,
        log_mels=True,
        melkwargs={
            "n_fft": 1024,
            "win_length": window,
            "hop_length": 160,
            "n_mels": NUM_BANDS,
            "pad_mode": "constant",
            "norm": "slaney",
        },
    )(x[:, 0, 0])
    energies = places(x) + 1e-6 - 1e-4  # its floor in place of ours
    found = bands.levels(energies)[:, :, 0]
    assert found.shape == expected.shape == (4, NUM_CEPSTRA, 101)
    torch.testing.assert_close(found, expected / np.sqrt(1 + bands.norm.eps), rtol=1e-3, atol=1e-3)


@needs_torchaudio
@pytest.mark.parametrize("arm", MEL_ARMS)
@pytest.mark.parametrize("task", [Listening(width=4), Transcription(letters="AB ", width=8, blocks=2)])
def test_networks_that_listen_train_on_them(task: LearningTask, arm: str) -> None:
    form = replace(MEL, arm=arm)  # type: ignore[arg-type]
    x = tones()
    is_text = task.targets == ("txt",)
    sizes = torch.tensor([[1, RATE - 160 * i] for i in range(4)]) if is_text else None
    targets = ["A BA", "B", "", "AB"] if is_text else torch.tensor([0, 1, 0, 1])
    network = task.network(form, 3).train()
    loss = task.loss(network, Batch(x, (targets,), sizes), np.random.default_rng(1))
    loss.backward()
    assert loss.isfinite()
    assert sum(p.grad.abs().sum().item() for p in network.parameters() if p.grad is not None) > 0


@needs_torchaudio
def test_an_item_is_heard_alike_in_any_batch() -> None:
    task = Transcription(letters="AB ", width=8, blocks=2)
    network = task.network(replace(MEL, arm="mel"), 3).eval()
    x, short = tones(2), RATE // 2
    x[1, ..., short:] = 0
    both = network(x, torch.tensor([[1, RATE], [1, short]]))
    alone = network(x[1:, ..., :short], torch.tensor([[1, short]]))
    torch.testing.assert_close(both[1:, ..., : alone.shape[3]], alone, rtol=1e-3, atol=1e-3)


@needs_torchaudio
def test_a_run_on_the_command_line_says_what_its_network_hears(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number, name in enumerate(("high", "low")):
            folder = tmp_path / "sounds" / split / name
            folder.mkdir(parents=True)
            for i in range(6):
                hz = (2000, 300)[number] * (1 + i / 20)
                wave = 0.3 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000)
                soundfile.write(folder / f"{i}.wav", wave, 8000)
    command = f"train listen {tmp_path / 'sounds'} -o {tmp_path / 'run'} --arm mel --sample-rate 8000 --seconds 0.5"
    done = CliRunner().invoke(app, [*command.split(), "--epochs", "6", "--option", "width=4", "--quiet"])
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["input"] == "mel spectrograms of samples at 8000 Hz"
    again = CliRunner().invoke(app, ["predict", str(tmp_path / "run"), str(tmp_path / "sounds/test/low/0.wav")])
    assert again.exit_code == 0, again.output


def test_pictures_stems_and_sounds_without_a_rate_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(3):
            PillowImage.new("L", (16, 16), 20 * i).save(tmp_path / "pictures" / name / f"{i}.png")
    done = CliRunner().invoke(
        app, ["train", "classify", str(tmp_path / "pictures"), "-o", str(tmp_path / "run"), "--arm", "mfcc"]
    )
    assert done.exit_code and "arm is 'mfcc', which is for sounds" in done.output
    with pytest.raises(CodecError, match="arm is 'mel'; allowed for separation"):
        Separation().recipe(MEL)
    with pytest.raises(CodecError, match="need one sample rate; give --sample-rate"):
        Listening().network(replace(MEL, sample_rate_hz=None), 0)


def test_without_torchaudio_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'laconic\[audio\]'"):
        Listening().network(MEL, 0)
