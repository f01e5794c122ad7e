"""The README's table of the sound benchmark, from rows as benchmarks/audio/bench_audio.py writes them."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "readme_tables.py"
SOURCE = {"num_clips": 6, "date": "2026-01-02T03:04:05+00:00", "commit": "abc", "machine": {"cpu": "a processor"}}


def rd_row(sounds: str, label: str, codec: str, kbps: float) -> dict[str, object]:
    point = {"type": "rd", "sounds": sounds, "label": label, "codec": codec, "kbps": kbps, "payload_kbps": kbps - 1}
    return point | {"snr_db": kbps / 4, "log_mel_db": 1.234, "encode_ms_s": 12.34, "decode_ms_s": 0.567} | SOURCE


def test_table_holds_bd_rate_and_setting_nearest_the_rate_of_each_sound(tmp_path: Path) -> None:
    rows = [
        rd_row("music", "laconic", "Lcn(quality=40)", 90),
        rd_row("music", "mp3", "Mp3(compression_level=0.9)", 64),
        rd_row("music", "mp3", "Mp3(compression_level=0.5)", 128),
        rd_row("speech", "mp3", "Mp3(compression_level=0.9)", 24),
        {"type": "bd", "sounds": "music", "anchor": "mp3", "test": "laconic", "bd_rate_snr_db_kbps_percent": -35.06}
        | {"bd_rate_log_mel_db_kbps_percent": None}
        | SOURCE,
    ]
    (tmp_path / "audio.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table:audio -->\n<!-- /table -->\n", encoding="utf-8")
    command = [sys.executable, str(SCRIPT), "--readme", str(readme), "--results", str(tmp_path)]
    subprocess.run(command, check=True)
    text = readme.read_text(encoding="utf-8")
    assert "| music | laconic |  |  | `Lcn(quality=40)` | 90.0 | 22.50 | 1.23 | 12 | 0.57 |\n" in text
    assert "| music | mp3 | \N{MINUS SIGN}35.1 % |  | `Mp3(compression_level=0.5)` | 128.0 |" in text
    assert "| speech | mp3 |  |  | `Mp3(compression_level=0.9)` | 24.0 |" in text
    assert "6 clips of music (near 96 kbit/s) and 6 clips of speech (near 24 kbit/s)" in text
