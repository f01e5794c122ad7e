"""WaLLoC, the published baseline for pictures, beside ours.

    python benchmarks/images/bench_walloc.py --data ../shared/data --weights FILE [--images N] [--reason TEXT]

`--weights` is the result of `make train-walloc`; the contexts of its store "laconic" are fitted to training photographs
first, in a copy. Rows "walloc": the network trained here in both stores. Rows "ours": ours with all channels and with the
first 12, by both syntheses. Both on Kodak, as in bench_rd.py: array in memory to the bytes of a whole file and back, one
core; not timed are reading, the first call, the fit, the metrics. Rows "published": rate and PSNR that authors give for
Kodak. Rows "comparison": ours at the bytes of each point of theirs and at its PSNR, linear in PSNR over the logarithm of
the rate between the measured points; null where our curve does not reach. Beside published points ours is that of
bench_rd.py, on all pictures. About 15 minutes, most of them the baseline's
decoder.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from bench_rd import measure_all, summary
from first_channels import NUM_CHANNELS, FirstChannels
from picture_sets import pictures_of

from laconic.codecs.fitting.training_signals import training_images
from laconic.codecs.lcn import Lcn

FEW_CHANNELS = 12
QUALITIES = {NUM_CHANNELS: (15, 20, 27, 34, 41, 48, 55, 62, 70, 80, 90, 97), FEW_CHANNELS: (1, 20, 40, 60, 75, 90, 100)}
LABELS = {"neural": "laconic", "linear": "laconic linear"}
STORES = {"webp": "lossless WebP", "laconic": "our contexts"}
NUM_FITTED = 110  # photographs for the contexts


@dataclass(frozen=True)
class Published:
    """A point on Kodak as its authors give it, and what ours is asked to have over it at equal bytes."""

    label: str
    bpp: float
    psnr_db: float
    target_db: float | None = None
    channels: int | None = None  # of a WaLLoC


PUBLISHED = (
    Published("WaLLoC f8c12, published", 0.617, 30.56, 2.5, channels=12),
    Published("WaLLoC f8c48, published", 2.544, 37.34, channels=48),
    Published("LiVeAction, published", 0.150, 27.04),
    Published("LiVeAction, published", 0.399, 29.84),
    Published("LiVeAction, published", 0.661, 31.17, 2.3),
)

Points = Sequence[tuple[float, float]]  # (bits per pixel, PSNR dB)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kodak/ and clothing10/")
    parser.add_argument("--weights", type=Path, required=True, help="file of `laconic train codec --recipe walloc`")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "walloc.jsonl", help="file to write the rows to")
    parser.add_argument("--images", type=int, help="use the first N pictures only")
    parser.add_argument(
        "--kodak", type=Path, default=common.RESULTS / "rd_kodak.jsonl", help="ours on all pictures, of bench_rd.py"
    )
    parser.add_argument("--fitted", type=int, default=NUM_FITTED, help="photographs to fit contexts to")
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    options = parser.parse_args()
    common.pin_to_one_core()
    with TemporaryDirectory() as folder:
        rows = measured_rows(options, Path(folder))
    rows += [{"type": "published"} | vars(one) for one in PUBLISHED]
    rows += comparison_rows(rows, common.read_rows(options.kodak))
    source = {"dataset": "kodak"} | common.provenance(options.reason, packages=("laconic", "numpy", "pillow", "torch"))
    common.write_rows(options.out, [row | source for row in rows])
    for row in rows:
        if row["type"] == "comparison":
            print(*(f"{name} {value}" for name, value in row.items()))


def measured_rows(options: argparse.Namespace, folder: Path) -> list[common.Row]:
    """Rows "walloc" and "ours"."""
    from laconic.codecs.walloc.walloc_codec import WallocCodec, add_contexts_to_walloc_codec
    from laconic.codecs.walloc.walloc_network import load_walloc

    weights = str(shutil.copy(options.weights, folder / "weights.safetensors"))
    photographs = sorted((options.data / "clothing10" / "train").rglob("*.jpg"))
    chosen = photographs[:: max(1, len(photographs) // options.fitted)]
    add_contexts_to_walloc_codec(weights, list(training_images(chosen, num_planes=3)))
    network = load_walloc(options.weights)
    of_network = {
        "type": "walloc",
        "channels": network.config.latent_channels,
        "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weights_bytes": options.weights.stat().st_size,
    }
    name = f"WaLLoC f8c{network.config.latent_channels} trained here"
    del network
    settings: list[tuple[common.Row, partial]] = []
    for store, shown in STORES.items():
        row = of_network | {"label": f"{name}, {shown}", "codec": f"WallocCodec(store={store!r})"}
        settings.append((row, partial(WallocCodec, weights, store)))
    for synthesis, label in LABELS.items():
        for channels, qualities in QUALITIES.items():
            for quality in qualities:
                codec = Lcn(tune="psnr", quality=quality, synthesis=synthesis)
                row = {"type": "ours", "label": label, "channels": channels, "codec": repr(codec)}
                settings.append((row, partial(FirstChannels, codec, channels)))
    pictures = pictures_of("kodak", options.data, options.images)
    measured = measure_all({str(i): [make()] for i, (_, make) in enumerate(settings)}, pictures)
    return [
        summary("", "", measurements) | row | {"num_images": len(pictures)}
        for (row, _), measurements in zip(settings, measured.values(), strict=True)
    ]


def comparison_rows(rows: Sequence[common.Row], on_all: Sequence[common.Row]) -> list[common.Row]:
    """Ours against the points of others: with all channels against each, with 12 against those of 12 channels.

    What is published is over all pictures of Kodak, and so are ours beside it: of the rows "rd" of `on_all`, which have all
    channels. Beside the network measured here are ours on the same pictures.
    """
    curves: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    for row in (*rows, *on_all):
        if row["type"] in ("ours", "rd") and row["label"] in LABELS.values():
            key = (row["type"], row["label"], row.get("channels", NUM_CHANNELS))
            curves.setdefault(key, []).append((row["bpp"], row["psnr_db"]))
    found = []
    for theirs in rows:
        if theirs["type"] == "ours":
            continue
        kind = "rd" if theirs["type"] == "published" else "ours"
        few = theirs["type"] == "walloc" and theirs["channels"] == FEW_CHANNELS
        for channels in (NUM_CHANNELS, FEW_CHANNELS) if few else (NUM_CHANNELS,):
            for label in LABELS.values():
                found.append(_comparison(theirs, label, channels, sorted(curves[kind, label, channels])))
    return found


def _comparison(theirs: common.Row, label: str, channels: int, points: Points) -> common.Row:
    at_bytes, at_psnr = psnr_at(points, theirs["bpp"]), rate_at(points, theirs["psnr_db"])
    return {
        "type": "comparison",
        "against": theirs["label"],
        "bpp": theirs["bpp"],
        "psnr_db": theirs["psnr_db"],
        "ours": label,
        "channels": channels,
        "psnr_db_at_bytes": None if at_bytes is None else round(at_bytes, 3),
        "gain_db": None if at_bytes is None else round(at_bytes - theirs["psnr_db"], 3),
        "target_db": theirs.get("target_db") if (label, channels) == (LABELS["neural"], NUM_CHANNELS) else None,
        "bpp_at_psnr": None if at_psnr is None else round(at_psnr, 4),
        "bytes_percent": None if at_psnr is None else round(100 * (at_psnr / theirs["bpp"] - 1), 2),
        "reach": {"bpp": [points[0][0], points[-1][0]], "psnr_db": [points[0][1], max(db for _, db in points)]},
    }


def psnr_at(points: Points, bpp: float) -> float | None:
    """PSNR of a curve, in order of its rates, at a rate; None beyond its ends."""
    rates, values = zip(*points, strict=True)
    return float(np.interp(math.log(bpp), np.log(rates), values)) if rates[0] <= bpp <= rates[-1] else None


def rate_at(points: Points, psnr_db: float) -> float | None:
    """The least rate at which a curve, in order of its rates, has a PSNR; None where it never does."""
    for (low, below), (high, above) in pairwise(points):
        if below <= psnr_db <= above:
            share = (psnr_db - below) / (above - below) if above > below else 0.0
            return low * (high / low) ** share
    return None


if __name__ == "__main__":
    main()
