"""What the first channels of the latent show, by the linear and by the neural synthesis.

    python benchmarks/images/bench_channels.py --data ../shared/data [--plot FILE.png] [--images N] [--reason TEXT]

Rows "channels": Kodak, files that hold the first 3 to all 192 channels of a quality, decoded by each synthesis: means of
the rate (whole files), PSNR and MS-SSIM, median speeds as in bench_rd.py, on one core. The encoder chooses its integers
before channels are left out. The points of the published baseline in the figure are its authors' (bench_walloc.py has it
trained here). About 4 minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
from bench_rd import measure_all, summary
from bench_walloc import PUBLISHED
from first_channels import NUM_CHANNELS, FirstChannels
from picture_sets import pictures_of

from laconic.codecs.lcn import Lcn

CHANNELS = (3, 6, 12, 24, 48, 96, 144, NUM_CHANNELS)
QUALITIES = (60, 90)
SYNTHESES = ("linear", "neural")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kodak/")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "channels.jsonl", help="file to write the rows to")
    parser.add_argument("--plot", type=Path, help="file to draw the curves to")
    parser.add_argument("--images", type=int, help="use the first N pictures only")
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    options = parser.parse_args()
    common.pin_to_one_core()
    pictures = pictures_of("kodak", options.data, options.images)
    families = {
        f"{synthesis} {quality}": [
            FirstChannels(Lcn(tune="psnr", quality=quality, synthesis=synthesis), count) for count in CHANNELS
        ]
        for quality in QUALITIES
        for synthesis in SYNTHESES
    }
    measured = iter(measure_all(families, pictures).items())  # in the order of the families
    source = {"dataset": "kodak", "num_images": len(pictures)}
    source |= common.provenance(options.reason, packages=("laconic", "numpy", "pillow", "torch"))
    rows = []
    for codec in (one for family in families.values() for one in family):
        key, measurements = next(measured)
        settings = {"quality": codec.codec.quality, "synthesis": codec.codec.synthesis, "channels": codec.channels}
        rows.append(summary(*key, measurements) | {"type": "channels"} | settings | source)
    common.write_rows(options.out, rows)
    if options.plot:
        plot(rows, options.plot)
    for row in rows:
        print(row["label"], row["channels"], "channels", row["bpp"], "bpp", row["psnr_db"], "dB")


def plot(rows: Sequence[common.Row], path: Path) -> None:
    """PSNR over the number of channels, a curve for each synthesis and quality."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(7, 5), layout="constrained")
    for label in dict.fromkeys(row["label"] for row in rows):
        points = [row for row in rows if row["label"] == label]
        first = points[0]
        panel.plot(
            [row["channels"] for row in points],
            [row["psnr_db"] for row in points],
            color=f"C{QUALITIES.index(first['quality'])}",
            linestyle="-" if first["synthesis"] == "neural" else "--",
            marker="o",
            markersize=3,
            label=f"{first['synthesis']}, quality {first['quality']}",
        )
    published = [(one.channels, one.psnr_db) for one in PUBLISHED if one.channels]
    panel.plot(*zip(*published, strict=True), "kx", label="WaLLoC, as published")
    panel.set_xscale("log")
    panel.set_xticks(CHANNELS, [str(count) for count in CHANNELS])
    panel.set_xticks([], minor=True)
    panel.set_xlabel("first channels of the latent")
    panel.set_ylabel("PSNR, dB")
    panel.set_title(f"{rows[0]['dataset']}, means over {rows[0]['num_images']} pictures", loc="left", fontsize="medium")
    panel.legend(frameon=False)
    common.save_figure(figure, path)


if __name__ == "__main__":
    main()
