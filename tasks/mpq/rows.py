"""Rows of an evaluation, one for each task, codec and sample, in a JSON Lines file that only ever grows.

A process that is killed leaves at most one incomplete last line, which the next run drops.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from laconic.codecs.errors import CodecError

UNCOMPRESSED = "uncompressed"


class StaleRowsError(CodecError):
    """Rows on disk that this evaluation would not give; the message says which."""


@dataclass(frozen=True)
class Row:
    """One sample through one codec. `error` is set where the codec refused it or broke; the rest is empty then.

    `rate`: bits per pixel or kilobits per second of the whole file; of the uncompressed anchor, of its samples.
    `counts` and `answer` are those of `Judgement`, `scores` its "loss" and the "divergence" of its probabilities from those
    of the uncompressed signal, where the task gives them. `metrics` names what was measured; `distortion` holds the values
    by name, None for infinite ones (equal signals), and lacks those that are not defined (MS-SSIM of small pictures).
    `metric_errors` says of metrics whose code failed, why; they are not among `metrics`, and are tried again.
    """

    task: str
    codec: str
    sample: str
    num_bytes: int = 0
    rate: float = 0.0
    counts: tuple[float, ...] = ()
    answer: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    distortion: dict[str, float | None] = field(default_factory=dict)
    error: str | None = None
    metric_errors: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.task, self.codec, self.sample

    def to_json(self) -> str:
        fields = asdict(self)
        if not self.metric_errors:
            del fields["metric_errors"]
        return json.dumps(fields, allow_nan=False)


def read_rows(path: Path) -> dict[tuple[str, str, str], Row]:
    """The rows of a file that may be absent; an incomplete last line is cut off. Raises `StaleRowsError`, `OSError`."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if len(complete) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(complete))
    rows: dict[tuple[str, str, str], Row] = {}
    for number, line in enumerate(complete.splitlines(), 1):
        try:
            fields = json.loads(line)
            row = Row(**{**fields, "counts": tuple(map(float, fields["counts"])), "metrics": tuple(fields["metrics"])})
            _check_types(row)
        except (ValueError, TypeError, KeyError, AttributeError) as err:
            raise StaleRowsError(
                f"line {number} of {path} is no row ({err}); delete the file or name another folder"
            ) from err
        rows[row.key] = row  # a later one has more metrics
    return rows


def _check_types(row: Row) -> None:
    """Raises `TypeError` for a row that was written by something else."""
    texts = row.task, row.codec, row.sample, row.answer
    numbers = [
        row.num_bytes,
        row.rate,
        *row.scores.values(),
        *(one for one in row.distortion.values() if one is not None),
    ]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(one, (int, float)) for one in numbers):
        raise TypeError("a text is no text, or a number no number")


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Add rows in one write."""
    with path.open("ab") as file:
        file.write("".join(f"{row.to_json()}\n" for row in rows).encode())
