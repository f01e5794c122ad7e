"""CIFAR and MNIST as they are published, and pickles that would do more than hold them."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import source_scene as scene

from laconic.codecs.errors import CodecError
from laconic.codecs.files import read_image
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.sources.open_source import open_pack_source
from laconic.tasks.datasets.sources.pack_source import PackSource, SourceSample, open_source_signal
from laconic.tasks.datasets.sources.plain_pickles import read_plain_pickle

NAMES = ["airplane", "automobile", "bird"]


def pixels_of(number: int, count: int = 4) -> Any:
    return np.random.default_rng(number).integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)


def as_python_2(value: Any) -> bytes:
    """A pickle as the authors' Python 2 wrote it: bytes as BINSTRING, numpy by its old name."""
    if isinstance(value, dict):
        return b"}" + b"".join(as_python_2(key) + as_python_2(item) + b"s" for key, item in value.items())
    if isinstance(value, list):
        return b"](" + b"".join(map(as_python_2, value)) + b"e"
    if isinstance(value, str):
        return b"U" + bytes([len(value)]) + value.encode()
    if isinstance(value, int):
        return b"K" + bytes([value])
    shape = b"".join(b"M" + struct.pack("<H", size) for size in value.shape)
    head = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01(" + shape + b"t"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return head + kind + b"\x89T" + struct.pack("<I", value.size) + value.tobytes() + b"tb"


def batch_of(number: int, labels: list[int], *, is_100: bool = False) -> dict[str, Any]:
    fields: dict[str, Any] = {"data": pixels_of(number, len(labels)).reshape(len(labels), 3072)}
    fields["fine_labels" if is_100 else "labels"] = labels
    return fields | {"filenames": [f"{label}_{i}.png" for i, label in enumerate(labels)], "batch_label": "training"}


def make_cifar(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(1, 6):
        (folder / f"data_batch_{i}").write_bytes(b"\x80\x02" + as_python_2(batch_of(i, [0, 1, 2, i % 3])) + b".")
    (folder / "test_batch").write_bytes(b"\x80\x02" + as_python_2(batch_of(9, [2, 1])) + b".")
    (folder / "batches.meta").write_bytes(b"\x80\x02" + as_python_2({"label_names": NAMES}) + b".")
    (folder / "readme.html").write_text("of the data set")
    return folder


def pixels_in(source: PackSource, sample: SourceSample) -> Any:
    with open_source_signal(source, sample) as file:
        return read_image(file).samples


def test_cifar_10_has_its_pictures_classes_and_splits(tmp_path: Path) -> None:
    folder = make_cifar(tmp_path / "cifar-10-batches-py")
    for path in (folder, tmp_path):
        source = open_pack_source(path)
        assert source.counts() == {
            "train": {"airplane": 6, "automobile": 7, "bird": 7},
            "test": {"automobile": 1, "bird": 1},
        }
        assert source.samples[0].source == "test_batch/00000" and source.samples[2].source == "data_batch_1/00000"
        for sample in source.samples:
            batch, row = sample.source.split("/")
            count, number = (2, 9) if batch == "test_batch" else (4, int(batch[-1]))
            expected = pixels_of(number, count)[int(row)].transpose(1, 2, 0)
            assert np.array_equal(pixels_in(source, sample), expected)


def test_cifar_in_its_archive_is_the_folder(tmp_path: Path) -> None:
    folder = make_cifar(tmp_path / "cifar-10-batches-py")
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, arcname="cifar-10-batches-py")
    source, plain = open_pack_source(path), open_pack_source(folder)
    again: PackSource = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) < 20_000  # without the pictures
    assert source.samples == plain.samples and source.classes == plain.classes
    for sample in source.samples:
        assert np.array_equal(pixels_in(again, sample), pixels_in(plain, sample))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CodecError, match=r"cifar-10-python.tar.gz"):
        open_pack_source(path)
    plain_tar = path.with_suffix("")
    plain_tar.write_bytes(gzip.decompress(data))
    scene.add_negative_header(plain_tar, -512)
    with pytest.raises(CodecError, match=r"is damaged, or no tar: bad.jpg has -512 bytes"):
        open_pack_source(plain_tar)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_cifar_100_by_any_pickle_with_bytes(tmp_path: Path, protocol: int) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for split, number in (("train", 1), ("test", 2)):
        fields = batch_of(number, [5, 0], is_100=True) | {"coarse_labels": [1, 0]}
        (folder / split).write_bytes(pickle.dumps(fields, protocol=protocol))
    names = [f"n{i}" for i in range(6)]
    meta = {"fine_label_names": names, "coarse_label_names": ["a"]}
    (folder / "meta").write_bytes(pickle.dumps(meta, protocol=protocol))
    source = open_pack_source(folder)
    assert source.counts() == {"train": {"n0": 1, "n5": 1}, "test": {"n0": 1, "n5": 1}}
    assert np.array_equal(pixels_in(source, source.samples[0]), pixels_of(2, 2)[0].transpose(1, 2, 0))


