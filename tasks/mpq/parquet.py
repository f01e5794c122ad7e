"""Rows of an evaluation as a Parquet file, one column for each number, for pandas, DuckDB, Polars and the like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row

_FIELDS = "task", "codec", "sample", "num_bytes", "rate", "counts", "answer", "error"


def write_parquet(rows: Iterable[Row], points: Sequence[OperatingPoint], path: Path) -> None:
    """Write rows, over a file that may be there.

    Columns are the fields of `Row`, with each of its scores and distortions as a column of its own ("loss", "psnr_db"; an
    infinite distortion is inf, one that is not defined is null), and "spec" and "curve" of its point. Raises
    `MissingDependencyError` and `OSError`.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as err:
        raise MissingDependencyError(f"pyarrow cannot be imported ({err}); install it: pip install pyarrow") from err
    rows = list(rows)
    of_key = {UNCOMPRESSED: (UNCOMPRESSED, UNCOMPRESSED)} | {one.key: (one.spec, one.curve) for one in points}
    columns: dict[str, Any] = {name: [_plain(getattr(row, name)) for row in rows] for name in _FIELDS}
    columns |= {name: [of_key[row.codec][index] for row in rows] for index, name in enumerate(("spec", "curve"))}
    for name in dict.fromkeys(name for row in rows for name in row.scores):
        columns[name] = [row.scores.get(name) for row in rows]
    for name in dict.fromkeys(name for row in rows for name in row.distortion):
        columns[name] = [_distortion(row, name) for row in rows]
    types = {"counts": pyarrow.list_(pyarrow.float64()), "error": pyarrow.string(), "num_bytes": pyarrow.int64()}
    arrays = {name: pyarrow.array(values, types.get(name)) for name, values in columns.items()}
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(arrays), buffer, compression="zstd")
    atomic_write(path, buffer.getvalue().to_pybytes(), force=True)


def _plain(value: Any) -> Any:
    """Names of files that are no UTF-8 hold bytes that no text of Parquet may."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _distortion(row: Row, name: str) -> float | None:
    if name not in row.distortion:
        return None
    value = row.distortion[name]
    return float("inf") if value is None else value
