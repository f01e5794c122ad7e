"""Packing class folders: the same bytes however often it was stopped, and readable by others."""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.lcn import Lcn
from laconic.tasks.datasets import archive, pack_index, pack_plan, sample_encoder
from laconic.tasks.datasets.class_folders import ClassFolder, list_class_folder
from laconic.tasks.datasets.framing import Framing, read_signal, resampled_for_framing
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.pack_plan import shuffled_samples
from laconic.tasks.datasets.signal_dataset import SignalDataset
from laconic.tasks.datasets.sources.pack_source import SourceSample
from laconic.tasks.datasets.targets import NO_LABEL

OPTIONS = PackIndexOptions(size=48, shard_samples=5)


def tar_names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def make_pictures(root: Path, count: int = 4, *, splits: tuple[str, ...] = ("train/", "test/")) -> Path:
    """Three classes of noise around a colour of their own."""
    random = np.random.default_rng(7)
    for split in splits:
        for name, colour in (("blue", (30, 40, 200)), ("green", (20, 180, 60)), ("red", (210, 30, 40))):
            folder = root / f"{split}{name}"
            folder.mkdir(parents=True)
            for i in range(count):
                noise = random.normal(colour, 20, (60 + i, 70, 3)).clip(0, 255).astype(np.uint8)
                PillowImage.fromarray(noise).save(folder / f"{i}.png")
    return root


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("packed") / "out"
    archive.pack(folder, output, OPTIONS, engine=ThreadEngine(2))
    return output