def test_pack_of_cifar_is_that_of_its_pictures(tmp_path: Path) -> None:
    index = archive.pack(make_cifar(tmp_path / "cifar-10-batches-py"), tmp_path / "out", engine=ThreadEngine(2))
    assert (len(index), index.classes, index.skipped) == (22, tuple(NAMES), ())


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch pickled",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickle.dumps(Evil()), r"names posix.system, so it was not read: a pickle can run any program"),
        (pickle.dumps({"data": Evil()}, protocol=0), r"names posix.system"),
        (pickle.dumps(np.zeros(3, np.float32)), r"has an array of f4"),
        (pickle.dumps(np.zeros(3, object)), r"has an array of O"),
        (pickle.dumps({1, 2}), r"has the step EMPTY_SET"),
        (pickle.dumps(Path("x")), r"names pathlib"),
        (b"cbuiltins\neval\n(S'1'\ntR.", r"names builtins.eval"),
        (b"cnumpy\nndarray\n(K\x01tR.", r"calls numpy ndarray"),
        (b"}K\x01b.", r"sets the state of a dict"),
        (b"Pname\n.", r"has the step PERSID"),
    ],
)
def test_pickles_of_programs_are_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CodecError, match=reason):
        read_plain_pickle(io.BytesIO(data), "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"no pickle",
        b"\x80\x02}",
        b"(.",
        b"K",
        b"t.",
        b"cnumpy\ndtype\n)" + b"\x85" * 30_000 + b"R.",
        b")" + b"\x85" * 30_000 + b"\x8c\x01x\x93.",
        b"]K\x01s.",
        b"h\x01.",
        b"T\xff\xff\xff\x7fabc.",
        b"}" + b")" + b"\x85" * 10**6 + b"Ns.",
    ],
)
def test_damaged_pickles_are_a_sentence(data: bytes) -> None:
    with pytest.raises(CodecError, match=r"x (is no pickle, or a damaged one|is a pickle)"):
        read_plain_pickle(io.BytesIO(data), "x")


