"""`laconic models`."""

from __future__ import annotations

import json

import typer

from laconic.tasks.cli import options

_COLUMNS = ("name", "fingerprint", "planes", "channels", "neural", "licence", "data")
_STRUCTURE = ("name", "fingerprint", "config")


def models(as_json: options.AsJson = False) -> None:
    """The models that come with the package."""
    from laconic.codecs.models.zoo import shipped_models, synthesis_path

    rows: list[dict[str, object]] = []
    for entry in shipped_models():
        card = {key: value for key, value in sorted(entry.card.items()) if key not in _STRUCTURE}
        config = json.loads(entry.card["config"])
        neural = synthesis_path(entry.fingerprint) is not None
        facts = {"name": entry.name, "fingerprint": entry.fingerprint.hex(), "planes": entry.num_planes}
        rows.append({**card, **facts, "channels": config["group_ends"][-1], "neural": neural})
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
        return
    table = [_COLUMNS, *(tuple(_cell(row.get(column, "")) for column in _COLUMNS) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(_COLUMNS))]
    for line in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
