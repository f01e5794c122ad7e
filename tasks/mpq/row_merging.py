"""Rows that were measured again: whether they are what they were, and what they have more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from laconic.tasks.mpq.rows import Row, StaleRowsError


def merged_row(stored: Row, again: Row) -> Row:
    """What was measured again, with the metrics of both. Raises `StaleRowsError` where the two differ in what both have,
    but for rounding of floats. An error is no measurement: what was measured after it counts."""
    if stored.error is not None:
        return again
    _check_same_rows(stored, again)
    metrics = tuple(dict.fromkeys((*stored.metrics, *again.metrics)))
    errors = {name: why for name, why in (stored.metric_errors | again.metric_errors).items() if name not in metrics}
    return replace(stored, metrics=metrics, distortion=again.distortion | stored.distortion, metric_errors=errors)


def check_same_values(stored: Mapping[str, float | None], again: Mapping[str, float | None], what: str) -> None:
    """Raises `StaleRowsError`, which begins with `what`, where two measurements differ by more than rounding of floats."""
    if stored.keys() != again.keys() or not all(_is_close(stored[name], again[name]) for name in stored):
        raise StaleRowsError(
            f"{what} ({dict(stored)} then, {dict(again)} now): it or its library have changed; name another folder or "
            "delete it"
        )


def _check_same_rows(stored: Row, again: Row) -> None:
    shared = [name for name in stored.distortion if name in again.distortion]
    floats = [
        (stored.rate, again.rate),
        *zip(stored.counts, again.counts, strict=False),
        *((stored.scores.get(name), again.scores.get(name)) for name in stored.scores | again.scores),
        *((stored.distortion[name], again.distortion[name]) for name in shared),
    ]
    exact = [(row.num_bytes, row.answer, len(row.counts)) for row in (stored, again)]
    if again.error is not None:
        raise StaleRowsError(
            f"{stored.codec} on sample {stored.sample} of task {stored.task}, which has a row, fails now: {again.error}; "
            "name another output folder or delete its rows.jsonl if it is to fail"
        )
    if exact[0] != exact[1] or not all(_is_close(one, other) for one, other in floats):
        raise StaleRowsError(
            f"the stored row of {stored.codec} on sample {stored.sample} of task {stored.task} is another now "
            f"({_what_differs(stored, again)}): codec, model, data or library have changed; "
            "name another output folder or delete its rows.jsonl"
        )


def _what_differs(stored: Row, again: Row) -> str:
    if stored.num_bytes != again.num_bytes:
        return f"{stored.num_bytes} bytes then, {again.num_bytes} now"
    if stored.answer != again.answer:
        return f"the answer {stored.answer!r} then, {again.answer!r} now"
    return f"counts {stored.counts}, scores {stored.scores} then, {again.counts}, {again.scores} now"


def _is_close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    # Sums in BLAS depend on the number of threads in their last bits.
    return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-6)