@pytest.fixture(scope="module")
def single(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("packed") / "single"
    archive.pack(folder, output, replace(OPTIONS, members="single"), engine=ThreadEngine(2))
    return output


def test_pack_holds_each_sample_at_its_place(folder: Path, packed: Path) -> None:
    index = pack_index.read_index(packed)
    assert (index.classes, len(index), index.grid) == (("blue", "green", "red"), 24, (6, 6))
    assert [shard.name for shard in index.shards] == [f"{s}-0000{i}.tar" for s in ("test", "train") for i in range(3)]
    for row in range(len(index)):
        shard = (packed / index.shards[index.shard[row]].name).read_bytes()
        data = shard[index.offset[row] : index.offset[row] + index.length[row]]
        expected = OPTIONS.codec("image").encode(read_signal(folder / index.source[row], "image", OPTIONS.framing))
        assert data == expected
        assert index.classes[index.label[row]] == Path(index.source[row]).parent.name


def test_pack_heads_are_enough_for_their_channels(packed: Path) -> None:
    index = pack_index.read_index(packed)
    shard = (packed / index.shards[0].name).read_bytes()[index.offset[0] :]
    whole = Lcn().unpack(shard[: index.length[0]])
    for end, head in zip(index.group_ends, index.heads[0], strict=True):
        latent = Lcn().unpack(shard[:head], channels=end)
        assert np.array_equal(latent.values, whole.values[:end])
    assert index.heads[0][-1] == index.length[0]  # so small a file is one segment: see test_latents for others


def test_pack_statistics_are_those_of_the_training_latents(packed: Path) -> None:
    index = pack_index.read_index(packed)
    values = []
    for row in range(len(index)):
        shard = index.shards[index.shard[row]]
        if shard.split == "train":
            data = (packed / shard.name).read_bytes()[index.offset[row] :][: index.length[row]]
            values.append(Lcn().unpack(data).dequantize())
    stacked = np.stack(values).astype(np.float64)
    assert index.statistics_split == "train"
    np.testing.assert_allclose(index.mean, stacked.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(index.std, stacked.std((0, 2, 3)), rtol=1e-4, atol=1e-6)


def test_pack_measures_no_more_samples_than_it_needs(
    folder: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_plan, "_NUM_MEASURED", 6)
    index = archive.pack(folder, tmp_path / "out", OPTIONS, engine=ThreadEngine(1))
    values = []
    for row in range(12, 18):  # the first of split train
        data = (tmp_path / "out" / index.shards[index.shard[row]].name).read_bytes()[index.offset[row] :]
        values.append(Lcn().unpack(data[: index.length[row]]).dequantize())
    stacked = np.stack(values).astype(np.float64)
    np.testing.assert_allclose(index.mean, stacked.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(index.std, stacked.std((0, 2, 3)), rtol=1e-4, atol=1e-6)
    assert not np.array_equal(index.std, pack_index.read_index(packed).std)


def test_pack_whose_measured_samples_are_all_bad_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_pictures(tmp_path / "in", 2, splits=("",))
    first = shuffled_samples(list_class_folder(root).samples, 0)[0]
    (root / first.source).write_bytes(b"no picture")
    monkeypatch.setattr(pack_plan, "_NUM_MEASURED", 1)
    with pytest.raises(CodecError, match="none of the samples that statistics are of"):
        archive.pack(root, tmp_path / "out", OPTIONS)


def test_pack_is_the_same_with_any_number_of_threads_and_at_a_second_call(
    folder: Path, packed: Path, tmp_path: Path
) -> None:
    archive.pack(folder, tmp_path / "out", OPTIONS, engine=ThreadEngine(1))
    assert files_of(tmp_path / "out") == files_of(packed)
    archive.pack(folder, tmp_path / "out", OPTIONS)
    assert files_of(tmp_path / "out") == files_of(packed)


def test_pack_goes_on_after_an_error_in_the_middle(folder: Path, packed: Path, tmp_path: Path) -> None:
    def stop(done: int) -> None:
        if done == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.pack(folder, tmp_path / "out", OPTIONS, engine=ThreadEngine(2), on_sample=stop)
    counts: list[int] = []
    archive.pack(folder, tmp_path / "out", OPTIONS, engine=ThreadEngine(2), on_sample=counts.append)
    assert counts[0] == 13  # two shards of 5 and one of 2 were finished; the thirteenth is done again
    assert files_of(tmp_path / "out") == files_of(packed)


def test_pack_after_kill_is_byte_identical(folder: Path, packed: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from laconic.tasks.datasets import archive\n"
        "from laconic.tasks.datasets.pack_engines import ThreadEngine\n"
        "from laconic.tasks.datasets.pack_index import PackIndexOptions\n"
        "die = lambda done: done == 13 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "archive.pack(*sys.argv[1:], PackIndexOptions(size=48, shard_samples=5), engine=ThreadEngine(1), on_sample=die)"
    )
    output = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", code, str(folder), str(output)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    assert sorted(p.name for p in output.glob("*.*")) == [".lock", ".parts", *(f"test-0000{i}.tar" for i in range(3))]
    archive.pack(folder, output, OPTIONS, engine=ThreadEngine(1))
    assert files_of(output) == files_of(packed)


def test_pack_repairs_a_shard_that_is_gone(folder: Path, packed: Path, tmp_path: Path) -> None:
    archive.pack(folder, tmp_path / "out", OPTIONS, engine=ThreadEngine(1))
    (tmp_path / "out" / "train-00001.tar").unlink()
    archive.pack(folder, tmp_path / "out", OPTIONS, engine=ThreadEngine(1))
    assert files_of(tmp_path / "out") == files_of(packed)


def test_pack_refuses_a_folder_with_another_pack(folder: Path, tmp_path: Path) -> None:
    archive.pack(folder, tmp_path / "out", OPTIONS, engine=ThreadEngine(1))
    with pytest.raises(CodecError, match="holds another pack"):
        archive.pack(folder, tmp_path / "out", replace(OPTIONS, quality=20))


def test_pack_skips_and_lists_bad_files(tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "in", 2, splits=("",))
    (root / "blue" / "0.png").write_bytes(b"no picture")
    (root / "blue" / "3.jpg").write_bytes(b"")
    (root / "red" / "note.txt").write_text("not a picture")
    (root / "red" / ".hidden").write_text("ignored")
    index = archive.pack(root, tmp_path / "out", OPTIONS)
    assert [source for source, _ in index.skipped] == ["blue/0.png", "blue/3.jpg", "red/note.txt"]
    assert all(why for _, why in index.skipped)
    assert (len(index), index.key[0], index.splits, index.grid) == (5, "00000001", ("all",), (6, 6))


@pytest.mark.parametrize(
    "error", [ValueError("cannot reshape"), ZeroDivisionError(), MemoryError(), RecursionError("deep")]
)
def test_pack_skips_a_file_whatever_its_decoder_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    root = make_pictures(tmp_path / "in", 2, splits=("",))

    bad = (root / "green" / "1.png").read_bytes()

    def read(file: io.BytesIO, *arguments: Any, **more: Any) -> Any:
        if file.getvalue() == bad:
            raise error
        return read_signal(file, *arguments, **more)

    monkeypatch.setattr(sample_encoder, "read_signal", read)
    index = archive.pack(root, tmp_path / "out", OPTIONS)
    assert index.skipped == (("green/1.png", sentence_of_error(error)),)
    assert len(index) == 5
    assert tuple(pack_index.read_index(tmp_path / "out").source) == tuple(index.source)


def test_pack_skips_a_link_to_nothing(tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "in", 2, splits=("",))
    (root / "red" / "9.png").symlink_to(tmp_path / "gone.png")
    index = archive.pack(root, tmp_path / "out", OPTIONS)
    assert index.skipped == (("red/9.png", "No such file or directory"),)


def test_pack_of_bad_files_only_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "a" / "0.png").write_bytes(b"no picture")
    with pytest.raises(CodecError, match="no file that can be packed"):
        archive.pack(tmp_path / "in", tmp_path / "out")


def test_pack_without_size_keeps_sizes_and_has_no_common_grid(tmp_path: Path) -> None:
    root = make_pictures(tmp_path / "in", 2, splits=("",))
    PillowImage.new("RGB", (30, 90)).save(root / "red" / "0.png")
    index = archive.pack(root, tmp_path / "out", PackIndexOptions())
    assert index.grid is None


def test_shards_have_constant_headers_and_plain_names(single: Path) -> None:
    with tarfile.open(single / "train-00000.tar") as tar:
        members = tar.getmembers()
    assert [m.name for m in members[:4]] == ["00000012.lcn", "00000012.cls", "00000013.lcn", "00000013.cls"]
    assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in members} == {(0, 0, 0, 0o644, "")}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_are_read_by_webdataset(single: Path) -> None:
    webdataset = pytest.importorskip("webdataset", exc_type=ImportError)
    index = pack_index.read_index(single)
    pattern = str(single / "train-{00000..00002}.tar")
    samples = list(webdataset.WebDataset(pattern, shardshuffle=False, empty_check=False))
    rows = [row for row in range(len(index)) if index.shards[index.shard[row]].split == "train"]
    assert [sample["__key__"] for sample in samples] == [index.key[row] for row in rows]
    assert [int(sample["cls"]) for sample in samples] == [index.label[row] for row in rows]
    assert Lcn().unpack(samples[0]["lcn"], channels=3).values.shape == (3, 6, 6)
    gc.collect()  # webdataset leaves its files to the collector: now, while that is no warning


def test_list_class_folder_knows_splits_by_name(tmp_path: Path) -> None:
    for name in ("train/a", "validation/a", "test/b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.png").touch()
    listing = list_class_folder(tmp_path)
    assert [(s.source, s.split, s.label) for s in listing.samples] == [
        ("test/b/x.png", "test", 1),
        ("train/a/x.png", "train", 0),
        ("validation/a/x.png", "val", 0),
    ]


def test_list_class_folder_refuses_mixed_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="no class folder"):
        list_class_folder(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").touch()
    (tmp_path / "a" / "x.wav").touch()
    with pytest.raises(CodecError, match="both pictures and sounds"):
        list_class_folder(tmp_path)


def test_read_signal_turns_crops_and_drops_alpha(tmp_path: Path) -> None:
    picture = PillowImage.new("RGBA", (40, 20), (255, 0, 0, 10))
    picture.paste((0, 0, 255, 255), (20, 0, 40, 20))
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # to be turned clockwise: left becomes top
    picture.save(tmp_path / "x.png", exif=exif)
    image = read_signal(tmp_path / "x.png", "image", Framing())
    assert image.samples.shape == (40, 20, 3)
    assert image.samples[0, 0].tolist() == [255, 0, 0] and image.samples[-1, -1].tolist() == [0, 0, 255]
    assert read_signal(tmp_path / "x.png", "image", Framing(size=16)).samples.shape == (16, 16, 3)


def test_resampled_keeps_a_tone() -> None:
    t = np.arange(4000) / 16_000
    tone = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    halved = resampled_for_framing(tone, 16_000, 8_000)
    assert halved.shape == (2000,)
    expected = np.sin(2 * np.pi * 440 * np.arange(2000) / 8_000)
    assert np.abs(halved[200:-200] - expected[200:-200]).max() < 0.1
    odd = resampled_for_framing(np.ones(1001, np.float32), 44_100, 16_000)
    assert odd.shape == (364,) and np.abs(odd - 1).max() < 1e-5


@pytest.mark.parametrize("field", [{"size": 0}, {"seconds": 0.0}, {"sample_rate_hz": -1}, {"quality": 0}])
def test_pack_options_outside_their_range_are_errors(field: dict[str, float]) -> None:
    with pytest.raises(CodecError, match="allowed"):
        PackIndexOptions(**field)  # type: ignore[arg-type]


def test_pack_leaves_no_helper_files(packed: Path) -> None:
    assert sorted(os.listdir(packed)) == [
        "index.json",
        next(packed.glob("samples-*.safetensors")).name,
        *(f"{s}-0000{i}.tar" for s in ("test", "train") for i in range(3)),
    ]


def test_pack_of_sounds_puts_few_channels_first(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    for i, name in enumerate(("high", "low")):
        (tmp_path / "in" / name).mkdir(parents=True)
        tone = np.sin(2 * np.pi * (2000, 300)[i] * np.arange(12_000) / 16_000) + random.normal(0, 0.3, 12_000)
        soundfile.write(tmp_path / "in" / name / "0.wav", np.stack([tone, tone], 1) / 4, 16_000)
        soundfile.write(tmp_path / "in" / name / "1.flac", tone[:5000] / 4, 8_000)
    (tmp_path / "in" / "low" / "2.wav").write_bytes(b"RIFF")
    options = PackIndexOptions(quality=95, sample_rate_hz=16_000, seconds=0.5)  # files under 4 KiB are one segment
    index = archive.pack(tmp_path / "in", tmp_path / "out", options)
    assert (index.kind, len(index), index.classes, index.grid) == ("sound", 4, ("high", "low"), (1, 64))
    assert [source for source, _ in index.skipped] == ["low/2.wav"]
    assert (index.heads[:, 0] < 0.5 * index.length).all()
    data = (tmp_path / "out" / index.shards[0].name).read_bytes()[index.offset[1] :]
    expected = read_signal(tmp_path / "in" / index.source[1], "sound", options.framing)
    assert np.asarray(expected.samples).shape == (1, 8000)
    assert data[: index.length[1]] == options.codec("sound").encode(expected)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_pack_skips_sounds_that_need_another_model(num_threads: int, tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    for number, rate in enumerate((8_000, 44_100, 8_000, 48_000, 8_000)):
        soundfile.write(tmp_path / "in" / "a" / f"{number}.wav", np.zeros(4000), rate)
    options, engine = PackIndexOptions(shard_samples=2), ThreadEngine(num_threads)
    index = archive.pack(tmp_path / "in", tmp_path / "out", options, engine=engine)
    slow, others = ["a/0.wav", "a/2.wav", "a/4.wav"], ["a/1.wav", "a/3.wav"]  # of which a slow one is the first
    assert (sorted(index.source), [source for source, _ in index.skipped]) == (slow, others)
    assert all("set one rate (--sample-rate)" in why for _, why in index.skipped)
    whole = archive.pack(tmp_path / "in", tmp_path / "whole", PackIndexOptions(sample_rate_hz=16_000))
    assert (len(whole), whole.skipped) == (5, ())


def test_pack_takes_files_that_differ_in_their_extension_only(tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    for extension in ("wav", "flac"):
        soundfile.write(tmp_path / "in" / "a" / f"x.{extension}", np.zeros(4000), 8_000)
    index = archive.pack(tmp_path / "in", tmp_path / "out")
    assert (sorted(index.source), index.skipped) == (["a/x.flac", "a/x.wav"], ())


# --- targets


def target_bytes() -> dict[str, bytes]:
    """One of each kind that is decoded, one that is not."""
    array, mask = io.BytesIO(), io.BytesIO()
    np.save(array, np.arange(6, dtype=np.float32).reshape(2, 3))
    picture = PillowImage.new("P", (5, 4), 3)  # a mask: numbers of classes, with a palette to look at
    picture.putpalette([255, 0, 0] * 256)
    picture.save(mask, format="PNG")
    values = {"npy": array.getvalue(), "mask.png": mask.getvalue(), "txt": "Grüße\n".encode()}
    return values | {"json": b'{"box": [1, 2.5]}', "bin": b"\x00\x01"}


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> ClassFolder:
    """Six pictures without splits, five kinds of targets beside all but the last, which has a label alone."""
    root = make_pictures(tmp_path_factory.mktemp("targets") / "in", 2, splits=("",))
    listing = list_class_folder(root)
    samples = []
    for sample in listing.samples[:-1]:
        paths = {suffix: str(Path(sample.source).with_suffix(f".{suffix}")) for suffix in target_bytes()}
        for suffix, path in paths.items():
            (root / path).write_bytes(target_bytes()[suffix])
        samples.append(replace(sample, targets=tuple(paths.items())))
    samples[0] = replace(samples[0], label=NO_LABEL)
    return replace(listing, samples=(*samples, listing.samples[-1]))


@pytest.fixture(scope="module")
def with_targets(listing: ClassFolder) -> Path:
    output = listing.root.parent / "out"
    archive.pack(listing, output, replace(OPTIONS, shard_samples=4, members="single"), engine=ThreadEngine(2))
    return output


@pytest.fixture(scope="module")
def rows(with_targets: Path) -> list[int]:
    """Of the samples of the listing."""
    index = pack_index.read_index(with_targets)
    return [tuple(index.source).index(f"{name}/{i}.png") for name in index.classes for i in range(2)]


def test_index_says_where_each_target_is(with_targets: Path, rows: list[int]) -> None:
    index = pack_index.read_index(with_targets)
    assert sorted(index.targets) == sorted(target_bytes())
    for suffix, column in index.targets.items():
        assert (column.offset[rows[5]], column.length[rows[5]]) == (-1, 0)
        for row in rows[:5]:
            shard = (with_targets / index.shards[index.shard[row]].name).read_bytes()
            assert shard[column.offset[row] :][: column.length[row]] == target_bytes()[suffix]
    assert index.targets_of(rows[1]) == ["cls", *sorted(target_bytes())]
    assert index.targets_of(rows[5]) == ["cls"]
    assert index.label[rows].tolist() == [NO_LABEL, 0, 1, 1, 2, 2]
    names = [name for i in range(2) for name in tar_names(with_targets / f"all-0000{i}.tar")]
    keys = [index.key[row] for row in rows]
    first = names.index(f"{keys[0]}.lcn")
    assert names[first : first + 6] == [f"{keys[0]}.{suffix}" for suffix in ("lcn", *target_bytes())]
    assert f"{keys[1]}.cls" in names and f"{keys[0]}.cls" not in names


def test_dataset_gives_targets_by_name(with_targets: Path, rows: list[int]) -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    dataset = LatentDataset(with_targets, channels=3, targets=("txt", "cls"))
    x, text, label = dataset[rows[1]]
    assert (tuple(x.shape), text, label) == ((3, 6, 6), "Grüße\n", 0)
    labels_alone = LatentDataset(with_targets, channels=3)
    assert dataset.bytes_per_item[rows[1]] == labels_alone.bytes_per_item[rows[1]] + 8
    assert dataset.target(rows[2], "json") == {"box": [1, 2.5]}
    assert dataset.target(rows[2], "bin") == b"\x00\x01"
    assert np.array_equal(dataset.target(rows[2], "npy"), np.arange(6).reshape(2, 3))
    mask = dataset.target(rows[3], "mask.png")
    assert (mask.shape, mask.dtype, set(mask.ravel())) == ((4, 5), np.uint8, {3})
    for item, suffix, found in ((5, "txt", "cls"), (0, "cls", "bin, json"), (1, "wav", "cls, bin")):
        with pytest.raises(CodecError, match=f"has no target '{suffix}'; it has {found}"):
            dataset.target(rows[item], suffix)
    assert dataset.labels[rows].tolist() == [NO_LABEL, 0, 1, 1, 2, 2]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_targets_are_read_by_webdataset(with_targets: Path) -> None:
    webdataset = pytest.importorskip("webdataset", exc_type=ImportError)
    pattern = str(with_targets / "all-{00000..00001}.tar")
    samples = list(webdataset.WebDataset(pattern, shardshuffle=False, empty_check=False))
    assert len(samples) == 6
    full = [i for i, sample in enumerate(samples) if "txt" in sample]
    assert len(full) == 5
    assert {suffix: samples[full[0]][suffix] for suffix in target_bytes()} == target_bytes()
    decoded = list(webdataset.WebDataset(pattern, shardshuffle=False, empty_check=False).decode())[full[0]]
    assert (decoded["txt"], decoded["json"]) == ("Grüße\n", {"box": [1, 2.5]})
    gc.collect()


def test_pack_with_targets_is_finished_by_the_same_call(
    listing: ClassFolder, with_targets: Path, tmp_path: Path
) -> None:
    options = replace(OPTIONS, shard_samples=4, members="single")

    def stop(done: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.pack(listing, tmp_path / "out", options, on_sample=stop)
    archive.pack(listing, tmp_path / "out", options)
    assert files_of(tmp_path / "out") == files_of(with_targets)
    fewer = replace(listing.samples[1], targets=listing.samples[1].targets[1:])
    with pytest.raises(CodecError, match="holds another pack"):
        archive.pack(
            replace(listing, samples=(listing.samples[0], fewer, *listing.samples[2:])), tmp_path / "out", options
        )


def test_pack_of_a_class_folder_has_no_columns_of_targets(packed: Path) -> None:
    index = pack_index.read_index(packed)
    assert (index.targets, index.targets_of(0)) == ({}, ["cls"])


@pytest.mark.parametrize(
    ("suffix", "data"), [("json", b"{"), ("npy", b"no array"), ("png", b"no picture"), ("txt", b"\xff"), ("txt", None)]
)
def test_sample_with_a_bad_target_is_skipped(tmp_path: Path, suffix: str, data: bytes | None) -> None:
    root = make_pictures(tmp_path / "in", 1, splits=("",))
    if data is not None:
        (root / f"target.{suffix}").write_bytes(data)
    listing = list_class_folder(root)
    first = replace(listing.samples[0], targets=((suffix, f"target.{suffix}"),))
    index = archive.pack(replace(listing, samples=(first, *listing.samples[1:])), tmp_path / "out", OPTIONS)
    ((source, why),) = index.skipped
    assert source == "blue/0.png"
    assert f"the target {suffix} cannot be read" in why if data is not None else why == "No such file or directory"


@pytest.mark.parametrize("suffix", ["", "TXT", "a/b", ".txt", "txt.", "lcn", "cls", "x.lcn"])
def test_suffixes_that_cannot_stand_in_a_shard_are_errors(suffix: str) -> None:
    with pytest.raises(CodecError, match="the suffix of a target is"):
        SourceSample("a/0.png", "train", 0, ((suffix, "a/0.x"),))
    with pytest.raises(CodecError, match="allowed is one of each suffix"):
        SourceSample("a/0.png", "train", 0, (("txt", "a"), ("txt", "b")))


def test_signals_of_a_folder_give_their_targets_too(tmp_path: Path) -> None:
    root = make_pictures(tmp_path, 1, splits=("",))
    (root / "t.txt").write_text("hat")
    listing = list_class_folder(root)
    samples = (replace(listing.samples[0], targets=(("txt", "t.txt"),)), replace(listing.samples[1], label=NO_LABEL))
    dataset = SignalDataset(listing, samples, Framing(size=16))
    assert (dataset.target(0, "txt"), dataset.target(0, "cls"), dataset.array(0).shape) == ("hat", 0, (3, 16, 16))
    with pytest.raises(CodecError, match="has no target 'cls'; it has none"):
        dataset.target(1, "cls")


def test_packs_are_made_in_folders_of_their_own(folder: Path, tmp_path: Path) -> None:
    source = make_pictures(tmp_path / "pictures", 1)
    for output in (source, source / "out", source / "train" / ".." / "train"):
        with pytest.raises(CodecError, match="which is to be packed; allowed is a folder outside of it"):
            archive.pack(source, output, OPTIONS)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CodecError, match="file is a file; allowed is a folder"):
        archive.pack(source, tmp_path / "file", OPTIONS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(CodecError, match=r"other holds something else \(notes.txt\)"):
        archive.pack(source, tmp_path / "other", OPTIONS)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["notes.txt"]
    assert len(archive.pack(source, tmp_path / "pictures-out", OPTIONS)) == 6


def test_shards_of_other_options_do_not_stay(folder: Path, tmp_path: Path) -> None:
    """A call that was killed left more shards than the next has."""
    source = make_pictures(tmp_path / "pictures", 2)
    output = tmp_path / "out"

    def stop(done: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.pack(source, output, PackIndexOptions(size=32, shard_samples=2), on_sample=stop)
    assert len(list(output.glob("*.tar"))) == 3
    index = archive.pack(source, output, PackIndexOptions(size=32, shard_samples=50))
    assert sorted(path.name for path in output.glob("*.tar")) == sorted(shard.name for shard in index.shards)
    assert not (output / ".parts").exists()
