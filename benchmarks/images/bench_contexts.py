"""What contexts save at equal integers, and how fast they are coded.

    python benchmarks/images/bench_contexts.py --data ../shared/data [--images N] [--reason TEXT]

Rows "size": for latents near three rates, real bytes of whole files with contexts (profile small) and with one static
table a channel and step (profile fast), of the same integers; and the largest difference of a file from its estimated
bits. Rows "speed": millions of coded symbols a second, one thread, in each instruction set of the machine: `decode` from
streams to symbols, `encode` from symbols to streams, contexts found in both; best of 5 over all pictures. Symbols of
channels that a file leaves out are not counted. Rows "thumbnails": the first 12 channels of 224 x 224 pictures, one call
of the decoder for each, with the bytes that so many lanes cost over 4 of them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from numpy.typing import NDArray

from laconic.codecs.latent import Latent
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import load_model
from laconic.codecs.packing.layout import layout_group_bounds
from laconic.entropy import rans, simd
from laconic.entropy.container import Profile
from laconic.entropy.contexts import ContextStepRules, residuals_of_context_prediction
from laconic.entropy.planes import PlanesEncoder

MODEL = "rgb"
STEP_CODES = (144, 155, 167)  # near 0.8, 0.5 and 0.3 bits a pixel
SPEED_STEP_CODE = 155
NUM_CHANNELS = 12
NUM_THUMBNAILS = 100
SIDE = 224
SLACK_BYTES = 64
ROUNDS = 5

Planes = NDArray[np.int32]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with kodak and imagenet_sample")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "contexts.jsonl", help="file to write the rows to")
    parser.add_argument("--images", type=int, help="use the first N pictures of each only")
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    options = parser.parse_args()
    common.pin_to_one_core()
    kodak = [_read(path) for path in sorted((options.data / "kodak").glob("*.png"))[: options.images]]
    jpegs = sorted((options.data / "imagenet_sample" / "test").rglob("*.[jJ][pP]*[gG]"))[:NUM_THUMBNAILS]
    small = [_thumbnail(path) for path in jpegs[: options.images]]
    rows = [size_row(kodak, effort, code) for effort in (0, 1) for code in STEP_CODES]
    for level in simd.available():
        simd.use(level)
        rows += [speed_row(kodak), *(thumbnail_row(small, lanes) for lanes in rans.LANES)]
    source = {"num_images": len(kodak)} | common.provenance(options.reason)
    common.write_rows(options.out, [row | source for row in rows])
    for row in rows:
        print(*(f"{name} {value}" for name, value in row.items()))


def size_row(images: Sequence[Image], effort: int, step_code: int) -> common.Row:
    small, fast = (
        Lcn(tune="psnr", step_code=step_code, effort=effort, profile=profile) for profile in ("small", "fast")
    )
    sizes, misses = [], []
    for image in images:
        latent = small.analyze(image)
        sizes.append((len(small.pack(latent)), len(fast.pack(latent))))
        estimate = _estimated_bytes(latent)
        misses.append((sizes[-1][0] - estimate - SLACK_BYTES) / estimate)
    with_contexts, with_static = np.sum(sizes, 0)
    pixels = sum(image.height * image.width for image in images)
    return {
        "kind": "size",
        "effort": effort,
        "step_code": step_code,
        "bpp_contexts": round(8 * with_contexts / pixels, 4),
        "bpp_static": round(8 * with_static / pixels, 4),
        "saved_percent": round(100 * (1 - with_contexts / with_static), 2),
        "largest_miss_percent": round(100 * max(misses), 3),  # of a file over its estimate and 64 bytes
    }


def speed_row(images: Sequence[Image]) -> common.Row:
    rules = load_model(MODEL).contexts.at_step(SPEED_STEP_CODE)
    coded = [_symbols(Lcn(tune="psnr", step_code=SPEED_STEP_CODE).analyze(image), rules) for image in images]
    streams = [[_encode(symbols, rules, a, b, 64) for a, b in groups] for symbols, groups in coded]
    num_symbols = sum((b - a) * symbols[0].size for symbols, groups in coded for a, b in groups)

    def encode() -> None:
        for symbols, groups in coded:
            for a, b in groups:
                _encode(symbols, rules, a, b, 64)

    def decode() -> None:
        for (symbols, groups), all_bytes in zip(coded, streams, strict=True):
            out = np.zeros_like(symbols)
            for (a, b), data in zip(groups, all_bytes, strict=True):
                _decode(data, rules, out, a, b, 64)
            assert np.array_equal(out, symbols)

    return {
        "kind": "speed",
        "level": simd.current(),
        "step_code": SPEED_STEP_CODE,
        "num_symbols": num_symbols,
        "encode_m_symbols_s": round(num_symbols / _best(encode) / 1e6, 1),
        "decode_m_symbols_s": round(num_symbols / _best(decode) / 1e6, 1),
    }


def thumbnail_row(images: Sequence[Image], lanes: int) -> common.Row:
    rules = load_model(MODEL).contexts.at_step(SPEED_STEP_CODE)
    coded = [
        _symbols(Lcn(tune="psnr", step_code=SPEED_STEP_CODE).analyze(image), rules)[0][:NUM_CHANNELS]
        for image in images
    ]
    streams = [_encode(symbols, rules, 0, NUM_CHANNELS, lanes) for symbols in coded]
    smallest = sum(len(_encode(symbols, rules, 0, NUM_CHANNELS, 4)) for symbols in coded)
    out = np.zeros_like(coded[0])

    def decode() -> None:
        for data in streams:
            _decode(data, rules, out, 0, NUM_CHANNELS, lanes)

    def encode() -> None:
        for symbols in coded:
            _encode(symbols, rules, 0, NUM_CHANNELS, lanes)

    return {
        "kind": "thumbnails",
        "level": simd.current(),
        "lanes": lanes,
        "num_thumbnails": len(images),
        "bytes": round(sum(map(len, streams)) / len(images), 1),
        "over_4_lanes_percent": round(100 * (sum(map(len, streams)) / smallest - 1), 2),
        "encode_images_s": round(len(images) / _best(encode)),
        "decode_images_s": round(len(images) / _best(decode)),
    }


def _symbols(latent: Latent, rules: ContextStepRules) -> tuple[Planes, list[tuple[int, int]]]:
    """The symbols of a latent, and its groups without the channels that are 0 to their end, as a file has them."""
    symbols = latent.values.copy()
    for c in range(rules.model.num_predicted):
        symbols[c] = residuals_of_context_prediction(latent.values[c])
    bounds = layout_group_bounds(load_model(MODEL), len(symbols), whole=False)
    groups = []
    for a, b in pairwise(bounds):
        used = np.flatnonzero(symbols[a:b].reshape(b - a, -1).any(1))
        if used.size:
            groups.append((a, a + int(used[-1]) + 1))
    return symbols, groups


def _encode(symbols: Planes, rules: ContextStepRules, first: int, last: int, lanes: int) -> bytes:
    values, tables, fronts = rules.code(symbols, first, last)
    message = rans.RansMessage(values, tables, fronts=fronts)
    return rans.encode_rans_messages([message], rules.model.tables, lanes=lanes)


def _decode(data: bytes, rules: ContextStepRules, out: Planes, first: int, last: int, lanes: int) -> None:
    decoder = rans.Decoder(data, lanes)
    decoder.decode_contexts(rules, out, first, last)
    decoder.finish()


def _estimated_bytes(latent: Latent) -> float:
    model = load_model(MODEL)
    encoder = PlanesEncoder(latent.values, model.contexts.at_step(latent.step_code), Profile.SMALL)
    return encoder.ideal_bits(0, len(latent.values)) / 8


def _best(call: Callable[[], None]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def _read(path: Path) -> Image:
    from PIL import Image as PillowImage

    with PillowImage.open(path) as opened:
        return Image(Image.from_pillow(opened.convert("RGB")).samples)


def _thumbnail(path: Path) -> Image:
    """The middle of a picture, 224 x 224, its shorter side reduced to 256."""
    from PIL import Image as PillowImage

    with PillowImage.open(path) as opened:
        picture = opened.convert("RGB")
    scale = 256 / min(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    left, top = (picture.width - SIDE) // 2, (picture.height - SIDE) // 2
    return Image(np.asarray(picture.crop((left, top, left + SIDE, top + SIDE))))


if __name__ == "__main__":
    main()
