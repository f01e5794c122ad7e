"""Latents as a model is trained on them: no pixels, any number of channels, files of different quality in one batch.

python tasks/examples/read_latents.py [PICTURE]
"""

import sys
from pathlib import Path

import numpy as np

from laconic.codecs import Lcn
from laconic.codecs import open as open_picture

NUM_CHANNELS = 12


def main() -> None:
    default = Path(__file__).parents[2] / "tests" / "data" / "kodim23_crop.png"
    picture = open_picture(sys.argv[1] if len(sys.argv) > 1 else default)
    files = [Lcn(quality=quality).encode(picture) for quality in (20, 50, 80)]
    codec = Lcn()  # reading needs no quality: the step is in the file
    latents = [codec.unpack(data, channels=NUM_CHANNELS) for data in files]
    for data, latent in zip(files, latents, strict=True):
        print(f"{len(data)} bytes: {latent.values.shape} {latent.values.dtype}, step {latent.step:.4f}")
    batch = np.stack([latent.dequantize() for latent in latents])  # in signal units, whatever the step
    print(f"batch {batch.shape} {batch.dtype}")
    print(f"mean of channel 0 at each quality: {', '.join(f'{item[0].mean():.3f}' for item in batch)}")
    whole = codec.unpack(files[1])
    print(f"packed again, the same bytes: {codec.pack(whole) == files[1]}")


if __name__ == "__main__":
    main()
