"""Files of cubes -> arrays; and what is damaged, hostile or not a cube."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.files import read_signal
from laconic.codecs.formats.cube_files import read_cube_samples
from laconic.codecs.notes import collect_notes
from laconic.entropy import BitstreamError, ChecksumError, CorruptStreamError, LimitError, Limits, TruncatedError

RNG = np.random.default_rng(5)
RECORD = "r 2 360 5\nr.dat 212 200 11 0 1 {0} 0 MLII\nr.dat 212 200 11 0 -2 {1} 0 V5\n"
ECG = np.array([[1, -2048, 2047, 0, 5], [-2, 7, -1, 1000, -1000]], np.int16)


def test_npz_gives_its_only_array_or_the_one_that_is_named(tmp_path: Path) -> None:
    first, second = RNG.integers(0, 255, (3, 4, 5), np.uint8), RNG.integers(-9, 9, (2, 7)).astype(np.int16)
    np.savez_compressed(tmp_path / "one.npz", first)
    np.savez(tmp_path / "two.npz", a=first, b=second)
    assert np.array_equal(read_signal(tmp_path / "one.npz", kind="cube").samples, first)
    assert np.array_equal(read_signal(tmp_path / "two.npz", kind="cube", array="b").samples, second)
    with pytest.raises(CodecError, match="2 arrays, a, b; name one with --array"):
        read_signal(tmp_path / "two.npz", kind="cube")
    with pytest.raises(CodecError, match="no array 'c'; allowed are a, b"):
        read_signal(tmp_path / "two.npz", kind="cube", array="c")


def test_npz_of_pickled_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "o.npz", np.array([{"a": 1}], object))
    with pytest.raises(CodecError, match="object"):
        read_signal(tmp_path / "o.npz", kind="cube")


def test_npz_larger_than_the_limit_is_not_inflated() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("a.npy", bytes(1 << 16))
    with pytest.raises(LimitError, match="65536 bytes"):
        read_cube_samples(io.BytesIO(buffer.getvalue()), limits=Limits(max_pixels=1000))


def test_mat_gives_the_array_that_is_named(tmp_path: Path) -> None:
    io_ = pytest.importorskip("scipy.io")
    cube = RNG.normal(size=(3, 6, 5))
    io_.savemat(tmp_path / "c.mat", {"Y": cube, "n": 4.0, "text": "words"}, do_compression=True)
    with collect_notes() as notes:  # the only one with sides
        found = read_signal(tmp_path / "c.mat", kind="cube").samples
    assert found.dtype == np.float32 and np.array_equal(found, cube.astype(np.float32))
    assert "float64 became float32" in notes[0]
    with pytest.raises(CodecError, match="no array 'Z'; allowed are Y, n"):
        read_signal(tmp_path / "c.mat", kind="cube", array="Z")


@pytest.mark.parametrize("head", [b"MATLAB 7.3 MAT-file, Platform", b"\x89HDF\r\n\x1a\n"])
def test_mat_of_version_7_3_is_refused_in_a_sentence(head: bytes) -> None:
    with pytest.raises(UnsupportedSignalError, match=r"MATLAB 7\.3 \(HDF5\).*save it with -v7"):
        read_cube_samples(io.BytesIO(head + bytes(600)))


def test_damaged_mat_is_a_corrupt_stream(tmp_path: Path) -> None:
    io_ = pytest.importorskip("scipy.io")
    io_.savemat(tmp_path / "c.mat", {"Y": RNG.normal(size=(3, 40))})
    data = (tmp_path / "c.mat").read_bytes()
    for end in (130, 140, 200, len(data) - 9):
        with pytest.raises((CodecError, BitstreamError)):
            read_cube_samples(io.BytesIO(data[:end]))


def test_pages_of_a_tiff_stack_are_planes(tmp_path: Path) -> None:
    planes = RNG.integers(0, 65535, (3, 5, 4)).astype(np.uint16)
    pages = [PillowImage.fromarray(plane) for plane in planes]
    pages[0].save(tmp_path / "s.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    assert np.array_equal(read_signal(tmp_path / "s.tif", kind="cube").samples, planes)
    with pytest.raises(LimitError, match="3 pages of 4x5"):
        read_signal(tmp_path / "s.tif", kind="cube", limits=Limits(max_pixels=59))
    with pytest.raises(CodecError, match="holds one array"):
        read_signal(tmp_path / "s.tif", kind="cube", array="a")


def test_pages_of_other_sizes_and_colours_are_refused(tmp_path: Path) -> None:
    grey, wide = (PillowImage.fromarray(np.zeros(shape, np.uint8)) for shape in ((4, 4), (4, 5)))
    grey.save(tmp_path / "a.tif", save_all=True, append_images=[wide])
    with pytest.raises(UnsupportedSignalError, match="page 1 has 5x4 pixels, page 0 4x4"):
        read_signal(tmp_path / "a.tif", kind="cube")
    PillowImage.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "b.tif")
    with pytest.raises(UnsupportedSignalError, match="mode RGB; allowed are grey pages"):
        read_signal(tmp_path / "b.tif", kind="cube")


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([[0, 255]], np.int64), np.uint8),
        (np.array([[-5, 300]], np.int32), np.int16),
        (np.array([[0, 65535]], np.float64).astype(np.int64), np.uint16),
        (np.array([[0.5, 2.0]], np.float64), np.float32),
        (np.array([[0.5, 2.0]], np.float16), np.float32),
    ],
)
def test_samples_of_other_types_are_held_exactly_where_they_can(array: np.ndarray, kind: type) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    buffer.seek(0)
    with collect_notes() as notes:
        found = read_cube_samples(buffer)
    assert found.dtype == kind and np.array_equal(found, array) and not notes


def test_whole_numbers_beyond_16_bits_are_refused() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([[-1, 65535]]))
    buffer.seek(0)
    with pytest.raises(UnsupportedSignalError, match="from -1 to 65535"):
        read_cube_samples(buffer)


def test_other_bytes_are_no_cube() -> None:
    with pytest.raises(UnsupportedSignalError, match=r"allowed are \.npy, \.npz"):
        read_cube_samples(io.BytesIO(b"\x00\x01nothing"))
    with pytest.raises(TruncatedError, match="empty"):
        read_cube_samples(io.BytesIO(b""))


def test_wfdb_record_of_12_bits(tmp_path: Path) -> None:
    path = write_record(tmp_path, sums=(5, 4))
    with collect_notes() as notes:
        assert np.array_equal(read_signal(path, kind="cube").samples, ECG)
    assert "360 Hz" in notes[0] and "MLII, V5" in notes[0]


@pytest.mark.parametrize(
    ("form", "kind", "offset"), [(16, "<i2", 0), (61, ">i2", 0), (80, "u1", 128), (160, "<u2", 1 << 15)]
)
def test_wfdb_formats(tmp_path: Path, form: int, kind: str, offset: int) -> None:
    samples = np.array([[-3, 100, 7], [127, -128, 0]], np.int16)
    (tmp_path / "x.dat").write_bytes(b"skip" + (samples.T.astype(np.int32) + offset).astype(kind).tobytes())
    (tmp_path / "x.hea").write_text(f"# a comment\nx 2\nx.dat {form}+4\nx.dat {form}+4\n")
    with collect_notes():
        assert np.array_equal(read_signal(tmp_path / "x.hea", kind="cube").samples, samples)


def test_wfdb_record_of_several_files(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.dat").write_bytes(struct.pack("<2h", number, -number))
    (tmp_path / "x.hea").write_text("x 2 10 2\n0.dat 16\n1.dat 16\n")
    with collect_notes():
        assert read_signal(tmp_path / "x.hea", kind="cube").samples.tolist() == [[0, 0], [1, -1]]


def test_wfdb_checksum_is_verified(tmp_path: Path) -> None:
    with pytest.raises(ChecksumError, match="signal 1 of the record"):
        read_signal(write_record(tmp_path, sums=(5, 3)), kind="cube")


@pytest.mark.parametrize(
    ("header", "error", "match"),
    [
        ("r 2 360 5\n../r.dat 16\n../r.dat 16\n", UnsupportedSignalError, "its own folder"),
        ("r 2 360 5\n/etc/passwd 16\nr.dat 16\n", UnsupportedSignalError, "its own folder"),
        ("r 2 360 9999999\nr.dat 16\nr.dat 16\n", TruncatedError, "its header says 9999999"),
        ("r 2 360 999999999999\nr.dat 16\nr.dat 16\n", LimitError, "over the limit"),
        ("r 999999999 360 5\nr.dat 16\n", CorruptStreamError, "claims 999999999 signals"),
        ("r 0 360 5\n", CorruptStreamError, "claims 0 signals"),
        ("r/2 1 360 5\na 2\nb 3\n", UnsupportedSignalError, "several segments"),
        ("r 1 360 5\nr.dat 311\n", UnsupportedSignalError, "format 311; allowed are 16, 61, 80, 160, 212"),
        ("r 1 360 5\nr.dat 16x4\n", UnsupportedSignalError, "several samples a frame"),
        ("r 1 360 5\nr.dat\n", CorruptStreamError, "needed are a file, a format"),
        ("r 1 360 5\nr.dat 16 1 1 0 0 word\n", CorruptStreamError, "checksum of the WFDB header"),
        ("r 2 360 2\nr.dat 16\nr.dat 212\n", UnsupportedSignalError, "several formats"),
        ("r 1 360 1\nr.dat 16+99999999999999\n", TruncatedError, "0 samples of each signal"),
    ],
)
def test_hostile_wfdb_headers(tmp_path: Path, header: str, error: type[Exception], match: str) -> None:
    (tmp_path / "r.dat").write_bytes(bytes(20))
    (tmp_path / "r.hea").write_text(header)
    with pytest.raises(error, match=match):
        read_signal(tmp_path / "r.hea", kind="cube")


def test_wfdb_header_without_its_path_is_refused() -> None:
    with pytest.raises(UnsupportedSignalError, match="give its path"):
        read_signal(RECORD.format(5, 4).encode(), kind="cube")


def test_array_is_for_cubes_only(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="for cubes only"):
        read_signal(tmp_path / "a.npz", array="a")


def write_record(folder: Path, *, sums: tuple[int, int]) -> Path:
    """`ECG` in format 212, with these checksums."""
    packed = bytearray()
    for first, second in ECG.T.tolist():
        first, second = first & 0xFFF, second & 0xFFF
        packed += bytes([first & 255, first >> 8 | second >> 8 << 4, second & 255])
    (folder / "r.dat").write_bytes(bytes(packed))
    (folder / "r.hea").write_text(RECORD.format(*sums))
    return folder / "r.hea"
