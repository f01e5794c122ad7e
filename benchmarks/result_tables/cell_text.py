"""Numbers as the tables write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import common


def decibels(value: float) -> str:
    return f"{value:+.2f} dB".replace("-", "\N{MINUS SIGN}")


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f} %".replace("-", "\N{MINUS SIGN}")


def gap(found: common.Row | None) -> str:
    """Percent with their 95 % interval, without the sign; nothing where there is no number."""
    if found is None:
        return ""
    low, high = (percent(end) for end in found["interval"])
    return f"{percent(found['value'])} [{low}, {high}]".replace(" %", "")


def speed(value: float) -> str:
    """Two significant digits at least, no decimals from 10 on."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"


def speed_and_range(speeds: Mapping[str, float]) -> str:
    return f"{speed(speeds['median'])} ({speed(speeds['worst'])}-{speed(speeds['best'])})"


def quantity(value: float, unit: str) -> str:
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}".removesuffix(" times").replace("-", "\N{MINUS SIGN}")


def target_lines(rows: Sequence[common.Row], measured_on: Sequence[str] = ("kodak", "mosaic")) -> list[str]:
    """What was asked for beside what was measured: text, limit, a column for each set of pictures."""
    lines = []
    for row in (row for row in rows if row["kind"] == "target"):
        sign = "\N{LESS-THAN OR EQUAL TO}" if row["at_most"] else "\N{GREATER-THAN OR EQUAL TO}"
        values = row["measured"]
        cells = [quantity(values[data], row["unit"]) if data in values else "" for data in measured_on]
        if "" in values:  # neither
            cells[0] = quantity(values[""], row["unit"])
        asked = "" if row["limit"] is None else f"{sign} {quantity(row['limit'], row['unit'])}"
        lines.append(f"| {row['text']} | {asked} | {' | '.join(cells)} |")
    return lines
