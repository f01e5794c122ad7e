"""Speed and size of the entropy coder and its peers, in one run.

    python benchmarks/entropy/bench_entropy.py [--rounds N] [--sets a,b,c,sparse] [--peers FOLDER] [--reason TEXT]

Timed: `encode`, from an array in memory to bytes in memory, and `decode` back into an array, of every coder in turn
inside each round, in one process on one core (rows of two threads: on all cores). Each turn begins with one untimed,
so that no coder pays for the caches that another left. Each round trip is compared with its input first. Not timed:
making models, tables, and the types that a peer asks for. The overhead beside a speed is that of the very bytes that
were timed, headers and checksums included, over the ideal code length under the unrounded models (data.py). Slow peers
code the first symbols of each plane only; `num_symbols` of the row tells.

1 MB/s is 10^6 symbols per second. Peers that are not installed or built are skipped with a line. Those in C are given
to the script as shared libraries below PEERS/lib (native_peers.py); some make their tables inside `encode`, and their
rows say so. Rows go to benchmarks/results/entropy.jsonl. 11 rounds take about 80 seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import data
import native_peers
import peers
import targets
from coders import Coder, Measurement, Spread, measure
from data import DataSet
from targets import Target

PACKAGES = ("laconic", "numpy", "torch", "constriction", "compressai", "zstandard")
PLANE_SYMBOLS = 1_333_376  # x 12 planes = 16 million; a multiple of 64
HYPERPRIOR_SYMBOLS = 1 << 22
NUM_BLOBS = 1000
SPARSE_SYMBOLS = 1 << 21
LONG_SPARSE_SYMBOLS = 1 << 23  # half of them still fill the most lanes: what ours.fixed_bytes needs
SLOW_PLANE_SYMBOLS = 1 << 17
SLOW_SYMBOLS = 1 << 18
SLOW_BLOBS = 100
SPARSE_LIMIT_PERCENT = 0.5


def main() -> None:
    options = _parse_arguments()
    common.pin_to_one_core()
    ours = _ours()
    found: list[Target] = []
    rows: list[common.Row] = []
    for name in options.sets.split(","):
        if name == "sparse":
            new_rows, new_targets = _sparse(ours)
        else:
            coders, judge = SETS[name](options.peers / "lib", ours)
            runs = measure(coders, num_rounds=options.rounds)
            _print_table(name, runs)
            new_rows = [_row(name, run, options.rounds) for run in runs]
            new_targets = judge(runs, ours.best_level() if ours else "missing")
        rows += new_rows
        found += new_targets
    rows += [{"kind": "target", "text": t.text, "limit": t.limit, "measured": t.measured} for t in found]
    _print_targets(found)
    source = common.provenance(options.reason, packages=PACKAGES)
    common.write_rows(options.out, [row | source for row in rows])


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--sets", default="a,b,c,sparse", help="which of a, b, c, sparse, separated by commas")
    parser.add_argument("--peers", type=Path, default=common.BENCHMARKS.parents[1] / "peers", help="holds lib/*.so")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "entropy.jsonl")
    parser.add_argument("--reason", default="entropy benchmark")
    return parser.parse_args()


def _planes(folder: Path, ours: Any) -> tuple[list[Coder], Callable[..., list[Target]]]:
    whole = data.planes(PLANE_SYMBOLS)
    head = whole.head(SLOW_PLANE_SYMBOLS)
    coders = [peers.memcpy(whole), peers.torch_conversion(whole)]
    coders += ours.plane_coders(whole) if ours else []
    try:
        coders += list(native_peers.plane_coders(folder, whole))
    except FileNotFoundError as err:
        print(f"peers are skipped: {err}")
    makers = [partial(peers.zstandard, whole, level) for level in (-1, 1, 3)]
    makers += [partial(native_peers.core_coder, folder, head), partial(peers.constriction_planes, head)]
    makers += [partial(peers.compressai_lists, [head]), partial(peers.compressai_tensors, head)]
    return coders + _those_there(makers), targets.plane_targets


def _hyperprior(folder: Path, ours: Any) -> tuple[list[Coder], Callable[..., list[Target]]]:
    whole = data.hyperprior(HYPERPRIOR_SYMBOLS)
    head = whole.head(SLOW_SYMBOLS)
    coders = [peers.memcpy(whole)] + (ours.hyperprior_coders(whole) if ours else [])
    makers = [partial(native_peers.core_coder, folder, whole), partial(peers.compressai_lists, [head])]
    makers += [partial(peers.compressai_tensors, head), partial(peers.constriction_gaussian, head)]
    return coders + _those_there(makers), targets.hyperprior_targets


def _blobs(folder: Path, ours: Any) -> tuple[list[Coder], Callable[..., list[Target]]]:
    del folder  # no C peer: each would be timed through its call from Python
    whole = data.blobs(NUM_BLOBS)
    head = whole[:SLOW_BLOBS]
    coders = ours.blob_coders(whole) if ours else []
    makers = [partial(make, head) for make in (peers.zstandard_blobs, peers.constriction_blobs, peers.compressai_lists)]
    return coders + _those_there(makers), targets.blob_targets


SETS: dict[str, Callable[[Path, Any], tuple[list[Coder], Callable[..., list[Target]]]]] = {
    "a": _planes,
    "b": _hyperprior,
    "c": _blobs,
}


def _sparse(ours: Any) -> tuple[list[common.Row], list[Target]]:
    rows: list[common.Row] = []
    found: list[Target] = []
    print(f"\nsparse plane of {SPARSE_SYMBOLS:,} symbols in one stream, % over the ideal of")
    print(f"{'bit/symbol':>10} {'the model':>12} {'the tables':>12} {'flush apart':>12} {'its bytes':>10}")
    for bits in data.SPARSE_BITS:
        row = _sparse_row(data.sparse(bits, LONG_SPARSE_SYMBOLS), ours) if ours else {}
        apart = row.get("over_tables_flush_apart_percent")
        found.append(Target(f"(sparse) % over tables, {bits} bit/symbol", SPARSE_LIMIT_PERCENT, apart, at_most=True))
        if row:
            rows.append({"kind": "sparse", "bits_per_symbol": bits} | row)
            parts = [row["over_model_percent"], row["over_tables_percent"], apart]
            print(f"{bits:>10} " + " ".join(f"{part:>+12.3f}" for part in parts) + f" {row['fixed_bytes']:>10}")
    return rows, found


def _sparse_row(long: DataSet, ours: Any) -> common.Row:
    plane, tables = long.head(SPARSE_SYMBOLS), ours.tables_of(long)
    num_bytes = ours.size_of(plane, tables, SPARSE_SYMBOLS)
    fixed_bytes = ours.fixed_bytes(long, tables, LONG_SPARSE_SYMBOLS)
    payload_bytes = ours.size_of(long, tables, LONG_SPARSE_SYMBOLS) - fixed_bytes
    return {
        "num_symbols": plane.values.size,
        "num_bytes": num_bytes,
        "fixed_bytes": fixed_bytes,
        "over_model_percent": (num_bytes * 8 / plane.ideal_bits() - 1) * 100,
        "over_tables_percent": (num_bytes / ours.table_ideal_bytes(plane, tables) - 1) * 100,
        "over_tables_flush_apart_percent": (payload_bytes / ours.table_ideal_bytes(long, tables) - 1) * 100,
    }


def _ours() -> Any:
    """The module with our coders, or None where this build has no packets."""
    try:
        import ours
    except ImportError as err:
        print(f"laconic: skipped, {err}")
        return None
    return ours


def _those_there(makers: Sequence[Callable[[], Coder]]) -> list[Coder]:
    coders = []
    for make in makers:
        try:
            coders.append(make())
        except (ImportError, FileNotFoundError) as err:
            print(f"a peer is skipped: {err}")
    return coders


def _row(name: str, run: Measurement, num_rounds: int) -> common.Row:
    coder = run.coder
    return {
        "kind": "speed",
        "set": name,
        "coder": coder.name,
        "note": coder.note,
        "num_symbols": coder.num_symbols,
        "num_messages": coder.num_messages,
        "num_bytes": run.num_bytes,
        "overhead_percent": run.overhead_percent,
        "rounds": num_rounds,
        "encode_seconds": vars(run.encode),
        "decode_seconds": vars(run.decode),
        "encode_mb_s": coder.num_symbols / run.encode.median / 1e6,
        "decode_mb_s": coder.num_symbols / run.decode.median / 1e6,
    }


def _print_table(name: str, runs: Sequence[Measurement]) -> None:
    per_message = runs[0].coder.num_messages > 1
    unit = "us per message" if per_message else "MB/s"
    print(f"\n({name}) {unit}: median [worst..best]")
    print(f"{'coder':58} {'symbols':>10} {'over ideal':>10} {'encode':>26} {'decode':>26}")
    show = _micros if per_message else _speeds
    for run in runs:
        over = "-" if run.overhead_percent is None else f"{run.overhead_percent:+.3f} %"
        times = " ".join(f"{show(run.coder, spread):>26}" for spread in (run.encode, run.decode))
        print(f"{run.coder.name:58} {run.coder.num_symbols:>10,} {over:>10} {times}")


def _speeds(coder: Coder, spread: Spread) -> str:
    median, worst, best = (coder.num_symbols / s / 1e6 for s in (spread.median, spread.worst, spread.best))
    return f"{median:,.0f} [{worst:,.0f}..{best:,.0f}]"


def _micros(coder: Coder, spread: Spread) -> str:
    median, worst, best = (s / coder.num_messages * 1e6 for s in (spread.median, spread.worst, spread.best))
    return f"{median:,.2f} [{worst:,.2f}..{best:,.2f}]"


def _print_targets(found: Sequence[Target]) -> None:
    print("\ntarget, limit, measured")
    for target in found:
        sign = "<=" if target.at_most else ">="
        measured = "" if target.measured is None else f"{target.measured:,.2f}"
        print(f"{target.text:50} {sign} {target.limit:<6g} {measured:>10}  {target.verdict}")


if __name__ == "__main__":
    main()
