"""Speed and memory of decoding by the neural synthesis, and the size of its network.

    python benchmarks/images/bench_neural.py --data ../shared/data [--rounds N] [--quick] [--reason TEXT]

Everything is measured in processes of their own (neural_process.py), which are held to one core or to two, with as many
threads of torch (OMP_NUM_THREADS) and of `Lcn`. Rows "decode": seconds of `decode`, bytes in memory to an array in
memory, for Kodak, each picture on its own and times added up, and for one picture of 28 million pixels; the linear
synthesis of the same files beside. Not timed: the start of the process, the network, the first call. The processes
alternate. Rows "memory": the peak of a process that decodes a picture of 50 million pixels, with and without that
picture's own bytes; of one that has decoded a small picture only; and of `laconic decode`, which writes rows to a file.
Row "network": parameters, and bytes of the weights. The network runs in float32. Wants an idle machine of two cores;
about 5 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
from mosaics import DataSet, Mosaic, read
from speed_targets import Target
from turns import Spread

from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import load_model, synthesis_path
from laconic.codecs.pictures.neural_rendering import rendering_network_of

DECODER, COMMAND_LINE = (Path(__file__).with_name(f"{name}_process.py") for name in ("neural", "measured"))
QUALITY = 50
MODEL = "rgb"
SYNTHESES = ("neural", "linear")
CORES = (1, 2)
MOSAIC_MPIX = 20  # at least
LARGE = (6144, 8192)
QUICK_LARGE = (600, 800)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kodak/")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "neural.jsonl", help="file to write the rows to")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each process")
    parser.add_argument(
        "--quick", action="store_true", help="two pictures, small ones, one run: whether it works at all"
    )
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    options = parser.parse_args()
    kodak = read(options.data / "kodak", 2 if options.quick else None)
    mosaic = Mosaic(kodak.images)
    large = Image(mosaic.cut(*(QUICK_LARGE if options.quick else LARGE)))
    whole = mosaic.cut(*QUICK_LARGE) if options.quick else mosaic.natural(MOSAIC_MPIX)
    sets = (kodak, DataSet("mosaic", (Image(whole),)))
    load = round(os.getloadavg()[0], 2)
    with TemporaryDirectory() as folder:
        rows = [network_row()]
        rows += decode_rows(sets, Path(folder), 1 if options.quick else options.rounds)
        rows += memory_rows(kodak.images[0], large, Path(folder))
    rows += [{"kind": "target", **vars(target)} for target in _targets(rows)]
    source = {"quick": options.quick, "load": load}
    source |= common.provenance(options.reason, packages=("laconic", "numpy", "torch"))
    common.write_rows(options.out, [row | source for row in rows])
    for row in rows:
        print(*(f"{name} {value}" for name, value in row.items()))


def network_row() -> common.Row:
    model = load_model(MODEL)
    network = rendering_network_of(model)
    path = synthesis_path(model.fingerprint)
    assert path is not None  # or there would be no network
    return {"kind": "network", "num_parameters": network.num_parameters, "weights_bytes": path.stat().st_size}


def decode_rows(sets: Sequence[DataSet], folder: Path, num_rounds: int) -> list[common.Row]:
    """Rows "decode", by synthesis, number of cores and set."""
    files = {data.name: _encoded(data, folder) for data in sets}
    every = [path for paths in files.values() for path in paths]
    sums: dict[tuple[str, int, str], list[float]] = {}
    for _ in range(num_rounds):
        for synthesis in SYNTHESES:
            for cores in CORES:
                seconds = iter(_decode(synthesis, cores, [every[0], *every])["seconds"])
                for name, paths in files.items():
                    sums.setdefault((synthesis, cores, name), []).append(sum(next(seconds) for _ in paths))
    megapixels = {data.name: data.megapixels for data in sets}
    return [
        {"kind": "decode", "data": name, "synthesis": synthesis, "cores": cores, "quality": QUALITY}
        | {"megapixels": round(megapixels[name], 3), "runs": len(times)}
        | {"mpix_s": Spread(statistics.median(times), max(times), min(times), len(times)).speed(megapixels[name])}
        for (synthesis, cores, name), times in sums.items()
    ]


def memory_rows(small: Image, large: Image, folder: Path) -> Iterator[common.Row]:
    """Rows "memory"."""
    for synthesis in SYNTHESES:
        for what, image in (("small", small), ("large", large)):
            (path,) = _encoded(DataSet(what, (image,)), folder)
            (first,) = _encoded(DataSet("first", (small,)), folder)
            peak = _decode(synthesis, max(CORES), [first, path])["peak_bytes"]
            yield _memory_row(synthesis, f"{what}, decoded to an array", image, peak, peak - image.samples.nbytes)
        command = ["decode", str(path), "-o", str(folder / "out.ppm"), "--synthesis", synthesis, "--force", "--quiet"]
        peak = int(_run([str(COMMAND_LINE), *command, "--threads", str(max(CORES))], max(CORES)).split()[-1])
        yield _memory_row(synthesis, "large, written by rows", large, peak, peak)


def _memory_row(synthesis: str, what: str, image: Image, peak: int, over: int) -> common.Row:
    row: common.Row = {"kind": "memory", "synthesis": synthesis, "what": what, "cores": max(CORES)}
    row |= {"megapixels": round(image.height * image.width / 1e6, 3)}
    return row | {"peak_mb": round(peak / 1e6, 1), "over_picture_mb": round(over / 1e6, 1)}


def _targets(rows: Sequence[common.Row]) -> Iterator[Target]:
    def speeds(synthesis: str, cores: int) -> dict[str, float]:
        found = (row for row in rows if (row.get("synthesis"), row.get("cores")) == (synthesis, cores))
        return {row["data"]: row["mpix_s"]["median"] for row in found if row["kind"] == "decode"}

    def memory(what: str, field: str) -> dict[str, float]:
        found = (row for row in rows if row["kind"] == "memory" and row["synthesis"] == "neural")
        return {"": next(row[field] for row in found if row["what"] == what)}

    network = rows[0]
    yield Target("neural, 2 cores", "MPix/s", 3, False, speeds("neural", 2))
    yield Target("neural, 1 core", "MPix/s", None, False, speeds("neural", 1))
    yield Target("linear, 2 cores", "MPix/s", None, False, speeds("linear", 2))
    yield Target("linear, 1 core", "MPix/s", None, False, speeds("linear", 1))
    large = "large, decoded to an array"
    size = next(row["megapixels"] for row in rows if row.get("what") == large)
    yield Target(f"peak memory over the picture, {size:.0f} MPix", "MB", 1500, True, memory(large, "over_picture_mb"))
    yield Target("the same, rows written to a file", "MB", None, True, memory("large, written by rows", "peak_mb"))
    small = "small, decoded to an array"
    yield Target("the same, of a Kodak picture", "MB", None, True, memory(small, "over_picture_mb"))
    yield Target("weights", "MB", None, True, {"": round(network["weights_bytes"] / 1e6, 2)})
    yield Target("parameters", "million", None, True, {"": round(network["num_parameters"] / 1e6, 3)})


def _encoded(data: DataSet, folder: Path) -> list[Path]:
    codec = Lcn(tune="psnr", quality=QUALITY)
    paths = [folder / f"{data.name}{number}.lcn" for number in range(len(data.images))]
    for path, image in zip(paths, data.images, strict=True):
        if not path.exists():
            path.write_bytes(codec.encode(image))
    return paths


def _decode(synthesis: str, cores: int, files: Sequence[Path]) -> common.Row:
    found: common.Row = json.loads(_run([str(DECODER), synthesis, str(cores), *map(str, files)], cores))
    return found


def _run(command: Sequence[str], cores: int) -> str:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(cores))
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
