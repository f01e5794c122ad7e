"""What the projection of a picture model should mix: one leaf of the tree, one resolution, or everything.

    python benchmarks/images/bench_projections.py --data ../shared/data [--images N] [--pictures N] [--reason TEXT]

A model is fitted with each, to the same photographs, and measured on Kodak. Row "projection": BD-rate of profile small and
of profile fast to those of "leaf" (PSNR, linear synthesis), multiply-adds a pixel of the projection, and the first 12
channels at step code 154 alone: bits a pixel that a file spends on them and the PSNR of what they show. Nothing is timed:
models other than "leaf" have no integer matrices.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np

from laconic.codecs.fitting.closed_form import Blocks, FitOptions, fit
from laconic.codecs.fitting.training_signals import training_images
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.model import Model
from laconic.tasks.measures.bdrate import bd_rate
from laconic.tasks.measures.picture_distortion import psnr

STEP_CODES = (122, 132, 140, 147, 154, 161, 168, 176)
BD_RANGE_BPP = (0.2, 1.4)
CHANNELS_CODE = 154
NUM_CHANNELS = 12

Curve = list[tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with kodak and clothing10")
    parser.add_argument(
        "--out", type=Path, default=common.RESULTS / "projections.jsonl", help="file to write the rows to"
    )
    parser.add_argument("--images", type=int, help="measure on the first N pictures only")
    parser.add_argument("--pictures", type=int, default=120, help="photographs to fit to")
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    options = parser.parse_args()
    common.pin_to_one_core()
    kodak = [Image(_read(path)) for path in sorted((options.data / "kodak").glob("*.png"))[: options.images]]
    photographs = sorted((options.data / "clothing10" / "train").rglob("*.jpg"))
    chosen = photographs[:: max(1, len(photographs) // options.pictures)]
    kinds = get_args(Blocks)
    with TemporaryDirectory() as folder:
        rows: list[common.Row] = []
        curves: dict[str, list[Curve]] = {}
        for kind in kinds:
            model = fit(training_images(chosen, num_planes=3), kind, FitOptions(blocks=kind))
            path = Path(folder, f"{kind}.safetensors")
            model.save(path)
            curves[kind] = [_curve(kodak, str(path), profile) for profile in ("small", "fast")]
            rows.append(_row(kind, model, kodak, str(path)))
            print(f"{kind}: {rows[-1]}", flush=True)
    source = common.provenance(options.reason) | {"num_images": len(kodak), "num_pictures": len(chosen)}
    for row in rows:
        for name, base, curve in zip(("small", "fast"), curves["leaf"], curves[row["projection"]], strict=True):
            low, high = BD_RANGE_BPP
            row[f"bd_rate_{name}_percent"] = round(bd_rate(base, curve, low=low, high=high), 2)
    common.write_rows(options.out, [row | source for row in rows])


def _read(path: Path) -> np.ndarray:
    from PIL import Image as PillowImage

    with PillowImage.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def _curve(pictures: list[Image], model: str, profile: str) -> Curve:
    """(bits per pixel, PSNR), means over the pictures."""
    codec = Lcn(tune="psnr", model=model, profile=profile)  # type: ignore[arg-type]
    sums = np.zeros((len(STEP_CODES), 2))
    for picture in pictures:
        for i, latent in enumerate(codec.analyze_steps(picture, STEP_CODES)):
            bpp = 8 * len(codec.pack(latent)) / (picture.width * picture.height)
            sums[i] += bpp, psnr(picture, codec.synthesize(latent))
    return [(float(bpp), float(db)) for bpp, db in sums / len(pictures)]


def _row(kind: str, model: Model, pictures: list[Image], path: str) -> common.Row:
    codec = Lcn(tune="psnr", model=path, step_code=CHANNELS_CODE)
    found = []
    for picture in pictures:
        latent = codec.analyze(picture)
        first = replace(latent, values=np.ascontiguousarray(latent.values[:NUM_CHANNELS]))
        bpp = 8 * len(codec.pack(first)) / (picture.width * picture.height)
        found.append((bpp, psnr(picture, codec.synthesize(first))))
    bpp, db = np.mean(found, axis=0)
    multiplies = sum(len(m) ** 2 for m in model.analysis) / model.tree.factor**2
    return {
        "projection": kind,
        "multiply_adds_a_pixel": round(multiplies, 1),
        "channels": NUM_CHANNELS,
        "bpp_of_channels": round(float(bpp), 4),
        "psnr_db_of_channels": round(float(db), 3),
    }


if __name__ == "__main__":
    main()
