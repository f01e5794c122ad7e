"""Fuzz target of the .lcn parser, which is Python: header, sections, segments, planes, alpha, partial decoding.

usage: fuzz_container.py --make-corpus FOLDER    write the inputs to begin with
       fuzz_container.py --reduce FOLDER FOLDER...    copy to the first folder what reaches a line or error of its own
       fuzz_container.py --lines FOLDER          replay a folder and print which lines of the parser it reaches
       fuzz_container.py [libFuzzer options] FOLDER...    fuzz with atheris, where it is installed

An input is a mode byte and a file. What would end reading before it begins is repaired: with SKIP_CHECKS every checksum is
taken for right; fingerprint and profile are changed into those of a model and a profile that are there; with BUILD the
bytes are no file but fields and payloads, out of which a file of right lengths is made. Whatever comes out, only
`BitstreamError` and `CodecError` may escape, all SIMD levels must agree, and a latent that comes out whole must survive
being packed again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import random
import re
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

from laconic.codecs.errors import CodecError
from laconic.codecs.latent import Latent
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.model import Model
from laconic.codecs.models.zoo import shipped_models
from laconic.codecs.notes import collect_notes
from laconic.codecs.packing import unpacker
from laconic.codecs.packing.layout import layout_channels, layout_group_bounds
from laconic.codecs.packing.segment_reader import SegmentReading
from laconic.codecs.packing.unpacker import Unpacker
from laconic.codecs.sound_metadata import SoundMetadata
from laconic.codecs.sounds.lossless_codec import LcnLossless
from laconic.codecs.sounds.lossless_decoder import LosslessSound, is_lossless_sound
from laconic.codecs.sounds.sound_part import LosslessSoundPart
from laconic.entropy import (
    BitstreamError,
    Limits,
    _native,
    container,
    contexts,
    lossless,
    planes,
    rans,
    simd,
    static_symbols,
    tile_symbols,
)
from laconic.entropy.container import (
    MAX_LEVEL_CODE,
    SAMPLE_TYPES,
    CodecNumber,
    ContainerSegment,
    Flag,
    Header,
    Profile,
    Source,
    read_header,
    varint,
    write_container_segment,
    write_header,
)

SKIP_CHECKS, ALLOW_PARTIAL, FEW_CHANNELS, BUILD, AS_FILE = (1 << bit for bit in range(5))
LIMITS = Limits(max_pixels=1 << 13, max_metadata_bytes=1 << 12)
KIND_AT, FINGERPRINT_AT = 6, 7
MAX_SIZE = 1 << 12
LEAST_OF_BEST = 192  # from this byte on, a built file has profile best
PARSER = (container, planes, tile_symbols, static_symbols, lossless, contexts, rans, unpacker)


class Agreeable(int):
    """A checksum that equals whatever it is compared with."""

    def __and__(self, other: object) -> Agreeable:
        return Agreeable(int(self) & int(other))  # type: ignore[call-overload]

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


class WithoutChecks:
    """The native module, but for its checksums."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_native, name)

    def crc32c(self, data: bytes, seed: int = 0) -> Agreeable:
        return Agreeable(_native.crc32c(data, int(seed)))

    def crc32c_planes(self, data: Any, seed: int = 0) -> Agreeable:
        return Agreeable(_native.crc32c_planes(data, int(seed)))


@contextmanager
def checks_skipped() -> Iterator[None]:
    """Checksums agree until the block ends."""
    container._native = static_symbols._native = WithoutChecks()  # type: ignore[assignment]
    try:
        yield
    finally:
        container._native = static_symbols._native = _native


