"""The speed benchmark runs, and the README's table comes from its rows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARK = ROOT / "benchmarks" / "images" / "bench_speed.py"
TABLES = ROOT / "benchmarks" / "readme_tables.py"
PICTURE = ROOT / "tests" / "data" / "kodim05_crop.png"
SOURCE = {"date": "2026-01-02T03:04:05+00:00", "commit": "abc", "machine": {"cpu": "a processor"}, "simd": "avx2"}
MINUS, AT_MOST, AT_LEAST = "\N{MINUS SIGN}", "\N{LESS-THAN OR EQUAL TO}", "\N{GREATER-THAN OR EQUAL TO}"


def target(text: str, unit: str, limit: float | None, measured: dict[str, float], at_most: bool) -> dict[str, object]:
    row = {"kind": "target", "text": text, "unit": unit, "limit": limit, "at_most": at_most, "measured": measured}
    return row | SOURCE


def test_table_holds_what_was_asked_for_and_the_speeds(tmp_path: Path) -> None:
    speed = {"median": 123.4, "worst": 9.87, "best": 130.2}
    rows = [
        {"kind": "codec", "data": "kodak", "label": "WebP", "codec": "WEBP(quality=38)", "bpp": 0.6, "psnr_db": 32.123}
        | {"encode_mpix_s": speed, "decode_mpix_s": speed}
        | SOURCE,
        target("encode, fast / JPEG", "times", 0.5, {"kodak": 0.6123, "mosaic": 0.7}, at_most=False),
        target("bytes", "%", -12, {"kodak": -15.55}, at_most=True),
        target("peak memory", "MB", 1000, {"": 512.3}, at_most=True),
        target("off a line", "%", None, {"": 3.21}, at_most=True),
    ]
    (tmp_path / "speed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table:speed -->\n<!-- /table -->\n", encoding="utf-8")
    subprocess.run([sys.executable, str(TABLES), "--readme", str(readme), "--results", str(tmp_path)], check=True)
    text = readme.read_text(encoding="utf-8")
    assert f"| encode, fast / JPEG | {AT_LEAST} 0.5 | 0.612 | 0.7 |  |\n" in text
    assert f"| bytes | {AT_MOST} {MINUS}12 % | {MINUS}15.6 % |  |  |\n" in text
    assert f"| peak memory | {AT_MOST} 1,000 MB | 512 MB |  |  |\n" in text
    assert "| off a line |  | 3.21 % |  |  |\n" in text
    assert "| kodak | WebP | `WEBP(quality=38)` | 0.600 | 32.12 | 123 (9.9-130) | 123 (9.9-130) |\n" in text


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "kodak").mkdir()
    (tmp_path / "kodak" / "crop.png").write_bytes(PICTURE.read_bytes())
    return tmp_path


def benchmark(data: Path, parts: str) -> list[dict[str, object]]:
    out = data / "rows.jsonl"
    command = [sys.executable, str(BENCHMARK), "--data", str(data), "--quick", "--parts", parts, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_parts_run_and_rows_of_other_parts_stay(data: Path) -> None:
    kinds = [row["kind"] for row in benchmark(data, "channels,stages")]
    assert kinds == ["channels"] * 9 + ["stage"] * 28 + ["target"] * 3
    kinds = [row["kind"] for row in benchmark(data, "channels,large")]
    assert kinds.count("stage") == 28 and kinds.count("channels") == 9
    assert kinds.count("large") == 4 and kinds.count("line") == 2 and kinds.count("region") == 1
    rows = [row for row in benchmark(data, "large_best") if row.get("part") == "large_best"]
    assert [row["kind"] for row in rows] == ["large", "large", "region"]
    assert {row["profile"] for row in rows} == {"best"}


def test_unknown_part_is_refused_in_a_sentence(data: Path) -> None:
    command = [sys.executable, str(BENCHMARK), "--data", str(data), "--parts", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "allowed are codecs, bytes" in done.stderr and "Traceback" not in done.stderr
