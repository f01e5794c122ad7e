"""The README's table of lossless sounds, from rows as benchmarks/audio/bench_lossless.py writes them."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "readme_tables.py"
SOURCE = {
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "abc",
    "machine": {"cpu": "a processor"},
    "versions": {"soundfile": "0.13"},
}


def row(name: str, ours: int) -> dict[str, object]:
    codecs = {
        "ours": {"num_bytes": ours, "encode_ms_s": 7.04, "decode_ms_s": 11.26},
        "flac": {"num_bytes": 1000, "encode_ms_s": 31.6, "decode_ms_s": 53.73},
    }
    return {"set": name, "bits": 16, "num_files": 3, "num_samples": 2_000_000} | codecs | SOURCE


def test_table_has_the_last_row_of_each_set(tmp_path: Path) -> None:
    rows = [row("speech", 999), row("music", 1000), row("speech", 900)]
    (tmp_path / "lossless.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table:lossless -->\n<!-- /table -->\n", encoding="utf-8")
    command = [sys.executable, str(SCRIPT), "--readme", str(readme), "--results", str(tmp_path)]
    subprocess.run(command, check=True)
    text = readme.read_text(encoding="utf-8")
    assert (
        "| speech | 3 | 2.0 million of 16 bits | 0.004 | 0.004 | \N{MINUS SIGN}10.0 % | 31.6 / 53.7 | 7.0 / 11.3 |\n"
        in text
    )
    assert text.count("speech") == 1 and "| music | 3 |" in text
    assert "one thread of a processor" in text