class Choices:
    """Bytes of an input, one after the other; where they have ended, 0."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def byte(self, end: int = 256) -> int:
        self._at += 1
        return self._data[self._at - 1] % end if self._at <= len(self._data) else 0

    def take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._data)


def built(data: bytes) -> bytes:
    """A file of fields and payloads from these bytes."""
    choices = Choices(data)
    codec = CodecNumber(1 + choices.byte(3))
    shape = tuple(1 + choices.byte(48) for _ in range(2 + (codec is CodecNumber.CUBE and choices.byte(2))))
    flags = Flag(choices.byte() & sum(Flag) & ~(Flag.SECTIONS | Flag.TILED))
    tile, stored, metadata = choices.byte(8), choices.byte(), choices.byte(4)
    num_levels = shape[0] if choices.byte(2) else 1
    profile = Profile.BEST if (number := choices.byte()) >= LEAST_OF_BEST else Profile(1 + number % 2)
    known = fingerprints_of(profile)
    header = Header(
        codec=codec,
        profile=profile,
        fingerprint=known[choices.byte() % len(known)],
        step_code=choices.byte(),
        shape=shape,
        flags=flags,
        tile_log2=tile if tile >= 3 else None,
        stored_channels=stored or None,
        metadata={
            name: choices.take(choices.byte(40)) for bit, name in enumerate(("icc", "exif")) if metadata >> bit & 1
        },
        sample_rate=1 + choices.byte(),
        sample_type=SAMPLE_TYPES[choices.byte(len(SAMPLE_TYPES))],
        level_codes=tuple(32 * choices.byte() - MAX_LEVEL_CODE for _ in range(num_levels)),
        offset_codes=tuple((choices.byte() - 128) << choices.byte(50) for _ in range(shape[0])),
    )
    segments = []
    for number in itertools.count():
        if choices.at_end or number == 200:
            break
        channels, form, length = choices.byte(), choices.byte(), choices.byte() * 2
        lanes = 4 << form % 5
        # States below 2^16 would end a segment at once.
        payload = bytearray(choices.take(4 * lanes + length).ljust(4 * lanes, b"\1"))
        for lane in range(lanes):
            payload[4 * lane + 2] |= 1
        is_empty = channels == 0
        segment = (
            ContainerSegment(b"", 4, False)
            if is_empty
            else ContainerSegment(bytes(payload), lanes, form >= 128, channels)
        )
        segments.append(write_container_segment(segment, number, with_channels=True))
    return write_header(header) + b"".join(segments)


def fingerprints_of(profile: Profile) -> list[bytes]:
    """Of the shipped models that code in it. An input says which by its place, so that it outlives the models."""
    return [m.fingerprint for m in shipped_models() if profile is not Profile.BEST or m.name.endswith("_best")]


def file_of(mode: int, data: bytes) -> bytes:
    """The file that an input stands for."""
    if mode & BUILD:
        return built(data)
    if mode & SKIP_CHECKS and len(data) > KIND_AT and data[KIND_AT] >> 4 not in tuple(Profile):
        kind = data[KIND_AT] % 16 + 16 * (1 + data[KIND_AT] // 16 % 3)
        data = data[:KIND_AT] + bytes([kind]) + data[KIND_AT + 1 :]
    fingerprint = data[FINGERPRINT_AT : FINGERPRINT_AT + 4]
    if mode & SKIP_CHECKS and len(fingerprint) == 4 and fingerprint not in [m.fingerprint for m in shipped_models()]:
        known = fingerprints_of(Profile(data[KIND_AT] >> 4))
        data = data[:FINGERPRINT_AT] + known[fingerprint[0] % len(known)] + data[FINGERPRINT_AT + 4 :]
    return data


def unpack(data: bytes, mode: int) -> tuple[Latent, Model] | str:
    """What comes out, or the error as text; of a lossless sound, its samples as text."""
    source: Any = data
    if mode & AS_FILE:
        source = io.BytesIO(data)
    try:
        channels = 5 if mode & FEW_CHANNELS else None
        reading = SegmentReading(channels, LIMITS, bool(mode & ALLOW_PARTIAL))
        if is_lossless_sound(source):
            sound = LosslessSound(source, reading)
            return (
                f"{LosslessSoundPart(sound, 0, sound.header.shape[1]).audio().samples.tobytes().hex()} {sound.damage}"
            )
        opened = Unpacker(source, reading)
        return unpacker.unpack(opened), opened.model
    except (BitstreamError, CodecError) as err:
        return f"{type(err).__name__}: {err}"


def try_packing_again(latent: Latent) -> None:
    """A latent comes back from a file of its own, in any profile of its model and in one tile or many; with zeros where
    its channels end inside a subband, or inside those with low levels."""
    tile_log2 = 3 if latent.step_code // 2 % 2 else None
    has_networks = latent.fingerprint in fingerprints_of(Profile.BEST)
    profile = profile_of_step(latent.step_code, has_networks=has_networks)
    codec = Lcn(tile_log2=tile_log2, profile=profile.name.lower())  # type: ignore[arg-type]
    try:
        with collect_notes():
            data = codec.pack(latent)
    except CodecError:
        return
    found = codec.unpack(data, limits=LIMITS)
    count = len(latent.values)
    assert not found.values[count:].any(), "channels that were added are not 0"
    found = dataclasses.replace(found, values=found.values[:count], shrink=found.shrink[:count])
    assert found == latent, "a latent changes by being packed"


def profile_of_step(step_code: int, *, has_networks: bool) -> Profile:
    """One of those of a model, a different one for steps next to each other."""
    profiles = tuple(Profile)[: 3 if has_networks else 2]
    return profiles[step_code % len(profiles)]


def try_tiles(latent: Latent, model: Model) -> None:
    """Tiles that are coded and decoded side by side come back, also where int16 is wanted and not enough."""
    if latent.values.size == 0:
        return
    profile = profile_of_step(latent.step_code, has_networks=model.networks is not None)
    if layout_channels(model, len(latent.values), profile) != len(latent.values):
        return
    rules = model.rules_at(latent.step_code, profile)
    wide = latent.values[[-1]] * 0 + 70_000
    tiles = [latent.values, latent.values[:, :1]]
    tiles += [np.concatenate([wide, latent.values[1:]]), np.concatenate([latent.values[:-1], wide])]
    encoders = planes.PlanesEncoder.of_tiles([tile_symbols.TileValues(tile) for tile in tiles], rules, profile)
    decoders = [planes.PlanesDecoder(len(tile), tile.shape, rules, profile, dtype=np.int16) for tile in tiles]
    for group in itertools.pairwise(layout_group_bounds(model, len(latent.values), whole=False)):
        segments = [encoder.segment(planes.PlaneSpan(group)) for encoder in encoders]
        planes.read_planes_together(decoders, segments, group)
    for tile, decoder in zip(tiles, decoders, strict=True):
        assert np.array_equal(decoder.values(), tile), "a tile changes by being coded with others"


def try_file(data: bytes, mode: int) -> tuple[Latent, Model] | str:
    """Read a file at every SIMD level, which have to agree."""
    results = []
    for level in simd.available():
        simd.use(level)
        results.append(unpack(data, mode))
    first = results[0]
    for level, result in zip(simd.available(), results, strict=True):
        if isinstance(first, str) or isinstance(result, str):
            assert result == first, f"{level}: {result} instead of {first}"
        else:
            assert result[0] == first[0] and result[0].damage == first[0].damage, f"{level} decodes something else"
    return first


def run_input(data: bytes) -> str:
    """One input of the fuzzer; "decoded", or the error."""
    mode, data = (data[0], data[1:]) if data else (0, data)
    with checks_skipped() if mode & SKIP_CHECKS else nullcontext():
        result = try_file(file_of(mode, data), mode)
    if isinstance(result, str):
        return result
    if not result[0].damage and not mode & FEW_CHANNELS:
        try_packing_again(result[0])
        try_tiles(*result)
    return "decoded"


def mutated(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A few small changes, the same for the same seed."""
    changed = bytearray(data or b"\0")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        end = min(len(changed), at + rng.randint(1, 32))
        step = rng.randrange(8)
        if step == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif step == 1:
            changed[at] = rng.randrange(256)
        elif step == 2:
            changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif step == 3:
            changed[at] = (changed[at] + rng.randint(-3, 3)) % 256
        elif step == 4 and len(changed) > 1:
            del changed[at:end]
        elif step == 5:
            changed[at:at] = changed[at:end]
        elif step == 6:
            other = rng.choice(others)
            changed[at:] = other[min(at, len(other)) :]
        else:
            changed[0] = rng.randrange(32)  # another mode
        changed = changed[:MAX_SIZE] or bytearray(b"\0")
    return bytes(changed)


