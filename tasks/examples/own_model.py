"""A model of one's own pictures: fit it to a folder, save it, encode and decode with it.

python tasks/examples/own_model.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

from laconic.codecs import Model, decode, encode, fit
from laconic.codecs import open as open_picture
from laconic.codecs.fitting.training_signals import training_images


def main() -> None:
    default = Path(__file__).parents[2] / "tests" / "data"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg", ".jpeg"))
    model = fit(training_images(paths, num_planes=3), "mine")
    print(f"model {model.name} ({model.fingerprint.hex()}), {model.num_channels} channels, {len(paths)} pictures")
    with tempfile.TemporaryDirectory() as temporary:
        name = str(Path(temporary, "mine.safetensors"))
        model.save(name)
        print(f"read back: {Model.load(name).fingerprint.hex()}")
        picture = open_picture(paths[0])
        own, shipped = encode(picture, model=name), encode(picture)
        print(f"{paths[0].name}: {len(own)} bytes with it, {len(shipped)} with the shipped model")
        print(f"decoded: {decode(own, model=name).samples.shape}")


if __name__ == "__main__":
    main()
