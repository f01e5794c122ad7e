"""Tables of cubes: signals that are neither pictures nor sounds."""

from __future__ import annotations

from collections.abc import Sequence

import common

_NOT_AROUND = "none"


def cubes_table(rows: Sequence[common.Row]) -> str:
    """The last row of each set: bytes of every codec at 2 % PRD, as they are and with the means removed, and how often ours
    go into them."""
    last = {row["set"]: row for row in rows}
    lines = [
        "| signal | codec | bytes at 2 % PRD | times ours | bytes at 2 % PRD, means removed | times ours |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name, row in last.items():
        ours = row["codecs"]["ours"]["bytes_at_prd"]
        for codec, found in row["codecs"].items():
            sizes = found["bytes_at_prd"]
            lines.append(_line(name, "laconic" if codec == "ours" else codec, sizes, ours))
        if row["flac_bytes"] is not None:
            sizes = dict.fromkeys(("prd", "prd_mean_removed"), row["flac_bytes"])
            lines.append(_line(name, "FLAC, without loss", sizes, ours))
    return "\n".join([*lines, "", _models(list(last.values())), "", _caption(list(last.values())), ""])


def _line(name: str, codec: str, sizes: common.Row, ours: common.Row) -> str:
    cells = [name, codec]
    for measure in ("prd", "prd_mean_removed"):
        size, of_ours = sizes[measure], ours[measure]
        cells.append(_NOT_AROUND if size is None else f"{size:,}")
        cells.append("" if size is None or of_ours is None else f"{size / of_ours:.1f}")
    return "| " + " | ".join(cells) + " |"


def _models(rows: Sequence[common.Row]) -> str:
    """What was fitted and coded."""
    lines = [
        "| signal | fitted to | coded | its raw bytes | model file, bytes | fit, s |",
        "|---|---|---|--:|--:|--:|",
    ]
    for row in rows:
        cells = [
            f"{row['set']}: {row['form']}",
            _shape(row["fitted_shape"]),
            _shape(row["coded_shape"]),
            f"{row['raw_bytes']:,}",
            f"{row['model_bytes']:,}",
            f"{row['fit_seconds']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shape(sides: Sequence[int]) -> str:
    return " x ".join(map(str, sides))


def _caption(rows: Sequence[common.Row]) -> str:
    first = rows[0]
    versions = first["versions"]
    return (
        "Peers have no model and see the coded part only; our files, of tune `snr`, need theirs, whose bytes are not in "
        "the upper table; none: no two settings are around 2 %. "
        "PRD: 100 |x \N{MINUS SIGN} y| / |x|. zfp and SZ3 at fixed accuracy, by imagecodecs "
        f"{versions['imagecodecs']}; JPEG 2000 of 16-bit bands, by Pillow {versions['pillow']}; FLAC by soundfile "
        f"{versions['soundfile']}, at any error. Fits in processor time of one thread of {first['machine']['cpu']}; "
        f"{first['date'][:10]}, commit {first['commit']}."
    )
