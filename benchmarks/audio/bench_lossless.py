"""Bytes and speeds of our lossless sounds and of FLAC, on speech and music, in one run.

    python benchmarks/audio/bench_lossless.py --data ../shared/data --reason TEXT [--sets NAME ...]

Each file becomes integers first: those of the file where it is lossless, else its samples rounded to 16 bits, and in the
set of 24 bits to these. Bytes are those of whole files without tags. FLAC is libFLAC's highest level, by soundfile. Timed
is processor time of one thread, from samples in memory to a file in memory and back, the codecs in turn on each file; not
timed are reading and rounding. A row for each set is added to results/lossless.jsonl. Every decoded sound is compared.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
import soundfile
from numpy.typing import NDArray

from laconic.codecs.media import Audio
from laconic.codecs.sounds.lossless_codec import LcnLossless

PACKAGES = ("laconic", "numpy", "soundfile")
# Folder, one of how many files, bits.
SETS: dict[str, tuple[str, int, int]] = {
    "speech, AN4 test": ("an4/test", 1, 16),
    "speech, LJSpeech excerpt": ("ljspeech_excerpt", 1, 16),
    "music, test": ("music/test", 1, 16),
    "music, test, 24 bits": ("music/test", 1, 24),
    "stems": ("stems", 1, 16),
}
_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_T = TypeVar("_T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    common.pin_to_one_core()
    for name in options.sets:
        row = {
            "set": name,
            **measured(options.data, *SETS[name]),
            **common.provenance(options.reason, packages=PACKAGES),
        }
        common.append_row(common.RESULTS / "lossless.jsonl", row)
        print(
            name, f"{100 * (row['ours']['num_bytes'] / row['flac']['num_bytes'] - 1):+.2f} %", row["ours"], row["flac"]
        )


def measured(data: Path, folder: str, every: int, bits: int) -> common.Row:
    """Sums over the files of a set."""
    codec, num_files, num_samples = LcnLossless(), 0, 0
    totals = {name: [0, 0.0, 0.0] for name in ("ours", "flac")}
    for integers, rate in _sounds(data / folder, every, bits):
        audio = Audio(np.ascontiguousarray(integers.T, np.float32) / np.float32(1 << (bits - 1)), rate)
        ours = _timed(totals["ours"], lambda audio=audio: codec.encode(audio), codec.decode)
        flac = _timed(
            totals["flac"],
            lambda integers=integers, rate=rate: _flac(integers, rate, bits),
            lambda found: soundfile.read(io.BytesIO(found), dtype="int32")[0],
        )
        assert np.array_equal(ours.samples, audio.samples)
        assert np.array_equal(flac.reshape(integers.shape), integers << (32 - bits))
        num_files, num_samples = num_files + 1, num_samples + integers.size
    return {"bits": bits, "num_files": num_files, "num_samples": num_samples} | {
        name: {
            "num_bytes": int(num_bytes),
            "encode_ms_s": round(num_samples / encode_seconds / 1e6, 2),
            "decode_ms_s": round(num_samples / decode_seconds / 1e6, 2),
        }
        for name, (num_bytes, encode_seconds, decode_seconds) in totals.items()
    }


def _timed(totals: list[Any], encode: Callable[[], bytes], decode: Callable[[bytes], _T]) -> _T:
    """What is decoded of what is encoded; adds bytes and processor times."""
    times = [time.process_time()]
    data = encode()
    times.append(time.process_time())
    decoded = decode(data)
    times.append(time.process_time())
    totals[0] += len(data)
    totals[1] += times[1] - times[0]
    totals[2] += times[2] - times[1]
    return decoded


def _sounds(folder: Path, every: int, bits: int) -> Iterator[tuple[NDArray[np.int32], int]]:
    """(t, c) integers and their rates."""
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)[::every]:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        peak = 1 << (bits - 1)
        yield np.clip(np.rint(samples.astype(np.float64) * peak), -peak, peak - 1).astype(np.int32), rate


def _flac(integers: NDArray[np.int32], rate: int, bits: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, integers << (32 - bits), rate, format="FLAC", subtype=f"PCM_{bits}", compression_level=1.0)
    return file.getvalue()


if __name__ == "__main__":
    main()
