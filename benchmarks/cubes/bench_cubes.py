"""Bytes at equal error of cubes: a model fitted on one part of a signal, the other part coded, beside general compressors.

    python benchmarks/cubes/bench_cubes.py --data ../shared/data --reason TEXT [--sets NAME ...]

Sets: both records of ecg_wfdb and the ambisonic recording, the first part in time to fit to and the rest to code; and the
left half of Samson's picture to fit to, the right half to code. Peers have no model and see the part to code only: zfp and
SZ3 by imagecodecs, at fixed accuracy, on the array of all channels as float32; JPEG 2000 by Pillow (OpenJPEG), each band a
picture of 16 bits at equal error, of cubes of three sides; FLAC, without loss, by soundfile (libFLAC's highest level, up to
8 channels a file), of sets of 16-bit samples. What is decoded of integers is rounded to integers, of peers too.

Ours are of tune snr and their models of joint levels, as the error is that of all channels together: PRD,
100 |x - y| / |x|, and the same with each channel's mean removed from x, which is larger where channels have an offset.
Bytes at 2 % are interpolated between two settings, log against log. Files of ours need their model, whose
bytes are a column of their own. Fits are timed in processor time of one thread, reading not included. A row for each set is
added to results/cubes.jsonl.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import imagecodecs
import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from laconic.codecs.files import read_signal, read_sound
from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Cube
from laconic.codecs.notes import collect_notes

PACKAGES = ("laconic", "numpy", "pillow", "soundfile", "imagecodecs", "scipy")
PRD_PERCENT = 2.0
_QUALITIES = range(4, 101, 8)
_TOLERANCES = [float(2.0**e) for e in np.arange(-9, 5.1, 0.5)]  # of the root mean square about the means
_FLAC_CHANNELS = 8
_SAMSON_SIDE = 95
Array = NDArray[Any]
Point = dict[str, float]


@dataclass(frozen=True)
class Set:
    """A signal; the first `fit_share` of its last axis is fitted to. `form`: of its samples, in words."""

    read: Callable[[Path], Array]
    fit_share: float
    form: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    common.pin_to_one_core()
    for name in options.sets:
        row = {"set": name, **measured(SETS[name], options.data)}
        row |= common.provenance(options.reason, packages=PACKAGES)
        common.append_row(common.RESULTS / "cubes.jsonl", row)
        print(name, {codec: found["bytes_at_prd"] for codec, found in row["codecs"].items()}, flush=True)


def measured(chosen: Set, data: Path) -> common.Row:
    with collect_notes():
        samples = chosen.read(data)
    cut = round(samples.shape[-1] * chosen.fit_share)
    fitted, coded = (np.ascontiguousarray(part) for part in (samples[..., :cut], samples[..., cut:]))
    codecs = {"ours": (ours := _ours(fitted, coded)).pop("points")}
    codecs |= {"zfp": _with_tolerances(coded, _zfp), "SZ3": _with_tolerances(coded, _sz3)}
    if coded.ndim == 3:
        codecs["JPEG 2000 per band"] = _jpeg2000(coded)
    return {
        "form": chosen.form,
        "fitted_shape": fitted.shape,
        "coded_shape": coded.shape,
        "raw_bytes": coded.nbytes,
        **ours,
        "flac_bytes": _flac(coded) if coded.dtype == np.int16 else None,
        "codecs": {
            name: {"points": points, "bytes_at_prd": {m: _at(points, m) for m in ("prd", "prd_mean_removed")}}
            for name, points in codecs.items()
        },
    }


def _ours(fitted: Array, coded: Array) -> dict[str, Any]:
    start = time.process_time()
    model = fit([Cube(fitted)], "fitted", FitOptions(levels="joint"))
    seconds = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fitted.safetensors")
        model.save(path)
        points = []
        for quality in _QUALITIES:
            codec = Lcn(quality=quality, model=str(path), tune="snr")
            data = codec.encode(Cube(coded))
            decoded = codec.decode(data)
            assert isinstance(decoded, Cube)
            points.append({"setting": quality, "bytes": len(data), **_errors(coded, decoded.samples)})
        return {"points": points, "model_bytes": path.stat().st_size, "fit_seconds": round(seconds, 1)}


def _with_tolerances(coded: Array, through: Callable[[Array, float], tuple[int, Array]]) -> list[Point]:
    about = coded - _means(coded)
    size, points = math.sqrt(float((about**2).mean())), []
    for tolerance in _TOLERANCES:
        count, decoded = through(coded.astype(np.float32), tolerance * size)
        points.append({"setting": tolerance, "bytes": count, **_errors(coded, _in_type(decoded, coded.dtype))})
    return points


def _zfp(samples: Array, tolerance: float) -> tuple[int, Array]:
    data = imagecodecs.zfp_encode(samples, level=tolerance, mode="accuracy")
    return len(data), imagecodecs.zfp_decode(data)


def _sz3(samples: Array, tolerance: float) -> tuple[int, Array]:
    data = imagecodecs.sz3_encode(samples, mode="abs", abs=tolerance)
    return len(data), imagecodecs.sz3_decode(data, samples.shape, samples.dtype)


def _jpeg2000(coded: Array) -> list[Point]:
    """Bands scaled together to 16 bits, so that an equal PSNR of each is an equal error."""
    low, high = float(coded.min()), float(coded.max())
    bands = np.rint((coded - low) / (high - low) * 65535).astype(np.uint16)
    points = []
    for decibels in range(30, 77, 3):
        files = [_jpeg2000_file(band, decibels) for band in bands]
        decoded = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
        restored = decoded.astype(np.float64) / 65535 * (high - low) + low
        points.append({"setting": decibels, "bytes": sum(map(len, files)), **_errors(coded, restored)})
    return points


def _jpeg2000_file(band: NDArray[np.uint16], decibels: int) -> bytes:
    """Its code stream, without the boxes of a .jp2 file."""
    buffer = io.BytesIO()
    options = {"irreversible": True, "quality_mode": "dB", "quality_layers": [decibels], "no_jp2": True}
    Image.fromarray(band).save(buffer, "JPEG2000", **options)
    return buffer.getvalue()


def _flac(coded: NDArray[np.int16]) -> int:
    total = 0
    for first in range(0, len(coded), _FLAC_CHANNELS):
        buffer = io.BytesIO()
        part = np.ascontiguousarray(coded[first : first + _FLAC_CHANNELS].T)
        soundfile.write(buffer, part, 48000, format="FLAC", subtype="PCM_16", compression_level=1.0)
        total += len(buffer.getvalue())
    return total


def _in_type(decoded: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind != "i":
        return decoded
    limits = np.iinfo(dtype)
    return np.clip(np.rint(decoded), limits.min, limits.max).astype(dtype)


def _means(samples: Array) -> NDArray[np.float64]:
    means = samples.reshape(len(samples), -1).mean(axis=1, dtype=np.float64)
    return means.reshape(-1, *(1,) * (samples.ndim - 1))


def _errors(original: Array, decoded: Array) -> Point:
    x = original.astype(np.float64)
    error = float(np.linalg.norm(x - decoded))
    about = float(np.linalg.norm(x - _means(original)))
    return {"prd": 100 * error / float(np.linalg.norm(x)), "prd_mean_removed": 100 * error / about}


def _at(points: Sequence[Point], measure: str) -> int | None:
    """Bytes at 2 % of this measure; None where no two settings are around it."""
    by_error = sorted((p[measure], p["bytes"]) for p in points if p[measure] > 0)
    for (low, more), (high, fewer) in pairwise(by_error):
        if low <= PRD_PERCENT < high:
            share = math.log(PRD_PERCENT / low) / math.log(high / low)
            return round(math.exp(math.log(more) + share * math.log(fewer / more)))
    return None


def _ambisonic(data: Path) -> Array:
    """The 16-bit samples of the file."""
    sound = read_sound(data / "ambisonic/3oa_example_ch0-ch7.wav")
    return np.rint(sound.samples * 32768).astype(np.int16)


def _samson(data: Path) -> Array:
    flat = read_signal(data / "hyperspectral/Samson.mat", kind="cube", array="Y").samples
    return np.ascontiguousarray(flat.reshape(len(flat), _SAMSON_SIDE, _SAMSON_SIDE).swapaxes(1, 2))  # MATLAB's order


def _record(name: str) -> Callable[[Path], Array]:
    return lambda data: read_signal(data / f"ecg_wfdb/{name}.hea", kind="cube").samples


SETS = {
    "ECG, PTB s0010_re": Set(_record("s0010_re"), 0.7, "15 leads, 1000 Hz, int16"),
    "ECG, MIT-BIH 100": Set(_record("100"), 0.7, "2 leads, 360 Hz, 11 bits"),
    "ambisonic": Set(_ambisonic, 0.5, "8 channels, 48 kHz, int16"),
    "hyperspectral, Samson": Set(_samson, 0.5, "156 bands, 95 rows, float32"),
}


if __name__ == "__main__":
    main()
