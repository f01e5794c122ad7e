"""Fit the tables of lossless sounds, which the package ships, to folders of sounds:

    python benchmarks/audio/fit_residual_tables.py ../shared/data/an4/train ../shared/data/music/train -o FILE

Of each file the first 30 seconds count, rounded to 16 bits where they are not integers.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from laconic.codecs.files import read_sound
from laconic.codecs.fitting.residual_tables import fit_residual_tables
from laconic.codecs.media import Audio

_SECONDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.write_bytes(fit_residual_tables(_sounds(arguments.folders)).to_bytes())


def _sounds(folders: list[Path]) -> Iterator[Audio]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".flac", ".ogg", ".wav", ".mp3"):
                sound = read_sound(path)
                samples = np.clip(np.rint(sound.samples[:, : _SECONDS * sound.sample_rate] * 32768), -32768, 32767)
                yield Audio((samples / 32768).astype(np.float32), sound.sample_rate)


if __name__ == "__main__":
    main()
