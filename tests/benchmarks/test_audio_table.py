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


def table_of(name: str, rows: list[dict[str, object]], folder: Path) -> str:
    """A readme with this table, made of rows."""
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    readme = folder / "README.md"
    readme.write_text(f"<!-- table:{name} -->\n<!-- /table -->\n", encoding="utf-8")
    subprocess.run([sys.executable, str(SCRIPT), "--readme", str(readme), "--results", str(folder)], check=True)
    return readme.read_text(encoding="utf-8")


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
    text = table_of("audio", rows, tmp_path)
    assert "| music | laconic |  |  | `Lcn(quality=40)` | 90.0 | 22.50 | 1.23 | 12 | 0.57 |\n" in text
    assert "| music | mp3 | \N{MINUS SIGN}35.1 % |  | `Mp3(compression_level=0.5)` | 128.0 |" in text
    assert "| speech | mp3 |  |  | `Mp3(compression_level=0.9)` | 24.0 |" in text
    assert "6 clips of music (near 96 kbit/s) and 6 clips of speech (near 24 kbit/s)" in text


def test_table_of_long_sounds_has_a_row_for_each_recording_and_tune(tmp_path: Path) -> None:
    rows = [
        {"minutes": minutes, "tune": tune, "step": step, "peak_mb": 100.4 + minutes, "processor_seconds": 2.34}
        | {"clock_seconds": 3.0, "wav_bytes": 115_200_044, "lcn_bytes": 4_431_579}
        | SOURCE
        for minutes in (10, 60)
        for tune in ("snr", "machine")
        for step in ("encode", "decode", "stretch")
    ]
    text = table_of("long_sounds", rows, tmp_path)
    assert "| 10 min | snr | 4.4 MB | 110 MB | 2.3 s | 110 MB | 2.3 s | 110 MB | 2.3 s |\n" in text
    assert "| 60 min | machine | 4.4 MB | 160 MB |" in text


def test_table_of_words_has_differences_of_ours_with_intervals(tmp_path: Path) -> None:
    shares = {"wrong_words": [0.165, 0.12, 0.216], "more_than_opus": [-0.02, -0.0567, 0.014], "utterances": 80}
    rows = [
        {"type": "words", **own, **shares, "more_than_original": [0.018, -0.011, 0.048], **SOURCE}
        for own in (
            {"codec": "original"},
            {"codec": "opus", "rate_kbps": 12, "kbps": 11.55, "log_mel_db": 2.75, "snr_db": 11.2},
            {"codec": "laconic", "model": "speech_mdct", "tune": "machine", "rate_kbps": 12, "kbps": 11.48}
            | {"log_mel_db": 3.68, "snr_db": 19.9},
        )
    ]
    text = table_of("words", rows, tmp_path)
    assert "|  | original |  | 16.5 [12.0, 21.6] |  |  |  |  |\n" in text
    assert "| 12 kbit/s | opus | 11.6 | 16.5 [12.0, 21.6] |  | +1.8 [\N{MINUS SIGN}1.1, +4.8] | 2.75 | 11.2 |\n" in text
    assert (
        "`speech_mdct`, tune machine | 11.5 | 16.5 [12.0, 21.6] | \N{MINUS SIGN}2.0 [\N{MINUS SIGN}5.7, +1.4] |" in text
    )


def test_table_of_tagging_marks_where_ours_keeps_what_opus_keeps(tmp_path: Path) -> None:
    losses = {"loss": [0.66, 0.3, 1.1], "more_than_original": [0.14, -0.17, 0.51], "accuracy": 0.825, "clips": 40}
    rows = [
        {"type": "tagging", "levels": levels, **own, **losses, **SOURCE}
        for levels in ("equal", "recorded")
        for own in (
            {"codec": "original", "more_than_opus": [0, 0, 0], "promised": True},
            {"codec": "opus", "rate_kbps": 10, "kbps": 9.76, "log_mel_db": 4.78, "more_than_opus": [0, 0, 0]}
            | {"promised": True},
            {"codec": "laconic", "tune": "machine", "rate_kbps": 10, "kbps": 9.68, "log_mel_db": 2.63}
            | {"more_than_opus": [-0.2, -0.4, 0.031], "promised": levels == "equal"},
        )
    ]
    text = table_of("tagging", rows, tmp_path)
    minus = "\N{MINUS SIGN}"
    assert "| at one loudness |  | original |  | 0.66 [0.30, 1.10] |  |  | 82 % |  |\n" in text
    assert f"| as recorded | 10 kbit/s | opus | 9.8 | 0.66 [0.30, 1.10] |  | +0.14 [{minus}0.17, +0.51] |" in text
    assert f"| tune machine | 9.7 | 0.66 [0.30, 1.10] | **{minus}0.20 [{minus}0.40, +0.03]** |" in text
    assert f"| {minus}0.20 [{minus}0.40, +0.03] |" in text


def test_table_of_speech_scores_leaves_out_what_was_not_to_be_had(tmp_path: Path) -> None:
    scores = {"stoi": [0.91, 0.9, 0.92], "dnsmos": [2.5, 2.4, 2.6], "log_mel_db": [3.1, 3, 3.2]}
    rows = [
        {"type": "speech_scores", "utterances": 80, **own, **scores, "stft_distance": [0.8, 0.8, 0.8], **SOURCE}
        for own in (
            {"codec": "original", "pesq_mos": [4.64, 4.64, 4.64]},
            {"codec": "laconic", "tune": "machine", "rate_kbps": 12, "kbps": 11.4},
        )
    ]
    text = table_of("speech_scores", rows, tmp_path)
    assert "|  | original |  | 4.64 | 0.910 [0.900, 0.920] | 2.50 [2.40, 2.60] | 3.10 [3.00, 3.20] | 0.80 |\n" in text
    assert "| 12 kbit/s | tune machine | 11.4 |  | 0.910 [" in text


def test_table_of_tokens_has_words_voices_and_speeds(tmp_path: Path) -> None:
    share = {
        "wrong_words": [0.2, 0.1, 0.3],
        "more_than_opus": [-0.1, -0.2, 0.0],
        "more_than_original": [0.05, 0.0, 0.1],
    }
    head = {"type": "tokens", "utterances": 80, "split": "test", **share, **SOURCE}
    coded = {"kbps": 5.888, "log_mel_db": 8.123, "voice_cosine": [0.8765, 0.8, 0.9]}
    speeds = {"encode_times_real_time": 45.4, "decode_times_real_time": 222.6}
    ours = {"codec": "tokens", "stages": 3, **speeds}
    rows = [head | {"codec": "original"}, head | coded | {"codec": "opus"}, head | coded | ours]
    table = table_of("tokens", rows, tmp_path)
    assert "| original |  | 20.0 [10.0, 30.0] |  |  |  |  |  |  |" in table
    assert "| opus | 5.89 | 20.0 [10.0, 30.0] |  | +5.0 [+0.0, +10.0] | 8.12 | 0.876 [0.800, 0.900] |  |  |" in table
    assert "| tokens, --stages 3 | 5.89 | 20.0 [10.0, 30.0] | \N{MINUS SIGN}10.0" in table
    assert "| 45x | 223x |" in table
