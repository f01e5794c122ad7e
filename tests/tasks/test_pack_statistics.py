"""`laconic info PACK`: numbers that can be counted again, and a sheet of samples."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pack_scene
import pytest
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs.media import Audio
from laconic.tasks.cli import app
from laconic.tasks.datasets.contact_sheet import THUMBNAIL_SIDE, contact_sheet, sound_thumbnail
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_index import read_index
from laconic.tasks.datasets.pack_statistics import pack_statistics
from laconic.tasks.datasets.stored_samples import StoredSamples


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_scene.make_pack(tmp_path_factory.mktemp("statistics"))


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_statistics_are_those_of_the_files(pack: Path) -> None:
    found, samples = pack_statistics(StoredSamples(pack)), StoredSamples(pack)
    assert found.splits == {"test": {"blue": 4, "red": 4}, "train": {"blue": 4, "red": 4}}
    assert found.bytes_on_disk == sum(path.stat().st_size for path in pack.iterdir())
    lengths = [len(samples.lcn(row)) for row in range(16)]
    assert found.lcn_bytes == sum(lengths)
    assert found.rate == pytest.approx(8 * sum(lengths) / (16 * 32 * 32))
    assert found.num_measured == 16
    assert found.targets == {"mask.png": 8, "txt": 16}
    for channels in (3, 12):
        dataset = LatentDataset(pack, channels=channels)
        assert found.item_bytes[channels] == pytest.approx(np.mean(dataset.bytes_per_item) - _of_labels(dataset))
    index = read_index(pack)
    assert found.deviation[12] == pytest.approx(np.sqrt(np.mean(index.std[3:12].astype(np.float64) ** 2)))


def _of_labels(dataset: LatentDataset) -> float:
    """Bytes of labels that are files, of which this pack has none."""
    assert "cls" not in dataset.index.targets
    return 0.0


def test_command_prints_them(pack: Path) -> None:
    code, out, _ = run("info", pack, "--json")
    fields = json.loads(out)
    assert (code, fields["samples"], fields["grid"], fields["options"]["size"]) == (0, 16, [4, 4], 32)
    code, out, _ = run("info", pack)
    assert code == 0
    for line in ("samples         16 in 2 shards", "train           8 (blue 4, red 4)", "target txt      16 samples"):
        assert f"  {line}\n" in out


def test_sheet_shows_samples_of_their_colours(pack: Path, tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    assert run("info", pack, "--contact-sheet", path)[0] == 0
    picture = np.asarray(PillowImage.open(path)).astype(int)
    assert picture.shape[2] == 3 and min(picture.shape[:2]) > 2 * THUMBNAIL_SIDE
    blue = (picture[..., 2] - picture[..., 0] > 80).sum()
    red = (picture[..., 0] - picture[..., 2] > 80).sum()
    assert blue == pytest.approx(8 * THUMBNAIL_SIDE**2, rel=0.1) and red == pytest.approx(blue, rel=0.1)
    code, _, err = run("info", pack, "--contact-sheet", path)
    assert code == 1 and "pass --force" in err
    assert run("info", pack, "--contact-sheet", path, "--force")[0] == 0
    assert run("info", pack, pack, "--contact-sheet", path)[0] == 2
    code, _, err = run("info", pack, "--contact-sheet", tmp_path / "sheet.jpg")
    assert code == 2 and "allowed is a name that ends in .png" in err.replace("\n", " ")
    assert not (tmp_path / "sheet.jpg").exists()


def test_sheet_leaves_damaged_samples_empty_and_says_so(pack: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(pack, tmp_path / "pack"))
    pack_scene.overwrite(damaged, 1)
    image, num_damaged = contact_sheet(StoredSamples(damaged), num_samples=4)
    assert (image.samples.shape[2], num_damaged) == (3, 0)  # samples 0, 4, 8, 12
    assert contact_sheet(StoredSamples(damaged))[1] == 1
    _, _, err = run("info", damaged, "--contact-sheet", tmp_path / "sheet.png")
    assert "1 samples of the sheet cannot be decoded" in err


def test_spectrogram_is_bright_where_the_tone_is() -> None:
    t = np.arange(8000) / 8000
    for hz, low, high in ((3000, 0, 20), (60, 60, 112)):
        sound = Audio(np.sin(2 * np.pi * hz * t).astype(np.float32)[None], 8000)
        rows = sound_thumbnail(sound).astype(int).sum(axis=(1, 2))
        assert low <= rows.argmax() <= high
    assert sound_thumbnail(Audio(np.zeros((1, 10), np.float32), 8000)).sum() == 4 * THUMBNAIL_SIDE**2
