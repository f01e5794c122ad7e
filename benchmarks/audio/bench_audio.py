"""Rate, distortion and speed of our sound codec and its peers, on music and on speech, in one run.

    python benchmarks/audio/bench_audio.py --data ../shared/data [--plot FILE.png] [--clips N] [--codecs mp3 ...]

Timed: `encode`, from samples in memory to the bytes of a whole file in memory, and `decode` back to samples, at each
setting, in one process on one core, best of 2 per clip (1 where a run takes over a quarter of a second). All codecs
take their turn on a clip before the next one, so that a drift of the machine's speed is shared. Opus resamples rates
that it does not know (44.1 and 22.05 kHz), which is timed with it. Not timed: reading the clips, the first call of
each codec (imports, models), the metrics. It takes about 6 minutes.

Clips: the first 12 seconds of each file of music/test (44.1 and 48 kHz, stereo); of speech, every fourth file of
an4/test, speech_librispeech_excerpt (16 kHz) and ljspeech_excerpt (22.05 kHz), mono. One piece of music was an MP3
before, which favours that codec at high rates.

Rows "rd": per setting, means over the clips of the rate in kbit/s of the file and of its payload (without container,
tags, header packets; ours: the segments), SNR and log-mel distance in dB, and median speeds, in seconds of sound and
in millions of samples (of all channels) per second. Rows "bd": the BD-rate of ours against each peer by file and by
payload bytes, over all qualities that both reach, negative where ours is smaller, with the `bjontegaard` package's
value beside it.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
import soundfile

from laconic.codecs.codec import Codec
from laconic.codecs.media import Audio
from laconic.tasks.measures.bdrate import Curve, bd_rate, quality_interval
from laconic.tasks.measures.rate import kilobits_per_second
from laconic.tasks.measures.sound_distortion import log_mel_distance, snr_db

OURS = "laconic"
CLIP_SECONDS = 12
MACHINE = "laconic, machine"
METRICS = ("snr_db", "log_mel_db")
TEST_OF = {"snr_db": OURS, "log_mel_db": MACHINE}  # which tune of ours a measure is for
PACKAGES = ("laconic", "numpy", "soundfile", "scipy")
FOLDERS = {
    "music": (("music/test", 1),),
    "speech": (("an4/test", 4), ("speech_librispeech_excerpt", 1), ("ljspeech_excerpt", 1)),
}
_EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3")


def _ours(tune: str) -> list[Codec[Audio]]:
    from laconic.codecs.lcn import Lcn

    # It takes pictures, too; of a sound it gives a sound.
    return [cast("Codec[Audio]", Lcn(quality=quality, tune=tune)) for quality in (10, 20, 30, 40, 50, 60, 70, 80, 90)]


def _mp3() -> list[Codec[Audio]]:
    from laconic.codecs.external.mp3 import Mp3

    return [Mp3(compression_level=level) for level in (0.95, 0.8, 0.65, 0.5, 0.35, 0.2, 0.0)]


def _opus() -> list[Codec[Audio]]:
    from laconic.codecs.external.opus import Opus

    return [Opus(compression_level=level) for level in (1.0, 0.97, 0.94, 0.9, 0.8, 0.6, 0.4)]


def _vorbis() -> list[Codec[Audio]]:
    from laconic.codecs.external.vorbis import Vorbis

    return [Vorbis(compression_level=level) for level in (1.0, 0.85, 0.7, 0.55, 0.4, 0.2, 0.0)]


def _our_payload(data: bytes) -> int:
    from laconic.entropy.container import Source, read_header

    source = Source(data)
    read_header(source)
    return source.remaining() or 0


def _mp3_payload(data: bytes) -> int:
    from laconic.codecs.external.mp3 import payload_bytes

    return payload_bytes(data)


def _ogg_payload(data: bytes) -> int:
    from laconic.codecs.external._ogg import payload_bytes

    return payload_bytes(data)


# A row is imported only when it is asked for: one codec that is missing does not stop the others.
FAMILIES: dict[str, tuple[Callable[[], list[Codec[Audio]]], Callable[[bytes], int]]] = {
    OURS: (lambda: _ours("snr"), _our_payload),
    MACHINE: (lambda: _ours("machine"), _our_payload),
    "mp3": (_mp3, _mp3_payload),
    "opus": (_opus, _ogg_payload),
    "vorbis": (_vorbis, _ogg_payload),
}


@dataclass(frozen=True)
class Measurement:
    """One codec on one clip."""

    kbps: float
    payload_kbps: float
    snr_db: float
    log_mel_db: float
    encode_x_realtime: float
    decode_x_realtime: float
    encode_ms_s: float
    decode_ms_s: float


def main() -> None:
    options = _parse_arguments()
    common.pin_to_one_core()
    start = time.monotonic()
    families = {label: FAMILIES[label][0]() for label in options.codecs}
    source = common.provenance(options.reason, packages=PACKAGES)
    source |= {"libsndfile": soundfile.__libsndfile_version__, "clip_seconds": CLIP_SECONDS}
    rows: list[common.Row] = []
    for sounds in FOLDERS:
        paths = clip_paths(options.data, sounds)[: options.clips]
        if not paths:
            sys.exit(f"{options.data} holds no {sounds}; pass the folder that holds {FOLDERS[sounds][0][0]} as --data")
        measurements = measure_all(families, paths)
        where = {"sounds": sounds, "num_clips": len(paths)} | source
        rd_rows = [summary(*key, of_codec) | where for key, of_codec in measurements.items()]
        rows += rd_rows + [row | where for row in bd_rows_of(rd_rows)]
    common.write_rows(options.out, rows)
    if options.plot:
        plot([row for row in rows if row["type"] == "rd"], options.plot)
    for row in rows:
        print(_line(row))
    print(f"{time.monotonic() - start:.0f} s -> {options.out}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds music/test, an4/test, ...")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "audio.jsonl", help="file to write the rows to")
    parser.add_argument("--plot", type=Path, help="file to draw the curves to")
    parser.add_argument("--clips", type=int, help="use the first N clips of music and of speech only")
    parser.add_argument("--codecs", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="measure these only")
    parser.add_argument("--reason", default="unstated", help="why this run is made, for the rows")
    return parser.parse_args()


def clip_paths(data: Path, sounds: str) -> list[Path]:
    paths: list[Path] = []
    for folder, step in FOLDERS[sounds]:
        paths += sorted(path for path in (data / folder).glob("*") if path.suffix in _EXTENSIONS)[::step]
    return paths


def read_clip(path: Path) -> Audio:
    # One read: soundfile seeks after each, which damages MP3.
    samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    return Audio(np.ascontiguousarray(samples[: CLIP_SECONDS * sample_rate].T), int(sample_rate))


def measure_all(
    families: dict[str, list[Codec[Audio]]], paths: Sequence[Path]
) -> dict[tuple[str, str], list[Measurement]]:
    """Measurements of every clip by (label, repr of the codec)."""
    measurements: dict[tuple[str, str], list[Measurement]] = {}
    for number, path in enumerate(paths):
        clip = read_clip(path)
        if number == 0:
            for codecs in families.values():  # warm-up
                codecs[0].decode(codecs[0].encode(clip))
        for label, codecs in families.items():
            for codec in codecs:
                measured = measure(codec, clip, FAMILIES[label][1])
                measurements.setdefault((label, repr(codec)), []).append(measured)
        print(f"{number + 1}/{len(paths)} {path.name}", file=sys.stderr)
    return measurements


def measure(codec: Codec[Audio], clip: Audio, payload_bytes: Callable[[bytes], int]) -> Measurement:
    data, encode_seconds = common.best_seconds(lambda: codec.encode(clip))
    decoded, decode_seconds = common.best_seconds(lambda: codec.decode(data))
    return Measurement(
        kbps=kilobits_per_second(data, clip.duration_seconds),
        payload_kbps=kilobits_per_second(payload_bytes(data), clip.duration_seconds),
        snr_db=snr_db(clip, decoded),
        log_mel_db=log_mel_distance(clip, decoded, clip.sample_rate),
        encode_x_realtime=clip.duration_seconds / encode_seconds,
        decode_x_realtime=clip.duration_seconds / decode_seconds,
        encode_ms_s=clip.samples.size / 1e6 / encode_seconds,
        decode_ms_s=clip.samples.size / 1e6 / decode_seconds,
    )


def summary(label: str, codec: str, measurements: Sequence[Measurement]) -> common.Row:
    """The row "rd" of one setting."""

    def over_clips(average: Callable[[list[float]], float], name: str, digits: int) -> float:
        return round(average([getattr(one, name) for one in measurements]), digits)

    means = {name: over_clips(statistics.fmean, name, 4) for name in ("kbps", "payload_kbps", *METRICS)}
    speeds = ("encode_x_realtime", "decode_x_realtime", "encode_ms_s", "decode_ms_s")
    medians = {name: over_clips(statistics.median, name, 3) for name in speeds}
    return {"type": "rd", "label": label, "codec": codec} | means | medians


def bd_rows_of(rd_rows: Sequence[common.Row]) -> list[common.Row]:
    """The rows "bd": ours, in each measure by the tune that is for it, against every peer and the other tune; empty if ours
    was not measured."""
    labels = list(dict.fromkeys(row["label"] for row in rd_rows))
    if not set(TEST_OF.values()) <= set(labels):
        return []
    rows = []
    for anchor in labels:
        row: common.Row = {"type": "bd", "anchor": anchor, "test": dict(TEST_OF)}
        for metric, test in TEST_OF.items():
            if test == anchor:
                continue
            for rate in ("kbps", "payload_kbps"):
                curves = [curve_of(rd_rows, label, metric, rate) for label in (anchor, test)]
                row |= _bd_fields(f"{metric}_{rate}", *curves)
        rows.append(row)
    return rows


def curve_of(rd_rows: Sequence[common.Row], label: str, metric: str, rate: str) -> Curve:
    """(rate, quality) points; the log-mel distance counts as minus its value, so that more is better."""
    sign = -1 if metric == "log_mel_db" else 1
    return [(row[rate], sign * row[metric]) for row in rd_rows if row["label"] == label]


def _bd_fields(name: str, anchor: Curve, test: Curve) -> common.Row:
    try:
        interval = quality_interval(anchor, test)
        percent = bd_rate(anchor, test)
    except ValueError as err:  # the measurements are worth more than this number: keep them
        return {f"bd_rate_{name}_percent": None, f"{name}_problem": str(err)}
    return {
        f"bd_rate_{name}_percent": round(percent, 3),
        f"bd_rate_{name}_percent_bjontegaard": _cross_check(anchor, test),
        f"{name}_interval": [round(end, 4) for end in interval],
    }


def _cross_check(anchor: Curve, test: Curve) -> float | None:
    """The same percentage by the `bjontegaard` package; None where it is not installed."""
    if importlib.util.find_spec("bjontegaard") is None:
        return None
    import bjontegaard

    flat = [column for curve in (anchor, test) for column in zip(*sorted(curve), strict=True)]
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    return round(float(bjontegaard.bd_rate(*flat, **options)), 3)


def _line(row: common.Row) -> str:
    if row["type"] == "bd":
        percents = {name: value for name, value in row.items() if name.endswith("_percent")}
        return f"{row['sounds']} ours against {row['anchor']}: {percents}"
    return (
        f"{row['sounds']} {row['codec']}: {row['kbps']:.1f} kbit/s (payload {row['payload_kbps']:.1f}), "
        f"SNR {row['snr_db']:.2f} dB, log-mel {row['log_mel_db']:.2f} dB, "
        f"{row['encode_ms_s']:.1f} and {row['decode_ms_s']:.1f} MS/s"
    )


def plot(rd_rows: Sequence[common.Row], path: Path) -> None:
    """Music above speech, SNR beside log-mel distance, over the file's rate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(12, 9), layout="constrained")
    titles = {"snr_db": "SNR, dB", "log_mel_db": "log-mel distance, dB (less is better)"}
    for row_of_panels, sounds in zip(panels, FOLDERS, strict=True):
        of_sounds = [row for row in rd_rows if row["sounds"] == sounds]
        for panel, metric in zip(row_of_panels, METRICS, strict=True):
            _draw_curves(panel, of_sounds, metric)
            panel.set_title(f"{sounds}, {of_sounds[0]['num_clips']} clips: {titles[metric]}", loc="left")
    common.save_figure(figure, path, dpi=120)


def _draw_curves(panel: Any, rd_rows: Sequence[common.Row], metric: str) -> None:
    for number, label in enumerate(dict.fromkeys(row["label"] for row in rd_rows)):
        points = sorted((row["kbps"], row[metric]) for row in rd_rows if row["label"] == label)
        width = 2.4 if label == OURS else 1.3
        colour = "black" if label == OURS else f"C{number}"
        panel.plot(*zip(*points, strict=True), label=label, color=colour, linewidth=width, marker="o", markersize=3)
    panel.set_xscale("log")
    ticks = (8, 16, 32, 64, 128, 256, 512)
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.set_xticks([], minor=True)
    panel.set_ylim(bottom=0)
    panel.set_xlabel("kbit/s, whole file")
    panel.legend(frameon=False)


if __name__ == "__main__":
    main()
