"""Rows as Parquet, read by pandas' usual engine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_rows import AVIF, made_up_rows

from laconic.codecs.errors import MissingDependencyError
from laconic.tasks.mpq.parquet import write_parquet
from laconic.tasks.mpq.rows import UNCOMPRESSED


def test_rows_come_back_with_a_column_for_each_number(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    points, rows = made_up_rows({"lcn": AVIF}, n=3)
    (first, *others) = [row for row in rows.values() if row.codec != UNCOMPRESSED]
    refused = replace(others[0], counts=(), scores={}, distortion={}, error="too large")
    stored = [next(iter(rows.values())), replace(first, distortion={"psnr_db": None}), refused, *others[1:]]
    write_parquet(stored, points, tmp_path / "rows.parquet")
    found = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [one["rate"] for one in found] == [row.rate for row in stored]
    assert [one["psnr_db"] for one in found[:3]] == [None, float("inf"), None]
    assert (found[0]["spec"], found[0]["curve"]) == (UNCOMPRESSED, UNCOMPRESSED)
    assert (found[1]["spec"], found[1]["curve"]) == ("lcn:quality=0", "lcn")
    assert found[1]["counts"] == list(first.counts)
    assert (found[2]["error"], found[2]["loss"], found[2]["counts"]) == ("too large", None, [])


def test_names_that_are_no_utf8_are_written_as_text(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    points, rows = made_up_rows({"lcn": AVIF}, n=3)
    name = b"bad\xff.png".decode("utf-8", "surrogateescape")
    write_parquet([replace(row, sample=name) for row in rows.values()], points, tmp_path / "rows.parquet")
    assert parquet.read_table(tmp_path / "rows.parquet")["sample"][0].as_py() == r"bad\udcff.png"


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match="install it: pip install pyarrow"):
        write_parquet([], [], tmp_path / "rows.parquet")
    assert not (tmp_path / "rows.parquet").exists()