def test_every_cut_and_changed_byte_of_a_batch_is_an_error_or_a_value() -> None:
    data = b"\x80\x02" + as_python_2({"data": np.zeros((1, 8), np.uint8), "labels": [3]}) + b"."
    for i in range(len(data)):
        for changed in (data[:i], data[:i] + bytes([data[i] ^ 0x15]) + data[i + 1 :]):
            try:
                read_plain_pickle(io.BytesIO(changed), "x")
            except CodecError as err:
                assert str(err)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": [0, 1]}, "its labels are not 4 numbers"),
        ({"labels": [0, 1, 2, "x"]}, "its labels are not 4 numbers"),
        ({"data": np.zeros((4, 3000), np.uint8)}, r"its data are (4, 3000); allowed is an array of bytes (n, 3072)"),
        ({"data": [1]}, "its data are no array"),
    ],
)
def test_batches_that_do_not_fit_are_left_out_by_name(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    folder = make_cifar(tmp_path)
    (folder / "data_batch_2").write_bytes(b"\x80\x02" + as_python_2(batch_of(2, [0, 1, 2, 2]) | change) + b".")
    source = open_pack_source(folder)
    ((name, why),) = source.skipped
    assert name == "data_batch_2" and why.startswith(reason)
    assert len(source.samples) == 18


def idx(values: Any) -> bytes:
    return struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


def make_mnist(folder: Path, *, packed: bool = False, prefix: str = "") -> tuple[Path, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(3).integers(0, 256, (7, 28, 28)).astype(np.uint8)
    labels = np.array([0, 9, 2, 3, 4, 5, 1], np.uint8)
    for split, rows in (("train", slice(0, 5)), ("t10k", slice(5, 7))):
        for name, values in (("images-idx3", pixels[rows]), ("labels-idx1", labels[rows])):
            data = idx(values)
            path = folder / f"{prefix}{split}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(data) if packed else data)
    return folder, pixels


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_has_its_pictures_classes_and_splits(tmp_path: Path, packed: bool) -> None:
    folder, pixels = make_mnist(tmp_path / "MNIST" / "raw", packed=packed)
    for path in (folder, tmp_path):
        source = open_pack_source(path)
        assert source.classes == tuple("0123456789")
        labels = [(sample.split, sample.label) for sample in source.samples]
        assert labels == [("test", 5), ("test", 1), *(("train", label) for label in (0, 9, 2, 3, 4))]
        again: PackSource = pickle.loads(pickle.dumps(source))
        found = np.stack([pixels_in(again, sample)[:, :, 0] for sample in source.samples])
        assert np.array_equal(found, np.concatenate([pixels[5:], pixels[:5]]))
    index = archive.pack(folder, tmp_path / "out", PackIndexOptions(), engine=ThreadEngine(1))
    assert (len(index), index.skipped) == (7, ())


def test_mnist_as_it_is_counts_before_its_gz(tmp_path: Path) -> None:
    make_mnist(tmp_path)
    make_mnist(tmp_path, packed=True)
    assert len(open_pack_source(tmp_path).samples) == 7


def test_said_splits_of_mnist(tmp_path: Path) -> None:
    folder, _ = make_mnist(tmp_path)
    assert {sample.split for sample in open_pack_source(folder, {}).samples} == {"all"}
    assert {sample.split for sample in open_pack_source(folder, {"test": "val"}).samples} == {"val"}


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("t10k-images-idx3-ubyte", b"", "ends within it, after 0 of 16 bytes"),
        ("t10k-images-idx3-ubyte", struct.pack(">4I", 0x801, 2, 28, 28), "is no idx file of pictures"),
        ("t10k-images-idx3-ubyte", struct.pack(">4I", 0x803, 2, 1 << 31, 28), "is no idx file of pictures"),
        (
            "t10k-images-idx3-ubyte",
            struct.pack(">4I", 0x803, 1 << 31, 28, 28),
            "has 0 bytes of pictures, its head tells",
        ),
        ("t10k-labels-idx1-ubyte", struct.pack(">2I", 0x801, 3) + b"ab", "is no idx file of labels"),
        ("t10k-labels-idx1-ubyte", struct.pack(">2I", 0x801, 3) + b"abc", "it has 2 pictures and 3 labels"),
        ("t10k-labels-idx1-ubyte", None, "its labels, t10k-labels-idx1-ubyte, are not there"),
    ],
)
def test_damaged_files_of_mnist_are_left_out_by_name(
    tmp_path: Path, name: str, data: bytes | None, reason: str
) -> None:
    folder, _ = make_mnist(tmp_path)
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    source = open_pack_source(folder)
    assert {sample.split for sample in source.samples} == {"train"}
    ((where, why),) = source.skipped
    assert where == "t10k-images-idx3-ubyte" and reason in why


def test_a_cut_gz_is_left_out_by_name(tmp_path: Path) -> None:
    folder, _ = make_mnist(tmp_path, packed=True)
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:100])
    ((where, why),) = open_pack_source(folder).skipped
    assert where == path.name and "is damaged" in why


def test_sets_of_emnist_are_packed_one_at_a_time(tmp_path: Path) -> None:
    make_mnist(tmp_path, prefix="emnist-letters-")
    assert len(open_pack_source(tmp_path).samples) == 7
    make_mnist(tmp_path, prefix="emnist-digits-")
    with pytest.raises(CodecError, match=r"holds several data sets \(emnist-digits-, emnist-letters-\)"):
        open_pack_source(tmp_path)
