"""The README's tables come from benchmarks/results; those of this repository are up to date."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "readme_tables.py"
RESULTS = ROOT / "benchmarks" / "results"
README = "# Title\n\n<!-- table:rd_kodak -->\nold\n<!-- /table -->\n\nThe end.\n"

SOURCE = {"dataset": "kodak", "num_images": 24, "date": "2026-01-02T03:04:05+00:00", "commit": "abc"} | {
    "machine": {"cpu": "a processor"}
}
SPEEDS = {"encode_mpix_s": 12.34, "decode_mpix_s": 0.567}


def rd_row(label: str, codec: str, bpp: float) -> dict[str, object]:
    point = {"type": "rd", "label": label, "codec": codec, "bpp": bpp, "psnr_db": 30 + bpp, "ms_ssim": 0.95}
    return point | SPEEDS | SOURCE


ROWS = [
    rd_row("laconic", "Lcn(quality=40)", 0.45),
    rd_row("laconic", "Lcn(quality=60)", 0.9),
    rd_row("webp", "WebP(quality=10)", 0.3),
    rd_row("webp", "WebP(quality=30)", 0.7),
    {"type": "bd", "anchor": "webp", "test": "laconic", "low_bpp": 0.15, "high_bpp": 1.5}
    | {"bd_rate_psnr_db_percent": -12.34, "bd_rate_ms_ssim_db_percent": None}
    | SOURCE,
]


def run(readme: Path, *options: str, results: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--readme", str(readme), "--results", str(results), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    (tmp_path / "rd_kodak.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    path = tmp_path / "README.md"
    path.write_text(README, encoding="utf-8")
    return path


def test_table_holds_bd_rate_and_setting_nearest_half_a_bit(readme: Path) -> None:
    assert run(readme, results=readme.parent).returncode == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("# Title\n\n<!-- table:rd_kodak -->\n| codec |")
    assert text.endswith("<!-- /table -->\n\nThe end.\n")
    assert "| laconic |  |  | `Lcn(quality=40)` | 0.450 | 30.45 | 0.9500 | 12 | 0.57 |\n" in text
    assert "| webp | \N{MINUS SIGN}12.3 % |  | `WebP(quality=30)` | 0.700 |" in text
    assert "24 pictures (kodak)" in text
    assert "old" not in text


def test_both_syntheses_have_their_bd_rates_and_small_pictures_no_speeds(readme: Path) -> None:
    linear = {"type": "bd", "anchor": "webp", "test": "laconic linear", "low_bpp": 0.15, "high_bpp": 1.5} | SOURCE
    rows = [*ROWS, linear | {"bd_rate_psnr_db_percent": 3.21, "bd_rate_ms_ssim_db_percent": 45.6}]
    for name in ("rd_kodak", "rd_unseen"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (readme.parent / f"{name}.jsonl").write_text(text, encoding="utf-8")
    readme.write_text(README + README.replace("rd_kodak", "rd_unseen"), encoding="utf-8")
    run(readme, results=readme.parent)
    kodak, unseen = readme.read_text(encoding="utf-8").split("The end.")[:2]
    start = "| webp | \N{MINUS SIGN}12.3 % |  | +3.2 % | +45.6 % | `WebP(quality=30)` | 0.700 | 30.70 | 0.9500 |"
    assert start + " 12 | 0.57 |\n" in kodak
    assert start + "\n" in unseen
    assert "BD-rate of linear to it" in kodak and "encode" not in unseen and "MPix/s" not in unseen


def test_check_reports_and_writing_settles_it(readme: Path) -> None:
    check = run(readme, "--check", results=readme.parent)
    assert check.returncode == 1
    assert "out of date" in check.stderr
    assert readme.read_text(encoding="utf-8") == README
    run(readme, results=readme.parent)
    assert run(readme, "--check", results=readme.parent).returncode == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- table:nonsense -->\n<!-- /table -->\n", "table nonsense is unknown"),
        ("<!-- table:rd_kodak -->\n", "not all are followed"),
        ("<!-- table:rd_kodak -->\n<!-- table:rd_kodak -->\n<!-- /table -->\n", "not all are followed"),
    ],
)
def test_broken_marker_is_refused_in_a_sentence(readme: Path, text: str, message: str) -> None:
    readme.write_text(text, encoding="utf-8")
    result = run(readme, results=readme.parent)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert readme.read_text(encoding="utf-8") == text


def test_missing_results_are_named(readme: Path) -> None:
    (readme.parent / "rd_kodak.jsonl").unlink()
    result = run(readme, results=readme.parent)
    assert result.returncode == 1
    assert "rd_kodak.jsonl" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not (RESULTS / "rd_kodak.jsonl").exists(), reason="nothing was measured yet")
def test_tables_of_this_repository_are_up_to_date() -> None:
    result = run(ROOT / "README.md", "--check", results=RESULTS)
    assert result.returncode == 0, result.stderr
