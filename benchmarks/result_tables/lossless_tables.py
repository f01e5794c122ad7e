"""Tables of sounds without loss."""

from __future__ import annotations

from collections.abc import Sequence

import common

from result_tables.cell_text import percent


def lossless_table(rows: Sequence[common.Row]) -> str:
    """The last row of each set: bits a sample and speeds, ours beside FLAC."""
    last = {row["set"]: row for row in rows}
    lines = [
        "| sounds | files | samples | FLAC, bits a sample | ours | bytes against FLAC | FLAC, encode / decode | ours |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in last.items():
        ours, flac = row["ours"], row["flac"]
        cells = [
            name,
            str(row["num_files"]),
            f"{row['num_samples'] / 1e6:.1f} million of {row['bits']} bits",
            f"{8 * flac['num_bytes'] / row['num_samples']:.3f}",
            f"{8 * ours['num_bytes'] / row['num_samples']:.3f}",
            percent(100 * (ours["num_bytes"] / flac["num_bytes"] - 1)),
            _speeds(flac),
            _speeds(ours),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _caption(list(last.values())), ""])


def _speeds(codec: common.Row) -> str:
    return f"{codec['encode_ms_s']:.1f} / {codec['decode_ms_s']:.1f}"


def _caption(rows: Sequence[common.Row]) -> str:
    first = rows[0]
    return (
        f"Whole files, without tags. FLAC: libFLAC at its highest level, by soundfile {first['versions']['soundfile']}. "
        f"Speeds in millions of samples a second of processor time, one thread of {first['machine']['cpu']}, beside other "
        f"work; {first['date'][:10]}, commit {first['commit']}."
    )
