"""Rate, distortion and speed of our image codec and its peers, in one run.

    python benchmarks/images/bench_rd.py --data ../shared/data [--set NAME] [--plot FILE.png] [--images N]

`laconic` decodes by the neural synthesis, `laconic linear` the same files by the linear one, `laconic best` files of
profile best by the linear one too, `laconic best neural` the same by the neural one. `laconic best neural effort 3`, files
that were searched for that decoder, takes an hour for Kodak: it is measured where --codecs names it.

Timed: `encode`, from an array in memory to the bytes of a whole file in memory, and `decode` back to an array, at each
setting, in one process on one core, best of 2 per picture (1 where a run takes over a quarter of a second). All codecs
take their turn on a picture before the next one, so that a drift of the machine's speed is shared. Not timed: reading
the pictures, the first call of each codec (imports, models, the network), the metrics. The neural synthesis is held to
the one core as well; bench_neural.py has its speed on two. Each set (picture_sets.py) takes about 10 minutes.

Rows "rd": per setting, means over the pictures of the rate (the file's bytes), PSNR and MS-SSIM, and median speeds in
millions of pixels per second. Rows "bd": the BD-rate of `test`, one of ours, against each peer, negative where ours
is smaller, with the `bjontegaard` package's value over the same interval beside it. Rows "bd_picture", of unlike_kodak: the
PSNR BD-rate of profile best against a peer on one picture, and how many more bytes it takes for what the peer reaches with
.1 bit per pixel. Every run on Kodak with ours adds a
line to kodak_runs.jsonl; before `laconic linear` was named there, `laconic` was that.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from picture_sets import SETS, Picture, pictures_of
from rd_codecs import BASES, BEST, BEST_NEURAL, FAMILIES, OURS, SEARCHED

from laconic.codecs.codec import Codec
from laconic.codecs.media import Image
from laconic.tasks.measures.bdrate import Curve, bd_rate, quality_interval
from laconic.tasks.measures.picture_distortion import ms_ssim, psnr
from laconic.tasks.measures.rate import bits_per_pixel

LOW_BPP, HIGH_BPP = 0.15, 1.5  # the range of the BD-rates
LEAST_BPP = 0.1  # of single pictures
SINGLE_PEERS = ("jpeg2000", "avif-444")
SINGLE = ("unlike_kodak",)  # sets whose pictures are too different for a mean
METRICS = ("psnr_db", "ms_ssim_db")


@dataclass(frozen=True)
class Measurement:
    """One codec on one picture."""

    bpp: float
    psnr_db: float
    ms_ssim: float
    encode_mpix_s: float
    decode_mpix_s: float


def main() -> None:
    options = _parse_arguments()
    common.pin_to_one_core()
    start = time.monotonic()
    families = {label: FAMILIES[label]() for label in options.codecs}
    try:
        pictures = pictures_of(options.set, options.data, options.images)
    except FileNotFoundError as err:
        sys.exit(str(err))
    measurements = measure_all(families, pictures)
    source = {"dataset": options.set, "num_images": len(pictures)}
    source |= common.provenance(options.reason, packages=("laconic", "numpy", "pillow", "torch"))
    rd_rows = [summary(*key, of_codec) | source for key, of_codec in measurements.items()]
    bd_rows = [row | source for row in bd_rows_of(rd_rows)]
    picture_rows = [row | source for row in picture_rows_of(pictures, measurements)] if options.set in SINGLE else []
    out = options.out or common.RESULTS / f"rd_{options.set}.jsonl"
    common.write_rows(out, rd_rows + bd_rows + picture_rows)
    if bd_rows and options.set == "kodak":
        seconds = round(time.monotonic() - start)
        common.append_row(options.log, source | {"bd_rate_percent": _percents(bd_rows), "seconds": seconds})
    if options.plot:
        plot(rd_rows, options.plot)
    for row in bd_rows:
        percents = (f"{metric} {row[f'bd_rate_{metric}_percent']}" for metric in METRICS)
        print(row["test"], "against", row["anchor"], *percents)
    print(f"{len(pictures)} pictures in {time.monotonic() - start:.0f} s -> {out}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kodak/ and the others")
    parser.add_argument("--set", choices=SETS, default="kodak", help="which pictures")
    parser.add_argument("--out", type=Path, help="file to write the rows to; results/rd_SET.jsonl if not given")
    parser.add_argument("--log", type=Path, default=common.RESULTS / "kodak_runs.jsonl", help="file to add the run to")
    parser.add_argument("--plot", type=Path, help="file to draw the curves to")
    parser.add_argument("--images", type=int, help="use the first N pictures only")
    default = [label for label in FAMILIES if label != SEARCHED]
    parser.add_argument("--codecs", nargs="+", choices=FAMILIES, default=default, help="measure these only")
    parser.add_argument("--reason", default="unstated", help="why this run is made, for the log")
    return parser.parse_args()


def measure_all(
    families: dict[str, list[Codec[Image]]], pictures: Sequence[Picture]
) -> dict[tuple[str, str], list[Measurement]]:
    """Measurements of every picture by (label, repr of the codec)."""
    measurements: dict[tuple[str, str], list[Measurement]] = {}
    for number, picture in enumerate(pictures):
        image = picture.read()
        if number == 0:
            for codecs in families.values():  # warm-up
                codecs[0].decode(codecs[0].encode(image))
        for label, codecs in families.items():
            for codec in codecs:
                measurements.setdefault((label, repr(codec)), []).append(measure(codec, image))
        print(f"{number + 1}/{len(pictures)} {picture.path.name}", file=sys.stderr)
    return measurements


def measure(codec: Codec[Image], image: Image) -> Measurement:
    data, encode_seconds = common.best_seconds(lambda: codec.encode(image))
    decoded, decode_seconds = common.best_seconds(lambda: codec.decode(data))
    megapixels = image.height * image.width / 1e6
    return Measurement(
        bpp=bits_per_pixel(data, image.samples.shape),
        psnr_db=psnr(image, decoded),
        ms_ssim=ms_ssim(image, decoded),
        encode_mpix_s=megapixels / encode_seconds,
        decode_mpix_s=megapixels / decode_seconds,
    )


def summary(label: str, codec: str, measurements: Sequence[Measurement]) -> common.Row:
    """The row "rd" of one setting. MS-SSIM in dB is that of the mean: -10 log10(1 - x)."""

    def over_images(average: Callable[[list[float]], float], name: str, digits: int) -> float:
        return round(average([getattr(one, name) for one in measurements]), digits)

    mean_ms_ssim = statistics.fmean(one.ms_ssim for one in measurements)
    return {
        "type": "rd",
        "label": label,
        "codec": codec,
        "bpp": over_images(statistics.fmean, "bpp", 5),
        "psnr_db": over_images(statistics.fmean, "psnr_db", 4),
        "ms_ssim": round(mean_ms_ssim, 6),
        "ms_ssim_db": round(-10 * math.log10(1 - mean_ms_ssim), 4),
        "encode_mpix_s": over_images(statistics.median, "encode_mpix_s", 3),
        "decode_mpix_s": over_images(statistics.median, "decode_mpix_s", 3),
    }


def bd_rows_of(rd_rows: Sequence[common.Row]) -> list[common.Row]:
    """The rows "bd": each of ours against those of ours in its `BASES`, and against every peer; none of what was not
    measured."""
    labels = list(dict.fromkeys(row["label"] for row in rd_rows))
    rows = []
    for test, bases in BASES.items():
        for anchor in labels if test in labels else ():
            if anchor in BASES and anchor not in bases:
                continue
            row: common.Row = {"type": "bd", "anchor": anchor, "test": test, "low_bpp": LOW_BPP, "high_bpp": HIGH_BPP}
            for metric in METRICS:
                row |= _bd_fields(metric, _curve(rd_rows, anchor, metric), _curve(rd_rows, test, metric))
            rows.append(row)
    return rows


def picture_rows_of(
    pictures: Sequence[Picture], measurements: dict[tuple[str, str], list[Measurement]]
) -> list[common.Row]:
    """The rows "bd_picture"; none of what was not measured."""
    rows = []
    for index, picture in enumerate(pictures):
        curves: dict[str, list[tuple[float, float]]] = {}
        for (label, _), of_codec in measurements.items():
            curves.setdefault(label, []).append((of_codec[index].bpp, of_codec[index].psnr_db))
        for test, anchor in itertools.product((BEST, BEST_NEURAL), SINGLE_PEERS):
            if test in curves and anchor in curves:
                row: common.Row = {"type": "bd_picture", "picture": picture.path.stem, "anchor": anchor, "test": test}
                rows.append(row | _picture_fields(sorted(curves[anchor]), sorted(curves[test])))
    return rows


def _picture_fields(anchor: Curve, test: Curve) -> common.Row:
    psnr_db = float(np.interp(math.log(LEAST_BPP), *_logarithmic(anchor)))
    log_bpp, qualities = _logarithmic(test)
    bpp = math.exp(float(np.interp(psnr_db, qualities, log_bpp)))
    return {
        "low_bpp": LOW_BPP,
        "high_bpp": HIGH_BPP,
        "bd_rate_psnr_db_percent": round(bd_rate(anchor, test, low=LOW_BPP, high=HIGH_BPP), 2),
        "least_bpp": LEAST_BPP,
        "psnr_db_at_least_bpp": round(psnr_db, 3),
        "bytes_at_least_bpp_percent": round(100 * (bpp / LEAST_BPP - 1), 2),
    }


def _logarithmic(curve: Curve) -> tuple[list[float], list[float]]:
    return [math.log(rate) for rate, _ in curve], [quality for _, quality in curve]


def _percents(bd_rows: Sequence[common.Row]) -> common.Row:
    """BD-rates by test, metric and anchor."""
    found: common.Row = {}
    for row in bd_rows:
        for metric in METRICS:
            by_anchor = found.setdefault(row["test"], {}).setdefault(metric, {})
            by_anchor[row["anchor"]] = row[f"bd_rate_{metric}_percent"]
    return found


def _curve(rd_rows: Sequence[common.Row], label: str, metric: str) -> Curve:
    return [(row["bpp"], row[metric]) for row in rd_rows if row["label"] == label]


def _bd_fields(metric: str, anchor: Curve, test: Curve) -> common.Row:
    try:
        interval = quality_interval(anchor, test, low=LOW_BPP, high=HIGH_BPP)
        percent = bd_rate(anchor, test, low=LOW_BPP, high=HIGH_BPP)
    except ValueError as err:  # the measurements are worth more than this number: keep them
        return {f"bd_rate_{metric}_percent": None, f"{metric}_problem": str(err)}
    return {
        f"bd_rate_{metric}_percent": round(percent, 3),
        f"bd_rate_{metric}_percent_bjontegaard": _cross_check(anchor, test, interval),
        f"{metric}_interval": [round(end, 4) for end in interval],
    }


def _cross_check(anchor: Curve, test: Curve, interval: tuple[float, float]) -> float | None:
    """The same percentage from the interpolants of the `bjontegaard` package; None where it is not installed."""
    if importlib.util.find_spec("bjontegaard") is None:
        return None
    import bjontegaard

    flat = [column for curve in (anchor, test) for column in zip(*sorted(curve), strict=True)]
    options = {"method": "pchip", "require_matching_points": False, "interpolators": True, "min_overlap": 0}
    _, anchor_log_rate, test_log_rate = bjontegaard.bd_rate(*flat, **options)
    integral = test_log_rate.integrate(*interval) - anchor_log_rate.integrate(*interval)
    return round(100 * (10 ** float(integral / (interval[1] - interval[0])) - 1), 3)


def plot(rd_rows: Sequence[common.Row], path: Path) -> None:
    """Two panels, PSNR and MS-SSIM over rate, each curve named at its right end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for panel, metric, title in zip(panels, METRICS, ("PSNR, dB", "MS-SSIM, dB: $-10\\,\\log_{10}(1-x)$"), strict=True):
        ends = _draw_curves(panel, rd_rows, metric)
        panel.set_xscale("log")
        panel.set_xlim(0.1, HIGH_BPP)
        ticks = (0.1, 0.15, 0.25, 0.5, 1.0, HIGH_BPP)
        panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.set_xticks([], minor=True)
        panel.set_xlabel("bits per pixel")
        panel.set_title(title, loc="left", fontsize="medium")
        _name_curves(panel, ends)
    source = rd_rows[0]
    figure.suptitle(f"{source['dataset']}, means over {source['num_images']} pictures", x=0.01, ha="left")
    common.save_figure(figure, path)


