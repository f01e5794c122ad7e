"""The benchmark of the command line's start runs, and its table comes from its rows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARK = ROOT / "benchmarks" / "command_line" / "bench_start.py"
TABLES = ROOT / "benchmarks" / "readme_tables.py"


@pytest.mark.skipif(not Path(sys.executable).with_name("laconic").exists(), reason="the command is not installed")
def test_each_process_has_a_row_and_a_line(tmp_path: Path) -> None:
    out, readme = tmp_path / "start.jsonl", tmp_path / "README.md"
    subprocess.run([sys.executable, str(BENCHMARK), "--rounds", "1", "--out", str(out)], check=True)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    commands = [row["command"] for row in rows]
    assert commands[0] == "python -c pass" and [c for c in commands if c.startswith("laconic")] == commands[2:]
    assert all(0 < row["milliseconds"]["best"] <= row["milliseconds"]["worst"] for row in rows)
    readme.write_text("<!-- table:start -->\n<!-- /table -->\n", encoding="utf-8")
    subprocess.run([sys.executable, str(TABLES), "--readme", str(readme), "--results", str(tmp_path)], check=True)
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert [line.split("`")[1] for line in lines if "`" in line] == commands
    assert rows[0]["commit"] in lines[-2] and rows[0]["reason"] in lines[-2]
