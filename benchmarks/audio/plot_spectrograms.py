"""Spectrograms of speech and of music: original, ours and Opus at equal bytes.

    python benchmarks/audio/plot_spectrograms.py --data ../shared/data [-o benchmarks/results/spectrograms.png]

One utterance of AN4's test folder at 12 kbit/s and the castanets of music/test at 48 kbit/s, as whole files: Opus runs at
that rate, ours at the finest step whose file has no more bytes. Power in dB below the largest of the original, in Hann
windows of 16 ms (speech) and 11 ms (music), every quarter of one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from joined_sounds import largest_within

from laconic.codecs.external.opus import Opus
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio
from laconic.tasks.measures.rate import kilobits_per_second
from laconic.tasks.mpq.sounds import read_bare

# Of each sound: the pattern of its file, the rate, what is shown of it in seconds, samples of a window.
SOUNDS = (
    ("an4/test/*.flac", 12, (0.0, 3.0), 256),
    ("music/test/*castanets*", 48, (0.0, 3.0), 512),
)
ROWS = ("original", "laconic", "Opus")
_RANGE_DB = 80


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, default=common.RESULTS / "spectrograms.png")
    options = parser.parse_args()
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(len(ROWS), len(SOUNDS), figsize=(14, 9), layout="constrained")
    for column, (pattern, rate_kbps, stretch, window) in zip(panels.T, SOUNDS, strict=True):
        sound = read_bare(sorted(options.data.glob(pattern))[0])
        titles = dict(coded(sound, rate_kbps))
        peak = spectrogram(sound, stretch, window).max()
        for panel, (title, shown) in zip(column, titles.items(), strict=True):
            levels = 10 * np.log10(np.maximum(spectrogram(shown, stretch, window) / peak, 10 ** (-_RANGE_DB / 10)))
            draw(panel, levels, stretch, sound.sample_rate)
            panel.set_title(title, loc="left")
            print(title)
    common.save_figure(figure, options.out, dpi=72)


def coded(sound: Audio, rate_kbps: int) -> list[tuple[str, Audio]]:
    """Title and sound of each row."""
    codec = Opus(compression_level=(256 - rate_kbps / sound.num_channels) / 250)
    data = codec.encode(sound)
    file = largest_within(sound, len(data), Lcn())
    decoded = Lcn().decode(file)
    assert isinstance(decoded, Audio)
    rates = [f"{kilobits_per_second(one, sound.duration_seconds):.1f} kbit/s" for one in (file, data)]
    titles = (
        f"original, {sound.sample_rate / 1000:g} kHz",
        *(f"{n}, {r}" for n, r in zip(ROWS[1:], rates, strict=True)),
    )
    return list(zip(titles, (sound, decoded, codec.decode(data)), strict=True))


def spectrogram(sound: Audio, stretch: tuple[float, float], window: int) -> np.ndarray:
    """(frequencies, frames): power of the mean of the channels."""
    begin, end = (round(seconds * sound.sample_rate) for seconds in stretch)
    line = sound.samples.mean(axis=0)[begin:end].astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(line, window)[:: window // 4] * np.hanning(window)
    return np.square(np.abs(np.fft.rfft(frames, axis=1))).T


def draw(panel: Any, levels: np.ndarray, stretch: tuple[float, float], sample_rate: int) -> None:
    extent = (*stretch, 0, sample_rate / 2000)
    panel.imshow(levels, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-_RANGE_DB, vmax=0, zorder=2)
    panel.set_ylabel("kHz")
    panel.set_xlabel("s")


if __name__ == "__main__":
    main()
