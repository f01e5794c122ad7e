"""Records of WFDB (PhysioNet): a header .hea, which names files of samples beside it, as arrays (channels, t) of what the
converter gave. The format: https://physionet.org/physiotools/wag/header-5.htm and signal-5.htm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.notes import note
from laconic.entropy import ChecksumError, CorruptStreamError, LimitError, Limits, TruncatedError

if TYPE_CHECKING:
    from jaxtyping import Int

_MAX_HEADER_BYTES: Final = 1 << 20
_MAX_SIGNALS: Final = 1 << 12
_RECORD: Final = re.compile(r"([\w-]+)(/\d+)?\s+(\d{1,9})(?:\s+(\S+)(?:\s+(\d{1,12})(?:\s.*)?)?)?\s*")
_SIGNAL: Final = re.compile(r"(\S+)\s+(\d+)(x\d+)?(:\d+)?(\+\d+)?(?:\s+(.*))?")
_FORMATS: Final = {16: 2.0, 61: 2.0, 80: 1.0, 160: 2.0, 212: 1.5}  # bytes of a sample


@dataclass(frozen=True)
class _Signal:
    """A line of the header. `rest`: gain, bits, zero, first value, checksum, block size, name, as far as they are there."""

    file: str
    form: int
    offset: int
    rest: tuple[str, ...]

    @property
    def checksum(self) -> int | None:
        return int(self.rest[4]) if len(self.rest) > 4 else None


def looks_like_wfdb(head: bytes) -> bool:
    """Whether the first line of a file that is no comment is that of a record."""
    lines = [line for line in head.decode("latin-1").splitlines() if line.strip() and not line.startswith("#")]
    return bool(lines) and head.isascii() and _RECORD.fullmatch(lines[0]) is not None


def read_wfdb(file: BinaryIO, path: Path | None, limits: Limits) -> Int[NDArray[np.int16], "c t"]:
    """Samples of all signals, in units of the converter; notes what of the header is dropped. Raises `CodecError`,
    `BitstreamError`, `OSError`."""
    rate, length, signals = _parsed(file.read(_MAX_HEADER_BYTES + 1))
    if path is None:
        raise UnsupportedSignalError("a WFDB header names files beside it; give its path, no bytes or standard input")
    if length is not None and length * len(signals) > limits.max_pixels:
        raise LimitError(f"the record has {len(signals)} x {length} samples, over the limit of {limits.max_pixels}")
    parts = []
    for name, some in groupby(signals, lambda signal: signal.file):
        parts.append(_read_samples(path.parent / name, list(some), length, limits))
        length = parts[-1].shape[1]
    samples = np.concatenate(parts)
    for number, (signal, row) in enumerate(zip(signals, samples, strict=True)):
        if signal.checksum is not None and (int(row.sum(dtype=np.int64)) - signal.checksum) % (1 << 16):
            raise ChecksumError(f"signal {number} of the record does not match its checksum; copy the files again")
    names = ", ".join(" ".join(signal.rest[6:]) or "?" for signal in signals[:20])
    gains = ", ".join(sorted({signal.rest[0] for signal in signals if signal.rest}))
    note(
        f"samples stay numbers of the converter; not kept are the rate ({rate} Hz), gains ({gains or 'not said'}) and "
        f"names ({names}) of the signals, and annotations: keep the .hea file"
    )
    return samples


def _parsed(data: bytes) -> tuple[str, int | None, list[_Signal]]:
    """Rate, samples of each signal where it is said, and the signals."""
    if len(data) > _MAX_HEADER_BYTES or not data.isascii():
        raise CorruptStreamError(f"the WFDB header is no ASCII text of up to {_MAX_HEADER_BYTES} bytes")
    lines = [line for line in data.decode().splitlines() if line.strip() and not line.startswith("#")]
    record = _RECORD.fullmatch(lines[0]) if lines else None
    if record is None:
        raise CorruptStreamError("the WFDB header does not begin with a record and its number of signals")
    if record[2]:
        raise UnsupportedSignalError("the record has several segments; allowed is one: encode the segments themselves")
    count = int(record[3])
    if not 1 <= count <= _MAX_SIGNALS or len(lines) - 1 < count:
        raise CorruptStreamError(
            f"the WFDB header claims {count} signals and has {len(lines) - 1} lines for them; allowed are 1 to "
            f"{_MAX_SIGNALS}, each with a line"
        )
    length = int(record[5]) if record[5] else 0
    return (record[4] or "250").partition("/")[0], length or None, [_signal(line) for line in lines[1 : count + 1]]


def _signal(line: str) -> _Signal:
    found = _SIGNAL.fullmatch(line.strip())
    if found is None:
        raise CorruptStreamError(f"a line of the WFDB header is {line[:60]!r}; needed are a file, a format, ...")
    name, form = found[1], int(found[2])
    if form not in _FORMATS:
        raise UnsupportedSignalError(f"signals have format {form}; allowed are {', '.join(map(str, _FORMATS))}")
    if found[3] not in (None, "x1") or found[4] not in (None, ":0"):
        raise UnsupportedSignalError("signals have several samples a frame, or a skew; allowed is one, and none")
    if "/" in name or "\\" in name or name.startswith(".") or "\0" in name:
        raise UnsupportedSignalError(f"the header names the file {name[:60]!r}; allowed are names in its own folder")
    rest = tuple((found[6] or "").split())
    if len(rest) > 4 and not re.fullmatch(r"-?\d{1,9}", rest[4]):
        raise CorruptStreamError(f"a checksum of the WFDB header is {rest[4][:20]!r}; needed is a whole number")
    return _Signal(name, form, int((found[5] or "+0")[1:]), rest)


def _read_samples(
    path: Path, signals: list[_Signal], length: int | None, limits: Limits
) -> Int[NDArray[np.int16], "c t"]:
    """Of all signals of a file, which follow each other sample by sample."""
    form, offset, count = signals[0].form, signals[0].offset, len(signals)
    if any((signal.form, signal.offset) != (form, offset) for signal in signals):
        raise UnsupportedSignalError(f"{path.name} has signals of several formats; allowed is one in a file")
    size = path.stat().st_size - offset
    found = int(max(size, 0) / _FORMATS[form]) // count
    if length is None:
        length = found
    if not 0 < length <= found:
        raise TruncatedError(f"{path.name} has {found} samples of each signal, its header says {length}; copy it again")
    if length * count > limits.max_pixels:
        raise LimitError(f"{path.name} has {count} x {length} samples, over the limit of {limits.max_pixels}")
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(_num_bytes(form, length * count))
    return np.ascontiguousarray(_decoded(data, form)[: length * count].reshape(length, count).T)


def _num_bytes(form: int, num_samples: int) -> int:
    return (3 * num_samples + 1) // 2 if form == 212 else int(_FORMATS[form]) * num_samples


def _decoded(data: bytes, form: int) -> NDArray[np.int16]:
    if form == 212:  # two of 12 bits in three bytes; the middle one has the high bits of both
        low, middle, high = np.frombuffer(data + bytes(-len(data) % 3), np.uint8).reshape(-1, 3).T.astype(np.int16)
        pairs = np.stack([low | (middle & 15) << 8, high | (middle >> 4) << 8], axis=1).reshape(-1)
        return ((pairs ^ 0x800) - 0x800).astype(np.int16)
    if form == 80:
        return np.frombuffer(data, np.uint8).astype(np.int16) - np.int16(128)
    if form == 160:
        return (np.frombuffer(data, "<u2").astype(np.int32) - (1 << 15)).astype(np.int16)
    return np.frombuffer(data, "<i2" if form == 16 else ">i2").astype(np.int16)
