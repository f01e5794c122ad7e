"""One nested head against heads of their own for each number of channels, and heads of an old model on files of a new one.

    python benchmarks/learning/bench_nested.py --data FOLDER --work FOLDER --old-model FILE --reason "why it was run"

The data folder holds train/<class>/ and test/<class>/ of pictures, packed once with the shipped model, and once with an old
one where that is given. All heads are trained alike, by `laconic train classify`; a killed benchmark goes on where it
stopped. Rows: "nested", of each number of channels the accuracy on the test split of the nested head and of one of its
own, with the bytes that are read of a picture, and the difference; "bridge", of a head that learned from the old model's
latents the accuracy on files of the old model, on those of the new one mapped to it, and on those as they are. Intervals:
over items and seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
import torch
from learning_intervals import Rows, score_intervals

from laconic.codecs.models.model_bridge import bridge_of_models
from laconic.codecs.models.zoo import load_model
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions, has_pack_index
from laconic.tasks.heads.checkpoint import load_checkpoint
from laconic.tasks.heads.classification import Classification
from laconic.tasks.heads.head_training import train
from laconic.tasks.heads.judged_items import load_judged_items
from laconic.tasks.heads.learning_task import Batch
from laconic.tasks.heads.train_options import TrainOptions
from laconic.tasks.training.run_names import JUDGED_NAME

PACKAGES = ("laconic", "numpy", "pillow", "torch")
CHANNELS = (3, 12, 48)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train/<class>/ and test/<class>/")
    parser.add_argument("--work", type=Path, required=True, help="folder for packs and runs, kept between calls")
    parser.add_argument("--old-model", help="a model file of the same bands in other axes")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--body", choices=("bands", "residual"), default="bands")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "nested.jsonl")
    options = parser.parse_args()
    rows = nested_rows(options) + (bridge_rows(options) if options.old_model else [])
    for row in rows:
        common.append_row(options.results, row)
        print(json.dumps({key: value for key, value in row.items() if key not in ("machine", "versions")}))


def packed(options: argparse.Namespace, model: str) -> Path:
    folder: Path = options.work / f"{options.data.name}-{options.size}-{Path(model).stem}"
    if not has_pack_index(folder):
        how = PackIndexOptions(size=options.size, quality=60, profile="fast", model=model)
        archive.pack(options.data, folder, how, engine=ThreadEngine(1))
    return folder


def trained(options: argparse.Namespace, model: str, channels: int, nested: tuple[int, ...], seed: int) -> Path:
    """The folder of the run."""
    head = f"{channels}-nested" if nested else str(channels)
    name = f"{Path(model).stem}-{options.size}-{head}-e{options.epochs}-{options.body}-s{seed}"
    run: Path = options.work / "runs" / name
    own = model if Path(model).suffix else None
    how = TrainOptions(epochs=options.epochs, channels=channels, seed=seed, model=own)
    train(packed(options, model), run, how, task=Classification(body=options.body, nested=nested))
    return run


def common_parts(options: argparse.Namespace) -> common.Row:
    settings = {"data": options.data.name, "size": options.size, "epochs": options.epochs, "body": options.body}
    return {**settings, "seeds": options.seeds, **common.provenance(options.reason, packages=PACKAGES)}


def accuracy(rows: Rows) -> float:
    return float((rows[:, 1] == rows[:, 2]).mean())


def nested_rows(options: argparse.Namespace) -> list[common.Row]:
    whole = CHANNELS[-1]
    nested = [
        load_judged_items(trained(options, "rgb", whole, CHANNELS[:-1], seed) / JUDGED_NAME).rows
        for seed in options.seeds
    ]
    found = []
    for number, channels in enumerate(CHANNELS):
        own = [
            load_judged_items(trained(options, "rgb", channels, (), seed) / JUDGED_NAME).rows for seed in options.seeds
        ]
        # Columns of the class that was taken: of all channels the third, of each prefix the second of its pair.
        taken = 2 if channels == whole else 5 + 2 * number
        arms = {"nested": [np.stack([rows[:, 0], rows[:, 1], rows[:, taken]], 1) for rows in nested], "own": own}
        scores, differences = score_intervals(arms, "nested", accuracy)
        data = LatentDataset(packed(options, "rgb"), channels=channels, split="test")
        row = {"channels": channels, "bytes_per_item": float(np.mean(data.bytes_per_item)), "items": len(data)}
        row |= {f"accuracy_{name}": interval.values for name, interval in scores.items()}
        row["nested_less_own"] = differences["own"].values
        found.append({"kind": "nested", **row, **common_parts(options)})
    return found


def judged(run: Path, values: np.ndarray, labels: np.ndarray) -> Rows:
    """Rows of latents in signal units by a run."""
    head = load_checkpoint(run)
    scale, shift = (np.array(v, np.float32)[:, None, None] for v in (head.form.scale, head.form.shift))
    batch = Batch(torch.from_numpy(values * scale + shift), (torch.from_numpy(labels),))
    with torch.no_grad():
        rows: Rows = head.task.judge(head.network, batch).numpy()
    return rows


def bridge_rows(options: argparse.Namespace) -> list[common.Row]:
    found = []
    for old, new in ((options.old_model, "rgb"), ("rgb", options.old_model)):
        for channels in (3, 12):
            bridge = bridge_of_models(load_model(old), load_model(new), channels)
            values: dict[str, Any] = {}
            for name, model, count in (("own", old, channels), ("new", new, bridge.channels_new)):
                given = model if Path(model).suffix else None
                folder = packed(options, model)
                data = LatentDataset(folder, channels=count, split="test", scaling="none", model=given)
                values[name], labels = data.arrays(range(len(data))), data.labels
            values |= {"mapped": bridge.apply(values["new"]), "as they are": values.pop("new")[:, :channels]}
            runs = [trained(options, old, channels, (), seed) for seed in options.seeds]
            arms = {name: [judged(run, x, labels) for run in runs] for name, x in values.items()}
            scores, _ = score_intervals(arms, "mapped", accuracy)
            pairs = [np.concatenate(pair, 1) for pair in zip(arms["mapped"], arms["own"], strict=True)]  # of one head
            difference, _ = score_intervals({"": pairs}, "", lambda rows: accuracy(rows) - accuracy(rows[:, 4:]))
            row = {"old": load_model(old).fingerprint.hex(), "new": load_model(new).fingerprint.hex()}
            row |= {"channels": channels, "items": len(labels), "channels_new": bridge.channels_new}
            row |= {f"accuracy_{name.replace(' ', '_')}": interval.values for name, interval in scores.items()}
            row["mapped_less_own"] = difference[""].values
            found.append({"kind": "bridge", **row, **common_parts(options)})
    return found


if __name__ == "__main__":
    main()
