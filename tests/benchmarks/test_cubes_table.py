"""The README's table of cubes, from rows as benchmarks/cubes/bench_cubes.py writes them."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "readme_tables.py"
SOURCE = {
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "abc",
    "machine": {"cpu": "a processor"},
    "versions": {"imagecodecs": "2026.1", "pillow": "13", "soundfile": "0.13"},
}


def row(ours: int) -> dict[str, object]:
    sizes = {"ours": (ours, 2 * ours), "zfp": (5000, None)}
    codecs = {
        name: {"points": [], "bytes_at_prd": {"prd": prd, "prd_mean_removed": removed}}
        for name, (prd, removed) in sizes.items()
    }
    shapes = {"form": "int16", "fitted_shape": [2, 70], "coded_shape": [2, 30], "raw_bytes": 120}
    model = {"model_bytes": 4000, "fit_seconds": 3.2, "flac_bytes": 8000}
    return {"set": "ECG", **shapes, **model, "codecs": codecs} | SOURCE


def test_table_has_the_last_row_and_says_how_often_ours_go_into_peers(tmp_path: Path) -> None:
    (tmp_path / "cubes.jsonl").write_text("".join(json.dumps(row(n)) + "\n" for n in (9, 1000)), encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table:cubes -->\n<!-- /table -->\n", encoding="utf-8")
    command = [sys.executable, str(SCRIPT), "--readme", str(readme), "--results", str(tmp_path)]
    subprocess.run(command, check=True)
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert "| ECG | laconic | 1,000 | 1.0 | 2,000 | 1.0 |" in lines
    assert "| ECG | zfp | 5,000 | 5.0 | none |  |" in lines
    assert "| ECG | FLAC, without loss | 8,000 | 8.0 | 8,000 | 4.0 |" in lines
    assert "| ECG: int16 | 2 x 70 | 2 x 30 | 120 | 4,000 | 3 |" in lines
