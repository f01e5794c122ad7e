"""Models inside of files: decoded without --model, said by `info`, and refused where they are damaged or another."""

import json
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from laconic.codecs import Cube, FitOptions, Image, Lcn, decode, encode, fit
from laconic.codecs.errors import CodecError, UnknownModelError, WeightsError
from laconic.codecs.models.embedded_model import packed_model
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import full_tree
from laconic.codecs.models.zoo import load_model, model_path
from laconic.entropy import BitstreamError, CorruptStreamError, Limits
from laconic.entropy.container import Source, read_header, write_header
from laconic.tasks.cli import app

SAMPLES = (100 * np.random.default_rng(4).normal(size=(2, 1500)).cumsum(axis=1)).clip(-9000, 9000).astype(np.int16)


@cache
def model() -> Model:
    return fit([Cube(SAMPLES[:, :1000])], "ecg", FitOptions(tree=full_tree(1, 2)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    model().save(tmp_path / "ecg.safetensors")
    return tmp_path / "ecg.safetensors"


def laconic(*arguments: object, exit_code: int = 0) -> str:
    """A command in this process; all that it printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_a_cube_decodes_without_its_model_where_that_is_embedded(path: Path) -> None:
    cube = Cube(SAMPLES)
    plain, embedded = (encode(cube, model=str(path), embed_model=flag) for flag in (False, True))
    with pytest.raises(UnknownModelError, match="not at hand"):
        Lcn().decode(plain)
    assert Lcn().decode(embedded) == Lcn(model=str(path)).decode(plain)
    assert len(embedded) - len(plain) == len(packed_model(model().fingerprint, str(path))) + 4  # its number and length
    assert encode(cube, model=str(path), embed_model=True) == embedded


def test_latents_keep_the_embedded_model(path: Path) -> None:
    codec = Lcn(model=str(path), embed_model=True)
    data = codec.encode(Cube(SAMPLES))
    latent = Lcn().unpack(data)
    assert Lcn().pack(latent) == data
    assert Lcn().synthesize(latent) == codec.decode(data)
    assert codec.pack(codec.analyze(Cube(SAMPLES))) == data


def test_a_picture_may_hold_a_shipped_model() -> None:
    image = Image(np.full((40, 56, 3), 90, np.uint8))
    data = encode(image, embed_model=True)
    assert decode(data) == decode(encode(image))
    header = read_header(Source(data))
    assert header.packed_model == packed_model(header.fingerprint, "rgb")


def test_a_sound_of_an_own_model(tmp_path: Path) -> None:
    mono = load_model("speech_mdct")
    renamed = replace(mono, shrink=mono.shrink / 2)
    renamed.save(tmp_path / "own.safetensors")
    data = encode(
        (np.sin(np.arange(4000) / 9).astype(np.float32), 16_000),
        model=str(tmp_path / "own.safetensors"),
        embed_model=True,
    )
    assert Lcn().decode(data).samples.shape == (1, 4000)


def test_command_line_embeds_and_says_it(path: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=SAMPLES, b=SAMPLES[:1])
    laconic("encode", tmp_path / "x.npz", "--model", path, "--array", "a", "--embed-model")
    said = json.loads(laconic("info", tmp_path / "x.lcn", "--json"))
    assert said["model"] == "ecg" and said["planes"] == 2 and said["sections"] == ["index", "model"]
    assert 0 < said["embedded_model_bytes"] < said["bytes"]
    assert "embedded model bytes" in laconic("info", tmp_path / "x.lcn")
    laconic("verify", tmp_path / "x.lcn")
    laconic("decode", tmp_path / "x.lcn", "-o", tmp_path / "y.npy")
    error = np.load(tmp_path / "y.npy").astype(float) - SAMPLES
    assert np.sqrt((error**2).mean()) < 0.25 * SAMPLES.std()
    assert "name one with --array" in laconic("encode", tmp_path / "x.npz", "--model", path, "--force", exit_code=1)


def test_a_folder_of_cubes_is_encoded_by_its_extensions(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "a.npy", SAMPLES)
    (folder / "r.dat").write_bytes(SAMPLES.T.astype("<i2").tobytes())
    (folder / "r.hea").write_text("r 2 360\nr.dat 16\nr.dat 16\n")
    assert "2 of 2 files done, 1 of other kinds skipped" in laconic(
        "encode", folder, "-o", tmp_path / "out", "--model", path
    )
    assert Lcn(model=str(path)).decode(tmp_path / "out/r.lcn") == Lcn(model=str(path)).decode(tmp_path / "out/a.lcn")


def test_lossless_and_embed_model_exclude_each_other() -> None:
    with pytest.raises(CodecError, match="lossless and embed_model exclude each other"):
        encode((np.zeros(100, np.int16), 8000), lossless=True, embed_model=True)


def with_section(data: bytes, section: bytes) -> bytes:
    source = Source(data)
    header = read_header(source)
    return write_header(replace(header, packed_model=section)) + data[source.position :]


def test_hostile_sections_are_refused(path: Path) -> None:
    data = encode(Cube(SAMPLES), model=str(path), embed_model=True)
    file = path.read_bytes()
    bomb = b"\x01" + zlib.compress(bytes(Limits().max_metadata_bytes + 1), 9)
    claims = b"\x00" + (1 << 62).to_bytes(8, "little") + file[8:]
    for section in (
        b"",
        b"\x00",
        b"\x01",
        b"\x02" + file,
        b"\x00" + file[:-1],
        b"\x00" + file[:100],
        bomb,
        claims,
        b"\x00pickle",
    ):
        with pytest.raises(BitstreamError):
            Lcn().unpack(with_section(data, section))
    assert Lcn().unpack(with_section(data, b"\x00" + file)).fingerprint == model().fingerprint


def test_damage_in_a_model_never_passes(path: Path) -> None:
    """Whatever byte is another, the file is refused, or the model is the same but for its name and card."""
    data, file = encode(Cube(SAMPLES), model=str(path), embed_model=True), bytearray(path.read_bytes())
    rng = np.random.default_rng(8)
    wanted = Lcn(model=str(path)).decode(data)
    for at in rng.integers(0, len(file), 60).tolist():
        damaged = bytearray(file)
        damaged[at] ^= 1 << int(rng.integers(8))
        try:
            found = Lcn().decode(with_section(data, b"\x00" + bytes(damaged)))
        except BitstreamError:
            continue
        assert found == wanted


def test_the_model_of_another_file_is_refused(path: Path) -> None:
    data = encode(Cube(SAMPLES), model=str(path), embed_model=True)
    other = b"\x00" + model_path("grey").read_bytes()
    with pytest.raises(CorruptStreamError, match=r"embeds model \w{8} and was made with"):
        Lcn().unpack(with_section(data, other))
    assert Lcn(model=str(path)).unpack(with_section(data, other)).size == SAMPLES.shape  # which is not looked at then


def test_a_model_file_that_has_changed_is_not_embedded(path: Path) -> None:
    found = load_model(str(path))
    path.write_bytes(model_path("grey").read_bytes())
    with pytest.raises(WeightsError, match="has changed since"):
        packed_model(found.fingerprint, str(path))
