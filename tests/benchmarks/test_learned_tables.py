"""The README's tables of the learned codec come from their rows."""

import json
import subprocess
import sys
from pathlib import Path

TABLES = Path(__file__).resolve().parents[2] / "benchmarks" / "readme_tables.py"
SOURCE = {"dataset": "kodak", "num_images": 24, "date": "2026-01-02T03:04:05+00:00", "commit": "abc"} | {
    "machine": {"cpu": "a processor"}
}
MINUS, AT_MOST, AT_LEAST = "\N{MINUS SIGN}", "\N{LESS-THAN OR EQUAL TO}", "\N{GREATER-THAN OR EQUAL TO}"


def table(name: str, rows: list[dict[str, object]], folder: Path) -> str:
    text = "".join(json.dumps(row | SOURCE) + "\n" for row in rows)
    (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    readme = folder / "README.md"
    readme.write_text(f"<!-- table:{name} -->\n<!-- /table -->\n", encoding="utf-8")
    subprocess.run([sys.executable, str(TABLES), "--readme", str(readme), "--results", str(folder)], check=True)
    return readme.read_text(encoding="utf-8")


def comparison(**fields: object) -> dict[str, object]:
    row: dict[str, object] = {"type": "comparison", "against": "WaLLoC", "bpp": 0.617, "psnr_db": 30.56}
    row |= {"ours": "laconic", "channels": 192, "target_db": None, "psnr_db_at_bytes": None, "gain_db": None}
    return row | {"bytes_percent": None, "reach": {"bpp": [0.1, 2.0], "psnr_db": [26.0, 40.0]}} | fields


def test_baseline_stands_beside_ours_and_what_is_not_reached_is_said(tmp_path: Path) -> None:
    reach = {"bpp": [0.1, 0.5], "psnr_db": [20.0, 27.5]}
    rows = [
        {"type": "walloc", "label": "WaLLoC trained here", "bpp": 0.6, "psnr_db": 28.0, "ms_ssim": 0.95}
        | {"encode_mpix_s": 5.0, "decode_mpix_s": 0.05, "num_parameters": 57_000_000, "weights_bytes": 228_000_000},
        {"type": "published", "label": "WaLLoC, published", "bpp": 0.617, "psnr_db": 30.56},
        comparison(psnr_db_at_bytes=33.5, gain_db=2.94, target_db=2.5, bytes_percent=-40.04),
        comparison(ours="laconic linear", channels=12, reach=reach),
        comparison(bpp=0.05, psnr_db=10.0, reach=reach),
    ]
    text = table("walloc", rows, tmp_path)
    assert "| WaLLoC trained here | 0.600 | 28.00 | 0.9500 | 5.0 | 0.05 |\n" in text
    assert "| WaLLoC, published | 0.617 | 30.56 |  |  |  |\n" in text
    start = "| WaLLoC: 0.617 bpp, 30.56 dB |"
    assert f"{start} laconic | 192 | 33.50 dB | +2.94 dB | {AT_LEAST} +2.50 dB | {MINUS}40.0 % |\n" in text
    linear = "laconic linear | 12 | not so many bytes: 0.500 bpp at most |  |  | not reached: 27.50 dB at most |\n"
    assert f"{start} {linear}" in text
    assert "| WaLLoC: 0.050 bpp, 10.00 dB | laconic | 192 | not so few bytes |  |  | not so low |\n" in text
    assert "57.0 million parameters, 228 MB" in text


def test_channels_have_both_syntheses_of_each_quality(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"quality": quality, "synthesis": synthesis, "channels": channels, "bpp": 0.01 * channels, "psnr_db": psnr_db}
        for quality, synthesis, psnr_db in (
            (60, "linear", 20),
            (60, "neural", 21),
            (90, "linear", 22),
            (90, "neural", 23),
        )
        for channels in (3, 12)
    ]
    text = table("channels", rows, tmp_path)
    assert (
        "| channels | quality 60, bpp | linear, dB | neural, dB | quality 90, bpp | linear, dB | neural, dB |" in text
    )
    assert "| 12 | 0.120 | 20.00 | 21.00 | 0.120 | 22.00 | 23.00 |\n" in text


def test_neural_decoding_stands_beside_what_was_asked(tmp_path: Path) -> None:
    def target(text: str, unit: str, limit: float | None, at_most: bool, **measured: float) -> dict[str, object]:
        found = {name.strip("_"): value for name, value in measured.items()}
        return {"kind": "target", "text": text, "unit": unit, "limit": limit, "at_most": at_most, "measured": found}

    rows = [
        {"kind": "decode", "quality": 50, "runs": 5},
        target("neural, 2 cores", "MPix/s", 3, False, kodak=3.456, mosaic=3.1),
        target("peak memory", "MB", 1500, True, _=612.3),
    ]
    text = table("neural", rows, tmp_path)
    assert f"| neural, 2 cores | {AT_LEAST} 3 MPix/s | 3.46 MPix/s | 3.1 MPix/s |\n" in text
    assert f"| peak memory | {AT_MOST} 1,500 MB | 612 MB |  |\n" in text
    assert "quality 50, float32, medians of 5 runs" in text


def test_parts_of_packs_stand_beside_parts_by_lot(tmp_path: Path) -> None:
    ridge = {"type": "selection ridge", "percent": 10, "pools": 20, "all": 0.4, "chosen": 0.31, "lot": 0.26}
    summary = {"type": "selection summary", "percent": 30, "runs": 3}
    rows: list[dict[str, object]] = [
        ridge | {"difference": 0.05, "difference_interval_95": [0.04, 0.06]},
        {"type": "selection", "percent": 30, "arm": "lot", "seed": 0, "test_accuracy": 0.9},
        summary | {"arm": "chosen", "mean": 0.25, "interval_95": [0.2, 0.3]},
        summary | {"arm": "lot", "mean": 0.27, "interval_95": [0.2, 0.3]},
        summary | {"arm": "chosen - lot", "mean": -0.02, "interval_95": [-0.06, 0.02]},
        summary | {"arm": "all", "percent": 100, "mean": 0.38, "interval_95": [0.3, 0.4]},
    ]
    text = table("selection", rows, tmp_path)
    assert "| kodak | 10 % | kernel ridge, 20 pools | 31.0 % | 26.0 % | +5.0 [+4.0, +6.0] | 40.0 % |\n" in text
    assert "| kodak | 30 % | network, 3 seeds | 25.0 % | 27.0 % | -2.0 [-6.0, +2.0] | 38.0 % |\n" in text
    assert text.count("| kodak |") == 2