def seeds() -> dict[str, bytes]:
    """Small files of every layout, and bytes to build files from."""
    rng = np.random.default_rng(0)

    def picture(height: int, width: int, channels: int, dtype: type = np.uint8) -> Image:
        ramp = np.linspace(40, 200, height)[:, None, None] + np.linspace(0, 30, width)[None, :, None]
        noisy = np.broadcast_to(ramp, (height, width, channels)) + rng.normal(0, 6, (height, width, channels))
        return Image((noisy.clip(0, 255) * (257 if dtype is np.uint16 else 1)).astype(dtype))

    icc = Image(picture(20, 20, 3).samples, {"icc": bytes(range(64)) * 2, "exif": b"Exif\0\0MM"})
    sound = Audio(np.sin(np.arange(3000, dtype=np.float32) / 20)[None] / 2, 16000)
    said = SoundMetadata("int24", 0x4, {"title": "Any", "my own": "text"})
    unequal = Audio(np.stack([sound.samples[0], sound.samples[0] / 500]), 48000)
    few = Lcn(60).unpack(Lcn(60).encode(picture(24, 24, 3)))
    files = {
        "joined": Lcn(30).encode(picture(24, 32, 3)),
        "one": Lcn(50).encode(picture(1, 1, 3)),
        "plain": Lcn(30, tune="psnr").encode(picture(24, 32, 3)),
        "machine": Lcn(30, tune="machine", tile_log2=3).encode(picture(70, 80, 3)),
        "best for machines": Lcn(30, tune="machine", profile="best").encode(picture(20, 30, 3)),
        "grey": Lcn(40).encode(picture(17, 30, 1)),
        "tiles": Lcn(30, tile_log2=3).encode(picture(70, 80, 3)),
        "two tiles": Lcn(30, tile_log2=3).encode(picture(70, 60, 3)),
        "tile-major": Lcn(30, tile_log2=3, progression="tile").encode(picture(70, 80, 3)),
        "whole": Lcn(30, tile_log2=3, grouping="whole").encode(picture(70, 80, 3)),
        "alpha": Lcn(20).encode(picture(12, 20, 4)),
        "deep alpha": Lcn(20, tile_log2=3).encode(picture(12, 70, 4, np.uint16)),
        "sections": Lcn(20).encode(icc),
        "few channels": Lcn(60).pack(Lcn(60).unpack(Lcn(60).encode(picture(24, 24, 3)), channels=9)),
        "many tiles": Lcn(5, tile_log2=3).encode(picture(88, 90, 1)),
        "sound": Lcn(20).encode(sound),
        "best joined": Lcn(35, profile="best").encode(picture(18, 26, 3)),
        "best tiles": Lcn(30, tile_log2=3, profile="best").encode(picture(70, 80, 4)),
        "best by tile": Lcn(20, tile_log2=3, profile="best", progression="tile").encode(picture(20, 70, 3)),
        "best whole": Lcn(50, profile="best", grouping="whole").encode(picture(24, 24, 3)),
        "best own colours": _in_own_colors(picture(70, 66, 3)),
        "fast joined": Lcn(35, profile="fast").encode(picture(18, 26, 3)),
        "fast tiles": Lcn(30, tile_log2=3, profile="fast").encode(picture(70, 80, 3)),
        "fast sound": Lcn(20, profile="fast").encode(sound),
        "unequal sound": Lcn(20).encode(unequal),
        "sound with metadata": Lcn(20).encode(Audio(sound.samples[:, :500], 8000, said)),
    }
    assert few.damage == ()
    inputs = {f"{name} {mode}": bytes([mode]) + data for name, data in files.items() for mode in (0, SKIP_CHECKS)}
    for number in range(12):
        mode = BUILD | (number % 4)
        inputs[f"built {number}"] = bytes([mode]) + rng.integers(0, 256, 60 + 60 * number, np.uint8).tobytes()
    inputs["partial"] = bytes([ALLOW_PARTIAL | AS_FILE]) + files["tiles"][:-40]
    inputs["best partial"] = bytes([ALLOW_PARTIAL | AS_FILE]) + files["best tiles"][:-30]
    inputs["best channels"] = bytes([FEW_CHANNELS]) + files["best joined"]
    for number in range(8):
        head = bytes([0, 20, 20, 0, 0, 0, 0, 0, LEAST_OF_BEST, 0, 120])  # as `built` reads them: a picture of 21 x 21
        mode = BUILD | (number % 2 * SKIP_CHECKS)
        inputs[f"best built {number}"] = (
            bytes([mode]) + head + rng.integers(0, 256, 90 + 90 * number, np.uint8).tobytes()
        )
    inputs["partial joined"] = bytes([ALLOW_PARTIAL]) + files["joined"][:-9]
    inputs["channels"] = bytes([FEW_CHANNELS | AS_FILE]) + files["tiles"]
    inputs["partial best"] = bytes([ALLOW_PARTIAL | AS_FILE]) + files["best tiles"][:-40]
    inputs["damaged best"] = bytes([ALLOW_PARTIAL]) + files["best joined"][:-1] + b"\x55"
    inputs["small of best"] = bytes([SKIP_CHECKS]) + files["best joined"].replace(b"\x31", b"\x21", 1)
    whole = Header(CodecNumber.IMAGE, files["best joined"][FINGERPRINT_AT:][:4], 150, (9, 9), Flag.JOINED)
    segment = ContainerSegment(bytes([0, 0, 1, 0]) * 4, 4, has_crc=False, num_channels=193)
    for name, stored in (("too many", None), ("few", 13)):
        header = dataclasses.replace(whole, profile=Profile.BEST, stored_channels=stored)
        inputs[f"{name} best"] = b"\0" + write_header(header) + write_container_segment(segment, 0, with_channels=True)
        segment = ContainerSegment(b"", 4, has_crc=False)
    inputs["channels best"] = bytes([FEW_CHANNELS]) + files["best joined"]
    inputs["channels joined"] = bytes([FEW_CHANNELS]) + files["joined"]
    colors = read_header(Source(files["best own colours"]))
    upright = (127, 0, 0, 0, 127, 0, 0, 0, 127)
    for name, header in {
        "bent": dataclasses.replace(colors, color_axes=(127, 0, 0, 0, 127, 0, 90, 0, 90)),
        "of a sound": dataclasses.replace(read_header(Source(files["sound"])), color_axes=upright),
        "of grey": dataclasses.replace(read_header(Source(files["grey"])), color_axes=upright),
    }.items():
        inputs[f"axes {name}"] = b"\0" + write_header(header) + bytes(20)
    at = files["best own colours"].index(b"\5\x09")
    cut = files["best own colours"][: at + 1] + b"\x08" + files["best own colours"][at + 3 :]
    inputs["axes cut"] = bytes([SKIP_CHECKS]) + cut
    inputs["twice"] = bytes([SKIP_CHECKS]) + files["joined"] * 2
    inputs["section"] = bytes([SKIP_CHECKS]) + _with_sections(files["joined"], 200)
    inputs["section twice"] = bytes([SKIP_CHECKS]) + _with_sections(files["joined"], 200, 200)
    whole_sound = Audio(np.round(sound.samples[:, :200] * 9000) / np.float32(1 << 23), 16000, said)
    inputs["lossless"] = b"\0" + LcnLossless().encode(whole_sound)
    inputs["lossless damaged"] = bytes([ALLOW_PARTIAL | AS_FILE]) + LcnLossless().encode(whole_sound)[:-3]
    inputs["lossless noise"] = b"\0" + LcnLossless().encode(
        Audio((rng.integers(-32768, 32768, (2, 60)) / 32768).astype(np.float32), 8000)
    )
    for number in (10, 11):
        inputs[f"section {number}"] = bytes([SKIP_CHECKS]) + _with_sections(files["joined"], number)
    exact = read_header(Source(inputs["lossless"][1:]))
    modelled = write_header(dataclasses.replace(exact, packed_model=b"\0model"))
    inputs["model of lossless"] = b"\0" + modelled + inputs["lossless"][1 + len(write_header(exact)) :]
    for name, header in {
        "bits": dataclasses.replace(exact, sound_bits=25),
        "flags": dataclasses.replace(exact, flags=Flag.JOINED),
        "length": dataclasses.replace(exact, shape=(65, 9)),
        "channels": dataclasses.replace(exact, stored_channels=1),
        "tables": dataclasses.replace(exact, fingerprint=b"abcd"),
    }.items():
        inputs[f"lossless {name}"] = b"\0" + write_header(header) + bytes(20)
    levels = {"none": (0,), "too high": (MAX_LEVEL_CODE + 1,), "each": (0, 7, -900)}
    for name, codes in levels.items():
        for shape in ((3, 9, 9), (1, 40)):
            cube = Header(
                CodecNumber.CUBE, b"abcd", 100, shape, level_codes=codes, offset_codes=(-5, 1 << 40, 7)[: shape[0]]
            )
            inputs[f"cube {shape} levels {name}"] = bytes([SKIP_CHECKS]) + write_header(cube) + bytes(9)
    inputs["planes"] = bytes([SKIP_CHECKS]) + write_header(
        Header(CodecNumber.CUBE, b"abcd", 9, (1 << 30, 2), offset_codes=())
    )
    lanes, no_channels = bytearray(files["joined"]), bytearray(files["two tiles"])
    lanes[16] |= 7  # head of the first segment
    no_channels[19] = 0  # a header with a tile size, two bytes of head
    inputs["lanes"], inputs["no channels"] = bytes([SKIP_CHECKS]) + lanes, bytes([SKIP_CHECKS]) + no_channels
    for name in ("joined", "fast joined", "tiles", "alpha", "sections", "best joined", "best tiles"):
        for number in range(10):
            damaged = bytearray(files[name])
            damaged[int(rng.integers(4 if number < 4 else 16, len(damaged)))] ^= 1 << int(rng.integers(8))
            inputs[f"damaged {name} {number}"] = bytes([number % 5 // 4 * ALLOW_PARTIAL]) + damaged
    return inputs


def _in_own_colors(image: Image) -> bytes:
    """A file with colour axes, of a picture that has one colour alone."""
    samples = image.samples // [1, 200, 200]
    data = Lcn(60, profile="best", tile_log2=3).encode(Image(samples.astype(np.uint8)))
    assert read_header(Source(data)).color_axes is not None
    return data


def _with_sections(data: bytes, *numbers: int) -> bytes:
    """The same file with optional sections that no one knows. Of a small picture in one tile: its header has 16 bytes."""
    head = bytearray(data[:16])
    head[5] |= Flag.SECTIONS
    sections = b"".join(varint(number) + varint(3) + b"abc" for number in numbers)
    return bytes(head) + sections + varint(0) + struct.pack("<I", 0) + data[16:]


def lines_of(code: CodeType) -> set[int]:
    """Lines of the functions inside `code`, without their heads."""
    found = set()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & CO_OPTIMIZED:  # not of a class
                found |= {line for _, _, line in constant.co_lines() if line is not None}
                found.discard(constant.co_firstlineno)
            found |= lines_of(constant)
    return found


def reached_by(work: Callable[[], object]) -> dict[str, set[int]]:
    """Lines of the parser that `work` runs, by file."""
    reached: dict[str, set[int]] = {module.__file__ or "": set() for module in PARSER}

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        lines = reached.get(frame.f_code.co_filename)
        if lines is None:
            return None
        lines.add(frame.f_lineno)
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    return reached


def print_lines(folder: Path) -> None:
    """Replay a folder and print the share of lines reached in every module of the parser."""
    inputs = [path.read_bytes() for path in sorted(folder.iterdir())]
    reached = reached_by(lambda: [run_input(data) for data in inputs])
    for module in PARSER:
        path = Path(module.__file__ or "")
        lines = lines_of(compile(path.read_text(encoding="utf-8"), str(path), "exec"))
        missing = sorted(lines - reached[str(path)])
        share = 100 * (1 - len(missing) / len(lines))
        numbers = " ".join(map(str, missing))
        print(f"{path.name:16} {len(lines) - len(missing):5} of {len(lines):5} lines {share:6.1f} %  not: {numbers}")


def write(folder: Path, inputs: Iterable[bytes]) -> None:
    """Each input under a name that follows from its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs:
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def reduced(inputs: Iterable[bytes]) -> Iterator[bytes]:
    """Of inputs, the shortest first, those that reach a line or make an error that none before did."""
    seen: set[object] = set()
    for data in sorted(inputs, key=len):
        results: list[str] = []
        reached = reached_by(lambda data=data, results=results: results.append(run_input(data)))  # type: ignore[misc]
        found: set[object] = {(name, line) for name, lines in reached.items() for line in lines}
        found.add(re.sub(r"\d+", "0", results[0])[:60])
        if found - seen:
            seen |= found
            yield data


def main() -> None:
    match sys.argv[1:]:
        case ["--make-corpus", folder]:
            write(Path(folder), seeds().values())
        case ["--reduce", target, *sources]:
            inputs = [path.read_bytes() for source in sources for path in sorted(Path(source).iterdir())]
            write(Path(target), reduced(data for data in inputs if len(data) <= MAX_SIZE))
        case ["--lines", folder]:
            print_lines(Path(folder))
        case _:
            fuzz()


def fuzz() -> None:
    """Hand over to libFuzzer, which takes the arguments."""
    import atheris

    for module in PARSER:
        own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
        methods = [method for value in own if isinstance(value, type) for method in vars(value).values()]
        for function in own + methods:
            if isinstance(function, FunctionType):
                atheris.instrument_func(function)
    atheris.Setup(sys.argv, run_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
