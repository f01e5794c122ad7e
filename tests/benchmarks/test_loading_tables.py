"""Tables of data sets come from the newest rows, and say how much faster than JPEG."""

import json
import subprocess
import sys
from pathlib import Path

TABLES = Path(__file__).resolve().parents[2] / "benchmarks" / "readme_tables.py"
SOURCE = {"date": "2026-01-02T03:04:05+00:00", "commit": "abc", "machine": {"cpu": "a processor"}, "dataset": "d"} | {
    "size": 224,
    "quality": 60,
}


def table(name: str, rows: list[dict[str, object]], folder: Path) -> str:
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(SOURCE | row) + "\n" for row in rows), encoding="utf-8")
    readme = folder / "README.md"
    readme.write_text(f"<!-- table:{name} -->\n<!-- /table -->\n", encoding="utf-8")
    subprocess.run([sys.executable, str(TABLES), "--readme", str(readme), "--results", str(folder)], check=True)
    return readme.read_text(encoding="utf-8")


def loading(reader: str, speed: float, **fields: object) -> dict[str, object]:
    row = {"type": "loading", "reader": reader, "samples_per_second": speed, "lowest": speed - 1, "highest": speed + 1}
    return row | {"simd": "avx2", "clock": "processor, one core", "samples": 5000, "bytes_per_sample": 2500.4} | fields


def test_readers_are_compared_with_pillow_of_the_same_run(tmp_path: Path) -> None:
    rows = [
        loading("lcn fast, 12 channels", 1, commit="old"),
        loading("lcn fast, 12 channels", 20_000),
        loading("jpeg quality 20, Pillow", 2_000),
        loading("lcn fast, 12 channels", 30_000, clock="wall, two cores"),
        loading("lcn fast, 12 channels", 9_000, size=384),
        loading("jpeg quality 20, Pillow", 600, size=384),
    ]
    text = table("loading", rows, tmp_path)
    assert "| lcn fast, 12 channels | 20,000 | 19,999-20,001 | 10.0 | 2,500 |\n" in text
    assert "| lcn fast, 12 channels (wall, two cores) | 30,000 | 29,999-30,001 | | 2,500 |\n" in text
    assert "| lcn fast, 12 channels | 9,000 | 8,999-9,001 | 15.0 | 2,500 |\n" in text
    assert "old" not in text and "384 pixels wide and high, kernels of avx2:" in text


def test_losses_stand_beside_those_of_the_smallest_packs(tmp_path: Path) -> None:
    common = {"items": 165, "seeds": 3, "epochs": 25, "whole_bytes_per_item": 8000}
    names = {"small": "lcn quality 10, 12 channels", "large": "lcn quality 60, 12 channels"}
    difference = {name: [0.1, -0.1, 0.3] for name in names.values()}
    sizes = {names["large"]: 2500, names["small"]: 900, "jpeg": 5000}
    rows = [
        common | {"source": name, "bytes_per_item": size, "loss": [1.5, 1.4, 1.6], "difference": difference}
        for name, size in sizes.items()
    ]
    text = table("equal_loss", rows, tmp_path)
    assert "| loss | less that of lcn quality 10, 12 channels |\n" in text
    assert f"| {names['small']} | 900 | 8,000 | 1.500 [1.400, 1.600] |  |\n" in text
    assert "| jpeg | 5,000 | 8,000 | 1.500 [1.400, 1.600] | 0.100 [-0.100, 0.300] |\n" in text


def test_packing_is_compared_with_webp(tmp_path: Path) -> None:
    rows = [
        {"writer": name, "workers": 1, "pictures_per_second": speed, "bytes_per_item": 6000, "pictures": 615}
        for name, speed in (("WebP", 100), ("pack, fast", 250))
    ]
    assert "| pack, fast | 1 | 250 | 2.5 | 6,000 |\n" in table("packing", rows, tmp_path)


def test_index_of_a_million(tmp_path: Path) -> None:
    row = {
        "items": 10**6,
        "open_seconds": 0.281,
        "open_mib": 80.5,
        "item_us": 60,
        "item_us_99": 200,
        "batched_item_us": 33,
    }
    text = table("index", [row], tmp_path)
    assert "| 1,000,000 | 0.28 s | 80 MiB | 60 µs | 200 µs | 33 µs |\n" in text
