"""Does training on what a codec kept help on what a codec kept? The third finding of the MPQ paper, on clothing10.

    python benchmarks/learning/bench_compressed.py --data ../shared/data --work FOLDER [--epochs N] [--seeds N]

Networks on 64 x 64 pixels (arm small), trained on originals and on the output of each codec at a low rate, each tested on
both (`laconic train compressed`). Rows "compressed" of results/compressed.jsonl: accuracy, loss, and the gain over
networks of the originals on the same test pictures, with 95 % intervals over test pictures and seeds. FOLDER keeps
networks and pictures; the same command goes on. About half an hour on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common

from laconic.tasks.heads.train_options import TrainOptions
from laconic.tasks.mpq import operating_points
from laconic.tasks.mpq.compressed_training import train_on_compressed

CODECS = ("jpeg:quality=3",)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds clothing10")
    parser.add_argument("--work", type=Path, required=True, help="folder of the run")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    options = parser.parse_args()
    chosen = TrainOptions(arm="small", epochs=options.epochs)
    points = operating_points(CODECS)
    cells = train_on_compressed(
        options.data / "clothing10",
        options.work,
        points,
        chosen,
        seeds=options.seeds,
        say=lambda text: print(text, flush=True),
    )
    rates = json.loads((options.work / "result.json").read_bytes())["rates"]
    source = {"dataset": "clothing10", "epochs": options.epochs}
    source |= common.provenance(options.reason, packages=("laconic", "numpy", "pillow", "torch"))
    rows = [{"type": "compressed", "rate": round(rates[cell.tested_on], 4)} | asdict(cell) | source for cell in cells]
    common.write_rows(common.RESULTS / "compressed.jsonl", rows)


if __name__ == "__main__":
    main()
