"""Parts of the speed benchmark that are calls in one process: codecs, bytes, channels, scale, threads."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import common
import contenders
import numpy as np
from contenders import Contender
from mosaics import DataSet
from turns import in_turns

from laconic.codecs.lcn import Lcn
from laconic.tasks.measures.picture_distortion import psnr

NUM_CHANNELS = 12
SCALE = 8
PROFILES = {contenders.FAST: contenders.fast, contenders.SMALL: contenders.small, contenders.BEST: contenders.best}


def codec_rows(data: DataSet, num_rounds: int) -> list[common.Row]:
    """Rows "codec": speeds of whole encoders and decoders, with rate and PSNR of the very files."""
    tasks, sizes = {}, {}
    for one in contenders.all_contenders():
        inputs = [one.prepare(image) for image in data.images]
        files = [one.encode(given) for given in inputs]
        sizes[one] = _rate_and_quality(one, data, files)
        tasks[one, "encode"] = [partial(one.encode, given) for given in inputs]
        tasks[one, "decode"] = [partial(one.decode, file) for file in files]
    seconds = in_turns(tasks, num_rounds=num_rounds)
    rows = []
    for one, (bpp, psnr_db) in sizes.items():
        row: common.Row = {"kind": "codec", "data": data.name, "label": one.label, "codec": one.setting}
        row |= {"num_images": len(data.images), "mpix": round(data.megapixels, 3)}
        row |= {"bpp": round(bpp, 4), "psnr_db": round(psnr_db, 3)}
        for verb in ("encode", "decode"):
            row[f"{verb}_runs"] = seconds[one, verb].num_runs
            row[f"{verb}_mpix_s"] = seconds[one, verb].speed(data.megapixels)
        rows.append(row)
    return rows


def bytes_rows(data: DataSet) -> list[common.Row]:
    """The row "bytes": files of profile fast against those of optimised JPEG at equal PSNR, means over the pictures; the
    logarithm of JPEG's rate is interpolated linearly between two qualities."""
    ours = contenders.ours(contenders.FAST, contenders.fast())
    bpp, psnr_db = _coded(ours, data)
    ladder = sorted(_coded(one, data)[::-1] for one in contenders.jpegs())
    qualities, rates = zip(*ladder, strict=True)
    if not qualities[0] <= psnr_db <= qualities[-1]:
        raise ValueError(
            f"{psnr_db:.2f} dB is outside JPEG's {qualities[0]:.2f} to {qualities[-1]:.2f}: widen its ladder"
        )
    peer_bpp = math.exp(np.interp(psnr_db, qualities, np.log(rates)))
    row: common.Row = {"kind": "bytes", "data": data.name, "label": ours.label, "codec": ours.setting}
    row |= {"anchor": contenders.jpegs()[0].label, "num_images": len(data.images), "psnr_db": round(psnr_db, 3)}
    row |= {"bpp": round(bpp, 4), "anchor_bpp": round(peer_bpp, 4)}
    return [row | {"bytes_percent": round(100 * (bpp / peer_bpp - 1), 2)}]


def channel_rows(data: DataSet, num_rounds: int) -> list[common.Row]:
    """Rows "channels": the latent's first channels from whole files, in batches of pictures of one size and as a trainer
    takes them, beside decoding the same pictures from JPEG; speeds in pixels of the picture."""
    tasks = {}
    for label, codec in _codecs().items():
        batches: dict[tuple[int, ...], list[bytes]] = {}
        for image in data.images:
            batches.setdefault(image.samples.shape, []).append(codec.encode(image))
        tasks[label] = [partial(codec.dequantize_batch, files, channels=NUM_CHANNELS) for files in batches.values()]
    jpeg = contenders.pillow(contenders.JPEG, "JPEG", quality=75)
    tasks[jpeg.label] = [partial(jpeg.decode, jpeg.encode(jpeg.prepare(image))) for image in data.images]
    seconds = in_turns(tasks, num_rounds=num_rounds)
    base = {"kind": "channels", "data": data.name, "num_channels": NUM_CHANNELS, "mpix": round(data.megapixels, 3)}
    return [
        base
        | {"label": label, "runs": seconds[label].num_runs, "mpix_s": seconds[label].speed(data.megapixels)}
        | {"jpeg_decode_mpix_s": seconds[jpeg.label].speed(data.megapixels)}
        | {"over_jpeg": round(seconds[jpeg.label].median / seconds[label].median, 3)}
        for label in PROFILES
    ]


def scale_rows(data: DataSet, num_rounds: int) -> list[common.Row]:
    """Rows "scale": decoding at an eighth of the size beside decoding all."""
    tasks = {}
    for label, codec in _codecs().items():
        files = [codec.encode(image) for image in data.images]
        tasks[label, 1] = [partial(codec.decode, file) for file in files]
        tasks[label, SCALE] = [partial(codec.decode_area, file, scale=SCALE) for file in files]
    seconds = in_turns(tasks, num_rounds=num_rounds)
    base = {"kind": "scale", "data": data.name, "scale": SCALE, "mpix": round(data.megapixels, 3)}
    return [
        base
        | {"label": label, "runs": seconds[label, 1].num_runs}
        | {"whole_ms": seconds[label, 1].times(1e3, 3), "scaled_ms": seconds[label, SCALE].times(1e3, 3)}
        | {"share": round(seconds[label, SCALE].median / seconds[label, 1].median, 4)}
        for label in PROFILES
    ]


def thread_rows(data: DataSet, num_rounds: int) -> list[common.Row]:
    """Rows "threads": one picture by one and by two threads, both free to use all cores."""
    image = data.images[0]
    tasks = {}
    for label, make in PROFILES.items():
        for threads in (1, 2):
            codec = make(threads=threads)
            tasks[label, "encode", threads] = [partial(codec.encode, image)]
            tasks[label, "decode", threads] = [partial(codec.decode, codec.encode(image))]
    with _all_cores():
        seconds = in_turns(tasks, num_rounds=num_rounds)
    rows = []
    for label in PROFILES:
        for verb in ("encode", "decode"):
            one, two = seconds[label, verb, 1], seconds[label, verb, 2]
            row: common.Row = {"kind": "threads", "data": data.name, "label": label, "operation": verb}
            row |= {
                "mpix": round(data.megapixels, 3),
                "runs": one.num_runs,
                "speedup": round(one.median / two.median, 3),
            }
            rows.append(row | {"one_ms": one.times(1e3, 2), "two_ms": two.times(1e3, 2)})
    return rows


def _codecs() -> dict[str, Lcn]:
    return {label: make() for label, make in PROFILES.items()}


def _coded(one: Contender, data: DataSet) -> tuple[float, float]:
    return _rate_and_quality(one, data, [one.encode(one.prepare(image)) for image in data.images])


def _rate_and_quality(one: Contender, data: DataSet, files: Sequence[bytes]) -> tuple[float, float]:
    """Bits per pixel and dB, means over the pictures."""
    rates = [8 * len(file) / (image.height * image.width) for image, file in zip(data.images, files, strict=True)]
    qualities = [
        psnr(image.samples, contenders.pixels(one.decode(file))) for image, file in zip(data.images, files, strict=True)
    ]
    return statistics.fmean(rates), statistics.fmean(qualities)


@contextmanager
def _all_cores() -> Iterator[None]:
    """Undo `common.pin_to_one_core` for a while."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
