"""Writes the tables of README.md from benchmarks/results.

    python benchmarks/readme_tables.py [--check]

A table stands between `<!-- table:NAME -->` and `<!-- /table -->` and is replaced as a whole. With `--check` nothing
is written, and the exit status is 1 if a table differs from its results.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import common

NEAR_BPP = 0.5
NEAR_KBPS = {"music": 96, "speech": 24}
_BLOCK = re.compile(r"(<!-- table:(?P<name>\w+) -->\n)(?P<body>.*?)(<!-- /table -->)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--readme", type=Path, default=common.BENCHMARKS.parent / "README.md")
    parser.add_argument("--results", type=Path, default=common.RESULTS, help="folder of the .jsonl files")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a table is out of date")
    options = parser.parse_args()
    before = options.readme.read_text(encoding="utf-8")
    try:
        after = updated(before, options.results)
    except (FileNotFoundError, ValueError) as err:
        sys.exit(str(err))
    if options.check and after != before:
        sys.exit(f"the tables of {options.readme} are out of date: run python benchmarks/readme_tables.py")
    if after != before:
        options.readme.write_text(after, encoding="utf-8")


def updated(text: str, results: Path) -> str:
    """`text` with every table replaced by what the results in the folder give.

    Raises `ValueError` for a table that has no generator or no end, `FileNotFoundError` for missing results.
    """
    num_openings = text.count("<!-- table:")
    if num_openings != len(_BLOCK.findall(text)) or any("<!-- table:" in m["body"] for m in _BLOCK.finditer(text)):
        raise ValueError(
            f"of {num_openings} openings <!-- table:NAME --> not all are followed by <!-- /table -->; allowed are "
            "pairs of whole lines: add what is missing"
        )

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in TABLES:
            raise ValueError(f"table {name} is unknown; allowed are {', '.join(TABLES)}: correct the marker")
        return match[1] + TABLES[name](common.read_rows(results / f"{name}.jsonl")) + match[4]

    return _BLOCK.sub(replace, text)


def rd_table(rows: Sequence[common.Row]) -> str:
    """Per codec: BD-rates of ours against it, and its setting nearest to 0.5 bits per pixel (on a log scale)."""
    return _rd_table(rows, with_speed=True)


def rd_unseen_table(rows: Sequence[common.Row]) -> str:
    """As `rd_table`, without speeds: the pictures are small."""
    return _rd_table(rows, with_speed=False)


def _rd_table(rows: Sequence[common.Row], *, with_speed: bool) -> str:
    settings = [row for row in rows if row["type"] == "rd"]
    bd_rows = {(row["test"], row["anchor"]): row for row in rows if row["type"] == "bd"}
    tests = list(dict.fromkeys(test for test, _ in bd_rows))
    names = ["ours", *(test.removeprefix("laconic ") for test in tests[1:])]
    rates = [f"BD-rate of {name} to it, PSNR | MS-SSIM" for name in names]
    speeds = ["encode", "decode"] if with_speed else []
    lines = [
        f"| {' | '.join(['codec', *rates, 'near 0.5 bpp', 'bpp', 'PSNR dB', 'MS-SSIM', *speeds])} |",
        f"|---|{'--:|--:|' * len(rates)}---|--:|--:|--:|{'--:|' * len(speeds)}",
    ]
    for label in dict.fromkeys(row["label"] for row in settings):
        near = min(
            (row for row in settings if row["label"] == label), key=lambda row: abs(math.log(row["bpp"] / NEAR_BPP))
        )
        found = [bd_rows.get((test, label), {}) for test in tests or [""]]
        cells = [
            label,
            *(_percent(bd.get(f"bd_rate_{metric}_percent")) for bd in found for metric in ("psnr_db", "ms_ssim_db")),
            f"`{near['codec']}`",
            f"{near['bpp']:.3f}",
            f"{near['psnr_db']:.2f}",
            f"{near['ms_ssim']:.4f}",
            *(_speed(near[f"{verb}_mpix_s"]) for verb in speeds),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _caption(rows, with_speed=with_speed), ""])


def audio_table(rows: Sequence[common.Row]) -> str:
    """Per kind of sound and codec: BD-rates of ours against it, and its setting nearest to a rate (on a log scale)."""
    settings = [row for row in rows if row["type"] == "rd"]
    bd_rows = {(row["sounds"], row["anchor"]): row for row in rows if row["type"] == "bd"}
    lines = [
        "| sound | codec | BD-rate of ours, SNR | log-mel | setting | kbit/s | SNR dB | log-mel dB | encode | decode |",
        "|---|---|--:|--:|---|--:|--:|--:|--:|--:|",
    ]
    for sounds, label in dict.fromkeys((row["sounds"], row["label"]) for row in settings):
        near = min(
            (row for row in settings if (row["sounds"], row["label"]) == (sounds, label)),
            key=lambda row: abs(math.log(row["kbps"] / NEAR_KBPS[row["sounds"]])),
        )
        bd = bd_rows.get((sounds, label), {})
        cells = [
            sounds,
            label,
            _percent(bd.get("bd_rate_snr_db_kbps_percent")),
            _percent(bd.get("bd_rate_log_mel_db_kbps_percent")),
            f"`{near['codec']}`",
            f"{near['kbps']:.1f}",
            f"{near['snr_db']:.2f}",
            f"{near['log_mel_db']:.2f}",
            _speed(near["encode_ms_s"]),
            _speed(near["decode_ms_s"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _audio_caption(settings), ""])


def entropy_table(rows: Sequence[common.Row]) -> str:
    """Per data set and coder: size over the ideal and speeds, fastest decoder first."""
    speeds = [row for row in rows if row["kind"] == "speed" and not row["coder"].startswith("memcpy")]
    lines = ["| data | coder | over ideal | encode | decode |", "|---|---|--:|--:|--:|"]
    for row in sorted(speeds, key=lambda row: (row["set"], -row["decode_mb_s"])):
        over = "" if row["overhead_percent"] is None else f"{row['overhead_percent']:+.3f} %"
        cells = [row["set"], row["coder"], over, *(_symbol_speed(row, verb) for verb in ("encode", "decode"))]
        lines.append("| " + " | ".join(cells) + " |")
    first = rows[0]
    caption = (
        "Data a: 16 million int8 of 12 distributions, b: 4 million with one of 64 Gaussians each, c: 1,000 arrays of 12 x "
        "256, in microseconds each; the others in millions of symbols per second. Over ideal: bytes of the very run, all "
        f"counted, over the code length under the unrounded distributions. Medians of {speeds[0]['rounds']} rounds, all "
        f"coders in turn, on {first['machine']['cpu']}; {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def contexts_table(rows: Sequence[common.Row]) -> str:
    """Bytes with and without contexts at equal integers, then speeds by instruction set."""
    lines = ["| integers | step code | static tables, bpp | contexts, bpp | saved |", "|---|--:|--:|--:|--:|"]
    for row in rows:
        if row["kind"] == "size":
            integers = "plain rounding" if row["effort"] == 0 else "optimised"
            sizes = f"{row['bpp_static']:.3f} | {row['bpp_contexts']:.3f} | {row['saved_percent']:.1f} %"
            lines.append(f"| {integers} | {row['step_code']} | {sizes} |")
    lines += ["", "| instruction set | encode | decode | 12 channels of 224 x 224, 32 lanes |", "|---|--:|--:|--:|"]
    thumbnails = {row["level"]: row for row in rows if row["kind"] == "thumbnails" and row["lanes"] == 32}
    for row in rows:
        if row["kind"] == "speed":
            number = f"{thumbnails[row['level']]['decode_images_s']:,} pictures/s"
            speeds = f"{row['encode_m_symbols_s']:.0f} | {row['decode_m_symbols_s']:.0f}"
            lines.append(f"| {row['level']} | {speeds} | {number} |")
    first = rows[0]
    caption = (
        f"Whole files of {first['num_images']} pictures (kodak), the same integers in both columns. Speeds in millions of "
        f"coded symbols per second, one thread, contexts included, on {first['machine']['cpu']}; {first['date'][:10]}, "
        f"commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def projections_table(rows: Sequence[common.Row]) -> str:
    """What each projection costs in bytes and multiplications, and what its first channels are worth."""
    first = rows[0]
    lines = [
        "| projection | files of `small` | of `fast` | multiply-adds a pixel "
        f"| bpp of {first['channels']} channels | PSNR dB of them |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        rates = " | ".join(_percent(row[f"bd_rate_{profile}_percent"]) for profile in ("small", "fast"))
        sizes = f"{row['bpp_of_channels']:.3f} | {row['psnr_db_of_channels']:.2f}"
        lines.append(f"| {row['projection']} | {rates} | {row['multiply_adds_a_pixel']:.0f} | {sizes} |")
    caption = (
        f"Models fitted alike to {first['num_pictures']} photographs, measured on {first['num_images']} others (kodak); "
        f"files: BD-rate to those of `leaf`, PSNR; channels at one step. {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def walloc_table(rows: Sequence[common.Row]) -> str:
    """The baseline as it was measured and published, then ours at its bytes and at its PSNR."""
    lines = ["| baseline | bpp | PSNR dB | MS-SSIM | encode | decode |", "|---|--:|--:|--:|--:|--:|"]
    for row in (row for row in rows if row["type"] in ("walloc", "published")):
        cells = [row["label"], f"{row['bpp']:.3f}", f"{row['psnr_db']:.2f}", "", "", ""]
        if row["type"] == "walloc":
            cells[3:] = [f"{row['ms_ssim']:.4f}", *(_speed(row[f"{verb}_mpix_s"]) for verb in ("encode", "decode"))]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| against | ours | channels | PSNR at equal bytes | difference | asked | bytes at equal PSNR |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in (row for row in rows if row["type"] == "comparison"):
        (_, most_bpp), (_, most_db) = row["reach"]["bpp"], row["reach"]["psnr_db"]
        at_bytes, gain, at_psnr = "not so few bytes", "", _percent(row["bytes_percent"])
        if row["psnr_db_at_bytes"] is not None:
            at_bytes, gain = f"{row['psnr_db_at_bytes']:.2f} dB", _decibels(row["gain_db"])
        elif row["bpp"] > most_bpp:
            at_bytes = f"not so many bytes: {most_bpp:.3f} bpp at most"
        if row["bytes_percent"] is None:
            at_psnr = f"not reached: {most_db:.2f} dB at most" if row["psnr_db"] > most_db else "not so low"
        asked = "" if row["target_db"] is None else f"\N{GREATER-THAN OR EQUAL TO} {_decibels(row['target_db'])}"
        against = f"{row['against']}: {row['bpp']:.3f} bpp, {row['psnr_db']:.2f} dB"
        lines.append(f"| {against} | {row['ours']} | {row['channels']} | {at_bytes} | {gain} | {asked} | {at_psnr} |")
    trained = next(row for row in rows if row["type"] == "walloc")
    caption = (
        f"Trained here and ours beside it: means over the first {trained['num_images']} pictures ({trained['dataset']}); "
        f"medians of speed in MPix/s on one core of {trained['machine']['cpu']}. Published: as the authors give it, over "
        "all pictures as ours beside it. The baseline trained here has "
        f"{trained['num_parameters'] / 1e6:.1f} million parameters, {trained['weights_bytes'] / 1e6:.0f} MB. Ours between "
        "its measured settings: PSNR is taken as linear over the logarithm of the rate. "
        f"{trained['date'][:10]}, commit {trained['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def channels_table(rows: Sequence[common.Row]) -> str:
    """By number of first channels: rate and PSNR of both syntheses, for each quality."""
    found = {(row["quality"], row["synthesis"], row["channels"]): row for row in rows}
    qualities = list(dict.fromkeys(row["quality"] for row in rows))
    heads = [f"quality {quality}, bpp | linear, dB | neural, dB" for quality in qualities]
    lines = [f"| channels | {' | '.join(heads)} |", f"|--:|{'--:|--:|--:|' * len(qualities)}"]
    for channels in dict.fromkeys(row["channels"] for row in rows):
        cells = [str(channels)]
        for quality in qualities:
            linear, neural = (found[quality, synthesis, channels] for synthesis in ("linear", "neural"))
            cells += [f"{linear['bpp']:.3f}", f"{linear['psnr_db']:.2f}", f"{neural['psnr_db']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    first = rows[0]
    caption = (
        f"Files that hold the first channels only, both decoded. Means over {first['num_images']} pictures "
        f"({first['dataset']}); {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def neural_table(rows: Sequence[common.Row]) -> str:
    """What was asked of the neural synthesis beside what was measured."""
    lines = ["| decoding | asked | Kodak | mosaic |", "|---|--:|--:|--:|", *_target_lines(rows)]
    first = rows[0]
    decode = next(row for row in rows if row["kind"] == "decode")
    caption = (
        f"Kodak: pictures each on its own; mosaic: one picture of them all. Bytes in memory to an array, quality "
        f"{decode['quality']}, float32, medians of {decode['runs']} runs of processes held to so many cores of "
        f"{first['machine']['cpu']}. Memory is the peak of a process with torch in it. {first['date'][:10]}, commit "
        f"{first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def speed_table(rows: Sequence[common.Row]) -> str:
    """What was asked for beside what was measured, then codecs by speed, rate and PSNR on both sets of pictures."""
    lines = ["| speed of `laconic` | asked | Kodak | mosaic |", "|---|--:|--:|--:|", *_target_lines(rows)]
    lines += ["", "| pictures | codec | setting | bpp | PSNR dB | encode | decode |", "|---|---|---|--:|--:|--:|--:|"]
    for row in (row for row in rows if row["kind"] == "codec"):
        speeds = " | ".join(_speed_and_range(row[f"{verb}_mpix_s"]) for verb in ("encode", "decode"))
        sizes = f"{row['bpp']:.3f} | {row['psnr_db']:.2f}"
        lines.append(f"| {row['data']} | {row['label']} | `{row['codec']}` | {sizes} | {speeds} |")
    first = rows[0]
    caption = (
        "Kodak: 24 pictures, each on its own; mosaic: one picture of them all. Speeds in MPix/s, medians and their range "
        f"over the runs, on one core of {first['machine']['cpu']} but for the rows of 2 threads; {first['date'][:10]}, "
        f"commit {', '.join(dict.fromkeys(row['commit'] for row in rows))}."
    )
    return "\n".join([*lines, "", caption, ""])


def _target_lines(rows: Sequence[common.Row]) -> list[str]:
    """What was asked for beside what was measured: text, limit, Kodak, mosaic."""
    lines = []
    for row in (row for row in rows if row["kind"] == "target"):
        sign = "\N{LESS-THAN OR EQUAL TO}" if row["at_most"] else "\N{GREATER-THAN OR EQUAL TO}"
        values = row["measured"]
        cells = [_quantity(values[data], row["unit"]) if data in values else "" for data in ("kodak", "mosaic")]
        if "" in values:  # neither
            cells[0] = _quantity(values[""], row["unit"])
        asked = "" if row["limit"] is None else f"{sign} {_quantity(row['limit'], row['unit'])}"
        lines.append(f"| {row['text']} | {asked} | {' | '.join(cells)} |")
    return lines


def _quantity(value: float, unit: str) -> str:
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}".removesuffix(" times").replace("-", "\N{MINUS SIGN}")


def _speed_and_range(speeds: Mapping[str, float]) -> str:
    return f"{_speed(speeds['median'])} ({_speed(speeds['worst'])}-{_speed(speeds['best'])})"


def _symbol_speed(row: common.Row, verb: str) -> str:
    if row["num_messages"] > 1:
        return f"{row[f'{verb}_seconds']['median'] / row['num_messages'] * 1e6:.2f}"
    return f"{row[f'{verb}_mb_s']:,.0f}"


def _audio_caption(settings: Sequence[common.Row]) -> str:
    num_clips = {row["sounds"]: row["num_clips"] for row in settings}
    clips = " and ".join(
        f"{number} clips of {sounds} (near {NEAR_KBPS[sounds]} kbit/s)" for sounds, number in num_clips.items()
    )
    first = settings[0]
    return (
        f"BD-rate over whole files and the qualities that both reach, negative: our files are smaller. Means over {clips}; "
        f"medians of speed in millions of samples per second on one core of {first['machine']['cpu']}; "
        f"{first['date'][:10]}, commit {first['commit']}."
    )


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f} %".replace("-", "\N{MINUS SIGN}")


def _decibels(value: float) -> str:
    return f"{value:+.2f} dB".replace("-", "\N{MINUS SIGN}")


def _speed(value: float) -> str:
    """Two significant digits at least, no decimals from 10 on."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"


def _caption(rows: Sequence[common.Row], *, with_speed: bool) -> str:
    first = rows[0]
    bd = next((row for row in rows if row["type"] == "bd"), None)
    limits = f"BD-rate over {bd['low_bpp']:g}-{bd['high_bpp']:g} bpp, negative: our files are smaller. " if bd else ""
    speeds = f"; medians of speed in MPix/s on one core of {first['machine']['cpu']}" if with_speed else ""
    return (
        f"{limits}Means over {first['num_images']} pictures ({first['dataset']}){speeds}; {first['date'][:10]}, "
        f"commit {first['commit']}."
    )


TABLES: dict[str, Callable[[Sequence[common.Row]], str]] = {
    "audio": audio_table,
    "entropy": entropy_table,
    "rd_kodak": rd_table,
    "rd_unseen": rd_unseen_table,
    "walloc": walloc_table,
    "channels": channels_table,
    "neural": neural_table,
    "contexts": contexts_table,
    "projections": projections_table,
    "speed": speed_table,
}


if __name__ == "__main__":
    main()
