"""Memory and time of the command line on long recordings, each way.

    python benchmarks/audio/bench_long_sounds.py --data ../shared/data [--folder FOLDER] [--minutes 10 60] [--reason TEXT]

Measured, each in a process of its own: `laconic encode x.wav` and `laconic decode x.lcn` with one thread, from files to
files, once with each tune of sounds; and a stretch of ten seconds from the middle. Memory is the largest resident set of
the process, Python and its imports included; time is that of the processor, which other work on the machine does not
change much, and on the clock. The recording is stereo at 48 kHz, 16 bits: stretches of 5 to 40 seconds of the files of
music, with a gain of their own, some of them backwards, drawn with a seed. It takes about 8 minutes and 3 GB in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
import soundfile

RATE_HZ = 48_000
TUNES = ("snr", "machine")
PACKAGES = ("laconic", "numpy", "soundfile")
STRETCH_SECONDS = 10
_EXTENSIONS = (".wav", ".ogg", ".mp3")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="has the folder music")
    parser.add_argument("--folder", type=Path, help="where recordings are written; a temporary one, if not given")
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--reason", default="not stated")
    parser.add_argument("--output", type=Path, default=common.RESULTS / "long_sounds.jsonl")
    options = parser.parse_args()
    music = sorted(path for path in (options.data / "music").rglob("*") if path.suffix in _EXTENSIONS)
    rows: list[common.Row] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for minutes in options.minutes:
            wav = Path(folder) / "x.wav"
            write_recording(wav, music, 60 * minutes)
            rows += measured(wav, minutes, options.reason)
    common.write_rows(options.output, rows)


def write_recording(path: Path, music: list[Path], seconds: int) -> None:
    rng = np.random.default_rng(0)
    left = seconds * RATE_HZ
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, subtype="PCM_16") as file:
        while left:
            with soundfile.SoundFile(music[rng.integers(len(music))]) as source:
                count = min(source.frames, RATE_HZ * int(rng.integers(5, 41)), left)
                source.seek(int(rng.integers(source.frames - count + 1)))
                frames = source.read(count, dtype="float32", always_2d=True)
            gain, step = rng.uniform(0.3, 1), rng.choice([-1, 1])
            file.write(frames[::step, [0, -1]] * gain)
            left -= len(frames)


def measured(wav: Path, minutes: int, reason: str) -> list[common.Row]:
    """Rows of a recording, one for each tune and direction."""
    lcn, decoded = wav.with_suffix(".lcn"), wav.with_suffix(".decoded.wav")
    stretch = ["--start", str(30 * minutes), "--seconds", str(STRETCH_SECONDS)]
    rows = []
    for tune in TUNES:
        steps = {
            "encode": ["encode", str(wav), "-o", str(lcn), "--tune", tune],
            "decode": ["decode", str(lcn), "-o", str(decoded)],
            "stretch": ["decode", str(lcn), "-o", str(decoded), *stretch],
        }
        for step, arguments in steps.items():
            found = resources_of(arguments)
            sizes = {"wav_bytes": wav.stat().st_size, "lcn_bytes": lcn.stat().st_size}
            row = {"minutes": minutes, "tune": tune, "step": step, **found, **sizes}
            rows.append(row | common.provenance(reason, packages=PACKAGES))
            print({name: row[name] for name in ("minutes", "tune", "step", *found)}, flush=True)
    return rows


# A process begins with the memory of the one that starts it, which is to be small.
_LAUNCHER = """
import json, os, sys, time
start = time.monotonic()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(process, 0)
print(json.dumps([status, used.ru_maxrss, used.ru_utime + used.ru_stime, time.monotonic() - start]))
"""


def resources_of(arguments: list[str]) -> dict[str, float]:
    """Of one run of the command line, which has to succeed."""
    command = [sys.executable, "-m", "laconic.tasks.cli", *arguments, "--quiet", "--force", "--threads", "1"]
    launched = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(launched, stdout=subprocess.PIPE, check=True)
    status, kibibytes, processor_seconds, clock_seconds = json.loads(done.stdout)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return {
        "peak_mb": round(kibibytes * 1024 / 1e6, 1),
        "processor_seconds": round(processor_seconds, 2),
        "clock_seconds": round(clock_seconds, 2),
    }


if __name__ == "__main__":
    main()
