"""Tables of what networks lose: at equal loss by task and codec, the study of tuning, training on what codecs kept."""

from __future__ import annotations

from collections.abc import Sequence

import common

from result_tables.cell_text import gap

# Of each task the number that carries the comparison, and how its row is called.
TASKS = {
    "imagenet": ("loss", "MobileNet V2, ImageNet photographs: cross-entropy"),
    "imagenet-v1": ("loss", "MobileNet V1, the same photographs: cross-entropy"),
    "imagenet-lite1": ("loss", "EfficientNet-lite1, the same photographs: cross-entropy"),
    "segmentation": ("loss", "DeepLab, CamVid streets: share of wrong pixels"),
    "read": ("loss", "PP-OCRv4, receipts: wrong characters"),
    "tagging": ("loss", "YAMNet, ESC-10 sounds: cross-entropy"),
    "speech": ("loss", "PocketSphinx, AN4: wrong words"),
    "speaker": ("loss", "resemblyzer, AN4: distance of voices"),
    "speech-quality": ("loss", "DNSMOS, AN4: quality"),
}
MEASURES = {
    "psnr_db": "PSNR",
    "ms_ssim": "MS-SSIM",
    "lite0_f3": "features f3",
    "lite0_n4": "features n4",
    "loss": "loss",
}


def machine_table(*bd: Sequence[common.Row]) -> str:
    """Bytes of each codec at equal loss of each task's model, against ours; one table for pictures, one for sounds."""
    rows = [row for of_kind in bd for row in of_kind]
    found = {(row["task"], row["curve"]): row for row in rows if row["measure"]["name"] == _measure_of(row["task"])}
    blocks = []
    for kind in (list(TASKS)[:5], list(TASKS)[5:]):
        tasks = [task for task in kind if any(task == name for name, _ in found)]
        curves = list(dict.fromkeys(curve for task, curve in found if task in tasks))
        if not curves:
            continue
        lines = [f"| at equal | {' | '.join(_name(curve) for curve in curves)} |", f"|---|{'--:|' * len(curves)}"]
        for task in tasks:
            cells = [gap((found.get((task, curve)) or {}).get("rate")) for curve in curves]
            lines.append(f"| {TASKS[task][1]} (n = {found[task, curves[0]]['num_samples']}) | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    caption = (
        "Bytes more than those of ours (`lcn`, profile small, linear synthesis) at equal loss, with 95 % intervals over "
        "samples; negative: the other codec needs fewer bytes. Empty: the curves share too little. From "
        "the two `bd.jsonl`."
    )
    return "\n\n".join([*blocks, caption]) + "\n"


def study_table(rows: Sequence[common.Row]) -> str:
    """Each codec against ours in each measure, on both sets; then mean IoU at three rates."""
    bd = {(row["task"], row["curve"], row["measure"]): row for row in rows if row["type"] == "bd"}
    curves = list(dict.fromkeys(curve for _, curve, _ in bd))
    tasks = list(dict.fromkeys(task for task, _, _ in bd))
    heads = [
        f"{name}, {'ImageNet' if task == 'imagenet' else 'CamVid'}" for task in tasks for name in MEASURES.values()
    ]
    lines = [f"| codec | {' | '.join(heads)} |", f"|---|{'--:|' * len(heads)}"]
    for curve in curves:
        cells = [gap(bd[task, curve, name]["rate"]) for task in tasks for name in MEASURES]
        lines.append(f"| {_name(curve)} | {' | '.join(cells)} |")
    scores = {
        (row["curve"], row["rate"]): row["score"]
        for row in rows
        if row["type"] == "score" and row["task"] != "imagenet"
    }
    rates = sorted({rate for _, rate in scores})
    lines += ["", f"| mean IoU % of CamVid at bpp | {' | '.join(f'{rate:.2f}' for rate in rates)} |"]
    lines.append(f"|---|{'--:|' * len(rates)}")
    for curve in dict.fromkeys(curve for curve, _ in scores):
        cells = [f"{100 * scores[curve, rate]:.1f}" if (curve, rate) in scores else "" for rate in rates]
        lines.append(f"| {_name(curve)} | {' | '.join(cells)} |")
    first = rows[0]
    caption = (
        "Bytes more than those of ours (`lcn`, profile small, linear synthesis, effort 1) at equal value, with 95 % "
        "intervals over pictures: the mean over pictures of mean log-rate differences; of the loss, on curves of means. "
        f"`small before`: files of three levels. {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def compressed_table(rows: Sequence[common.Row]) -> str:
    """Accuracy of networks by what they were trained and tested on."""
    lines = ["| trained on | tested on | bpp | accuracy % | against training on originals |", "|---|---|--:|--:|--:|"]
    for row in rows:
        gain = "" if row["trained_on"] == "uncompressed" else _points(row["gain"], row["gain_interval"], sign=True)
        score = _points(row["accuracy"], row["interval"])
        lines.append(f"| {row['trained_on']} | {row['tested_on']} | {row['rate']:.3g} | {score} | {gain} |")
    first = rows[0]
    caption = (
        f"{first['dataset']}, {first['num_items']} test pictures, {first['num_seeds']} seeds, {first['epochs']} epochs, "
        f"64 x 64 pixels; brackets: 95 % intervals over pictures and seeds. {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def _measure_of(task: str) -> str:
    return TASKS[task][0] if task in TASKS else ""


def _name(curve: str) -> str:
    return "learned peer" if curve == "compressai" else curve


def _points(value: float, interval: Sequence[float], *, sign: bool = False) -> str:
    low, high = (100 * end for end in interval)
    return f"{100 * value:{'+' if sign else ''}.1f} [{low:.1f}, {high:.1f}]"