def _draw_curves(panel: Any, rd_rows: Sequence[common.Row], metric: str) -> list[tuple[float, str, str]]:
    """Draw each codec's curve up to HIGH_BPP; (quality at its right end, label, colour) of each."""
    ends = []
    for number, label in enumerate(dict.fromkeys(row["label"] for row in rd_rows)):
        points = sorted(_curve(rd_rows, label, metric))
        width = 2.4 if label == OURS else 1.3
        colour = "black" if label == OURS else f"C{number % 10}"
        panel.plot(*zip(*points, strict=True), color=colour, linewidth=width, marker="o", markersize=width + 1)
        log_rates, qualities = [math.log(rate) for rate, _ in points], [quality for _, quality in points]
        ends.append((float(np.interp(math.log(HIGH_BPP), log_rates, qualities)), label, colour))
    lowest = min(row[metric] for row in rd_rows if row["bpp"] >= 0.1)
    panel.set_ylim(lowest - 0.3, max(ends)[0] + 0.3)
    return ends


def _name_curves(panel: Any, ends: Sequence[tuple[float, str, str]]) -> None:
    """Labels right of the panel, from the top down, each at its curve or just below the one before."""
    bottom, top = panel.get_ylim()
    line_height = (top - bottom) / 22
    height = math.inf
    for quality, label, colour in sorted(ends, reverse=True):
        height = min(quality, height - line_height)
        panel.annotate(
            label, (1.02, height), xycoords=("axes fraction", "data"), color=colour, va="center", annotation_clip=False
        )


if __name__ == "__main__":
    main()
