"""The golden files of format version 1 against the codec and against the reference decoder."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from laconic.codecs.errors import CodecError
from laconic.codecs.zoo import shipped_models
from laconic.entropy import BitstreamError


def _load(relative: str) -> ModuleType:
    path = Path(__file__).parent / relative
    spec = importlib.util.spec_from_file_location(f"laconic_tests_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


golden = _load("golden/make_golden.py")
reference = _load("entropy/reference_decoder.py")
RECORDS: dict[str, dict[str, Any]] = golden.read_index()
MODEL_PATHS = {entry.fingerprint.hex(): entry.path for entry in shipped_models()}
SMALL = [case for case in golden.CASES if case.name in ("rgb_1x7", "grey_1x1", "rgba_1x1_transparent")]

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
def test_decoding_gives_the_same_integers_and_pixels(case: Any) -> None:
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
    assert (decoded.header.height, decoded.header.width) == tuple(record["pixels_shape"][:2])
    metadata = {"icc": decoded.icc_profile, "exif": decoded.exif}
    assert {k: v for k, v in metadata.items() if v is not None} == dict(case.picture().metadata)


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
