"""The README's one table: six rows from five files of results."""

import json
import subprocess
import sys
from pathlib import Path

TABLES = Path(__file__).resolve().parents[2] / "benchmarks" / "readme_tables.py"
SOURCE = {"date": "2026-01-02T03:04:05+00:00", "commit": "abc", "machine": {"cpu": "a processor"}}
MINUS = "\N{MINUS SIGN}"


def loading(reader: str, speed: float, commit: str) -> dict[str, object]:
    row = {"type": "loading", "reader": reader, "samples_per_second": speed, "lowest": speed - 1, "highest": speed + 1}
    return {
        **SOURCE,
        **row,
        "commit": commit,
        "clock": "processor, one core",
        "simd": "avx2",
        "size": 256,
        "samples": 9,
        "dataset": "d",
        "quality": 60,
        "bytes_per_sample": 5,
    }


def learned(arm: str, variant: str, score: float, ahead: list[float] | None) -> dict[str, object]:
    row = {"type": "learning summary", "jobs": "full", "task": "classify", "dataset": "clothing10", "items": 100}
    kind = {"score_name": "accuracy", "unit": "%", "higher_is_better": True, "validation": score}
    scores = {"accuracy": [score, score - 0.1, score + 0.1], "accuracy_latents_ahead": ahead}
    return {**SOURCE, **row, **kind, **scores, "arm": arm, "variant": variant, "input": f"input {arm}"}


def loss(task: str, curve: str, rate: float, difference: float) -> dict[str, object]:
    interval = [difference - 0.05, difference + 0.05]
    return {"task": task, "curve": curve, "rate": rate, "difference": difference, "difference_interval": interval}


def codec(label: str) -> dict[str, object]:
    speeds = {f"{verb}_mpix_s": {"median": value} for verb, value in (("encode", 41.2), ("decode", 2.5))}
    return {**SOURCE, "kind": "codec", "data": "kodak", "label": label, **speeds}


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_rows_are_of_the_newest_loading_the_nearest_rate_and_all_seeds(tmp_path: Path) -> None:
    readers = ("lcn fast, 12 channels", "jpeg quality 20, Pillow")
    speeds = (("old", 100), ("new", 2000))
    read = [loading(reader, speed, commit) for commit, speed in speeds for reader in readers]
    others = [loading(reader, 1, "new") | {"simd": "avx512"} for reader in readers]
    write(
        tmp_path / "loading.jsonl", [*others, *read, read[-1] | {"clock": "wall, two cores", "samples_per_second": 3}]
    )
    latents, worse, best, shorter = (
        learned("latents", "", 0.5, None),
        learned("small", "", 0.3, [0.2, 0.1, 0.3]),
        learned("patches", "", 0.45, [0.05, -0.01, 0.11]),
        learned("patches", "equal time", 0.4, [0.1, 0.02, 0.18]),
    )
    write(tmp_path / "learning_tasks.jsonl", [latents, worse, best, shorter, {**latents, "jobs": "short"}])
    curves = [(task, curve) for task in ("imagenet", "segmentation") for curve in ("lcn", "jpeg", "webp", "avif")]
    losses = [loss(*curve, rate, -rate / 2) for curve in curves for rate in (0.1, 0.6, 3.0)]
    write(tmp_path / "machine_quality" / "summary.jsonl", losses)
    bd = {"type": "bd", "test": "laconic linear", "bd_rate_psnr_db_percent": -12.34, **SOURCE}
    write(tmp_path / "rd_kodak.jsonl", [bd | {"anchor": anchor} for anchor in ("jpeg", "webp", "avif")])
    write(tmp_path / "speed.jsonl", [codec(label) for label in ("laconic small", "JPEG quality 75", "WebP", "AVIF")])
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table:headline -->\n<!-- /table -->\n", encoding="utf-8")
    subprocess.run([sys.executable, str(TABLES), "--readme", str(readme), "--results", str(tmp_path)], check=True)
    text = readme.read_text(encoding="utf-8")
    assert "one core | 2,000 | 2,000 |  |  |\n" in text
    assert "(n 100): input latents, input patches | 50.0 [40.0, 60.0] % | 45.0 [35.0, 55.0] % |  |  |\n" in text
    assert f"not told apart from pixels (+5.0 [{MINUS}1.0, +11.0]) at equal epochs, ahead of pixels (+10.0" in text
    assert text.count("| 30 [25, 35] at 0.60 bpp") == 8
    assert f"| {MINUS}12.3 % | {MINUS}12.3 % | {MINUS}12.3 % |" in text
    assert text.count("41 / 2.5") == 4
    assert "Measured on a processor: loading 2026-01-02 (new), learning 2026-01-02 (abc)" in text
    assert text.count("\n| ") == 6 + 1
