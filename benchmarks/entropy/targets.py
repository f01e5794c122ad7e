"""The targets of the entropy coder, held against the measurements of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import native_peers
import peers
from coders import Measurement, Spread

OURS = "laconic"
_HTSCODECS = "htscodecs"
_NO_PEERS = (OURS, peers.MEMCPY, "torch")  # of (a), what is neither a Python nor a C peer begins so
_PYTHON_PEERS = (peers.CONSTRICTION, peers.LISTS, peers.TENSORS, native_peers.CORE, "zstandard")

Runs = Sequence[Measurement]


@dataclass(frozen=True)
class Target:
    """A number that is to be at least, or at most, `limit`; `measured` is None where something was missing."""

    text: str
    limit: float
    measured: float | None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """PASS, short, or not measured."""
        if self.measured is None:
            return "not measured"
        reached = self.measured <= self.limit if self.at_most else self.measured >= self.limit
        return "PASS" if reached else "short"


def plane_targets(runs: Runs, level: str) -> list[Target]:
    """Of data set (a), for our `level` of fastest; the levels below are named by themselves."""
    ours = f"{OURS} {level}, int8, plane, 1 thread"
    floats = f"{OURS} {level}, float32, plane, 1 thread"
    avx2, portable = (f"{OURS} {name}, int8, plane, 1 thread" for name in ("avx2", "portable"))
    c_names = [r.coder.name for r in runs if not r.coder.name.startswith(_NO_PEERS + _PYTHON_PEERS)]
    hts = [name for name in c_names if name.startswith(_HTSCODECS)]
    rows: list[tuple[str, float, str, list[str], Callable[[Measurement], Spread]]] = [
        ("(a) decode / constriction", 80, ours, [peers.CONSTRICTION], _decode),
        ("(a) decode / CompressAI tensors", 250, ours, [peers.TENSORS], _decode),
        ("(a) decode / fastest C peer", 1.5, ours, c_names, _decode),
        ("(a) encode / constriction", 25, ours, [peers.CONSTRICTION], _encode),
        ("(a) encode / CompressAI tensors", 150, ours, [peers.TENSORS], _encode),
        ("(a) encode / htscodecs", 3, ours, hts, _encode),
        ("(a) float32 decode / CompressAI tensors", 150, floats, [peers.TENSORS], _decode),
        ("(a) float32 encode / CompressAI tensors", 80, floats, [peers.TENSORS], _encode),
        ("(a) AVX2 decode / constriction", 35, avx2, [peers.CONSTRICTION], _decode),
        ("(a) portable decode / constriction", 8, portable, [peers.CONSTRICTION], _decode),
    ]
    return [Target(text, limit, _ratio(runs, name, others, of)) for text, limit, name, others, of in rows] + [
        Target("(a) % over ideal, one stream per plane", 0.15, _overhead(runs, ours), at_most=True),
        Target("(a) % over ideal, 256 Ki chunks", 0.2, _overhead(runs, ours.replace("plane", "256 Ki")), at_most=True),
    ]


def hyperprior_targets(runs: Runs, level: str) -> list[Target]:
    """Of data set (b)."""
    ours = f"{OURS} {level}, int16, 256 Ki, 1 thread"
    return [
        Target("(b) decode / CompressAI core", 10, _ratio(runs, ours, [native_peers.CORE], _decode)),
        Target("(b) encode / CompressAI core", 10, _ratio(runs, ours, [native_peers.CORE], _encode)),
    ]


def blob_targets(runs: Runs, level: str) -> list[Target]:
    """Of data set (c), in microseconds per blob."""
    targets = []
    for style, limit in (("one batch call", 3.0), ("one call per blob", 6.0)):
        found = [r for r in runs if r.coder.name == f"{OURS} {level}, {style}"]
        for verb, of in (("encode", _encode), ("decode", _decode)):
            micros = [of(r).median / r.coder.num_messages * 1e6 for r in found]
            targets.append(Target(f"(c) us per blob, {verb}, {style}", limit, min(micros, default=None), at_most=True))
        overhead = found[0].overhead_percent if found else None
        targets.append(Target(f"(c) % over ideal, whole packets, {style}", 2.0, overhead, at_most=True))
    return targets


def _encode(run: Measurement) -> Spread:
    return run.encode


def _decode(run: Measurement) -> Spread:
    return run.decode


def _speed(run: Measurement, of: Callable[[Measurement], Spread]) -> float:
    return run.coder.num_symbols / of(run).median


def _ratio(runs: Runs, ours: str, others: Iterable[str], of: Callable[[Measurement], Spread]) -> float | None:
    wanted = set(others)
    theirs = [_speed(run, of) for run in runs if run.coder.name in wanted]
    mine = [_speed(run, of) for run in runs if run.coder.name == ours]
    return mine[0] / max(theirs) if mine and theirs else None


def _overhead(runs: Runs, name: str) -> float | None:
    return next((run.overhead_percent for run in runs if run.coder.name == name), None)
