"""The golden files and packets of format version 1 against the codec and against the reference decoder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from module_files import load_module

from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.zoo import read_zoo_entry, shipped_models
from laconic.entropy import BitstreamError, simd

golden = load_module("golden/make_golden.py")
reference = load_module("entropy/reference_decoder.py")
RECORDS: dict[str, dict[str, Any]] = golden.read_index()
MODEL_PATHS = {entry.fingerprint.hex(): entry.path for entry in shipped_models()}
MODEL_PATHS |= {read_zoo_entry(str(path)).fingerprint.hex(): path for path in golden.MODEL_FOLDER.glob("*.safetensors")}
SMALL_NAMES = (
    "rgb_1x7",
    "grey_1x1",
    "rgba_1x1_transparent",
    "rgb_best_1x7_q90",
    "sound_1_sample",
    "sound_tags_short",
    "cube_lines_of_one_value",
)
SMALL = [case for case in golden.CASES if case.name in SMALL_NAMES]

PACKET_RECORDS: dict[str, dict[str, Any]] = golden.read_index(golden.PACKET_FOLDER)
PACKET_TABLES, _ = reference.read_tables((golden.PACKET_FOLDER / golden.TABLES).read_bytes())

each_case = pytest.mark.parametrize("case", golden.CASES, ids=lambda case: case.name)


def _bytes_of(case: Any) -> bytes:
    data: bytes = (golden.FOLDER / f"{case.name}.lcn").read_bytes()
    return data


def test_every_case_has_a_file_and_a_record() -> None:
    names = {case.name for case in golden.CASES}
    assert names == set(RECORDS), "run tests/golden/make_golden.py"
    assert names == {path.stem for path in golden.FOLDER.glob("*.lcn")}
    assert sum(record["num_bytes"] for record in RECORDS.values()) < 200_000


@each_case
def test_encoding_gives_the_same_bytes(case: Any) -> None:
    stored = _bytes_of(case)
    assert hashlib.sha256(stored).hexdigest() == RECORDS[case.name]["sha256"]
    assert case.expression == RECORDS[case.name]["codec"]
    assert case.encode() == stored


@each_case
def test_decoding_gives_the_same_integers_and_samples(case: Any) -> None:
    assert golden.record(case, _bytes_of(case)) == RECORDS[case.name]


@each_case
def test_reference_decoder_gives_the_same_integers(case: Any) -> None:
    record = RECORDS[case.name]
    decoded = reference.decode_file(_bytes_of(case), MODEL_PATHS[record["model"]])
    values = np.array(decoded.values, np.int32)
    stored = record["latent_shape"][0]
    assert decoded.num_stored == stored
    assert golden.digest(values[:stored]) == record["latent_sha256"]
    assert not values[stored:].any()
    sample = np.uint16 if decoded.header.flags & reference.DEEP else np.uint8
    alpha = None if decoded.alpha is None else np.array(decoded.alpha, sample)
    assert golden.digest(alpha) == record["alpha_sha256"]
    assert (decoded.header.shape, decoded.header.sample_rate) == (tuple(record["size"]), record["sample_rate"])
    assert (decoded.header.level_codes, decoded.header.offset_codes) == tuple(record["levels"])
    assert decoded.bit_depth == getattr(case.signal(), "bit_depth", 0)
    assert list(decoded.color_axes or ()) == record.get("color_axes", [])
    assert (decoded.color_axes is not None) == case.chooses_colors
    metadata = {"icc": decoded.icc_profile, "exif": decoded.exif}
    signal, kept = case.signal(), {k: v for k, v in metadata.items() if v is not None}
    if isinstance(signal, Audio):
        said = signal.metadata
        number = (None, "int16", "int24", "float32").index(said.sample_format)
        assert (decoded.sound, kept) == ((number, said.channel_mask, said.tags), {})
    else:
        assert kept == dict(getattr(signal, "metadata", {}))


@pytest.mark.parametrize("options", [{}, {"tile_log2": 3, "quality": 80}])
def test_reference_decoder_gives_the_same_integers_of_profile_best(options: dict[str, Any]) -> None:
    """Of a file that is made here."""
    y, x, c = np.mgrid[:19, :27, :3]
    codec = Lcn(profile="best", **options)
    data = codec.encode(Image(((x * 9 + y * y * (c + 1) + 40 * ((x // 7 + y // 5) % 2)) % 256).astype(np.uint8)))
    decoded = reference.decode_file(data, MODEL_PATHS[data[7:11].hex()])
    values = codec.unpack(data).values
    assert decoded.header.profile == reference.BEST
    assert np.array_equal(np.array(decoded.values)[: len(values)], values)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_both_decoders_notice_every_changed_byte(case: Any) -> None:
    data = _bytes_of(case)
    model = reference.read_model(MODEL_PATHS[RECORDS[case.name]["model"]])
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :]
        with pytest.raises(reference.DecodeError):
            reference.decode(changed, model)
        with pytest.raises((BitstreamError, CodecError)):
            case.codec.unpack(changed)
        with pytest.raises(reference.DecodeError):
            reference.decode(data[:position], model)


each_packet = pytest.mark.parametrize("case", golden.PACKET_CASES, ids=lambda case: case.name)


@pytest.fixture
def fastest_simd_afterwards() -> Iterator[None]:
    level = simd.current()
    yield
    simd.use(level)


def _packet_of(case: Any) -> bytes:
    """The stored bytes; those of a packet that is not kept are made, and must have the stored hash."""
    path = golden.PACKET_FOLDER / f"{case.name}.packet"
    data: bytes = path.read_bytes() if case.is_kept else case.encode()
    assert hashlib.sha256(data).hexdigest() == PACKET_RECORDS[case.name]["sha256"]
    return data


def _layout_of(case: Any) -> Any:
    count, numbers = case.values().size, np.asarray(case.indices())
    is_single = numbers.ndim > 0 and numbers.size == count
    return reference.Layout(count, [PACKET_TABLES[number] for number in numbers.reshape(-1)], is_single)


def test_every_packet_has_a_file_and_a_record() -> None:
    assert {case.name for case in golden.PACKET_CASES} == set(PACKET_RECORDS), "run tests/golden/make_golden.py"
    kept = {case.name for case in golden.PACKET_CASES if case.is_kept}
    assert kept == {path.stem for path in golden.PACKET_FOLDER.glob("*.packet")}
    assert sum(PACKET_RECORDS[name]["num_bytes"] for name in kept) < 50_000
    assert (golden.PACKET_FOLDER / golden.TABLES).read_bytes() == golden.packet_tables().to_bytes()


def test_packets_have_every_number_of_lanes_and_both_checks() -> None:
    forms = set()
    for case in golden.PACKET_CASES:
        reader = reference.Reader(_packet_of(case))
        if reader.varint() % 2 == 0:
            form = reader.unsigned(1)
            forms.add((4 << (form & 7), bool(form & 8)))
    assert forms >= {(4, False), (8, False), (16, False), (16, True), (32, True), (64, True)}


@each_packet
@pytest.mark.parametrize("level", simd.available())
def test_encoding_gives_the_same_packet(case: Any, level: str, fastest_simd_afterwards: None) -> None:
    simd.use(level)
    assert case.encode() == _packet_of(case)
    assert dict(case.options) == PACKET_RECORDS[case.name]["options"]


@each_packet
@pytest.mark.parametrize("level", simd.available())
def test_packets_decode_to_the_same_values(case: Any, level: str, fastest_simd_afterwards: None) -> None:
    simd.use(level)
    assert golden.record_packet(case, _packet_of(case)) == PACKET_RECORDS[case.name]


@each_packet
def test_integers_come_back(case: Any) -> None:
    values = case.values()
    if values.dtype.kind == "i":
        assert np.array_equal(case.decode(_packet_of(case)), values.reshape(-1))


@each_packet
def test_reference_decoder_gives_the_same_values(case: Any) -> None:
    values = np.array(reference.decode_packet(_packet_of(case), _layout_of(case)), np.int32)
    assert golden.digest(values) == PACKET_RECORDS[case.name]["values_sha256"]
