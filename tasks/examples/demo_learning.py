"""What torch adds, on real data, small: the neural synthesis, training on latents, and what codecs cost the network.

    python tasks/examples/demo_learning.py [FOLDER]

Writes to FOLDER (demo_output): `neural.png`, the packed pictures, a run on latents, one on pixels, and
`report/report.html`. The networks see 60 photographs, so their scores say that it works, not how well.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from laconic.codecs import decode, encode
from laconic.codecs import open as open_picture
from laconic.codecs import save as save_picture
from laconic.tasks.measures.picture_distortion import psnr

EPOCHS = 30
DATA = Path(__file__).parents[2] / "tests" / "data"


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output")
    folder.mkdir(parents=True, exist_ok=True)
    _show_synthesis(DATA / "kodim23_crop.png", folder)
    _show_learning(DATA / "clothing", folder)


def _show_synthesis(path: Path, folder: Path) -> None:
    """The same file by both syntheses."""
    picture = open_picture(path)
    data = encode(picture, quality=30)
    linear, neural = (decode(data, synthesis=name) for name in ("linear", "neural"))
    print(f"3. {path.name} in {len(data)} bytes: linear synthesis {psnr(picture, linear):.2f} dB, ", end="")
    print(f"neural {psnr(picture, neural):.2f} dB; look at {folder / 'neural.png'}\n")
    save_picture(neural, folder / "neural.png")


def _show_learning(data: Path, folder: Path) -> None:
    """A network on latents, one on pixels, and what codecs cost the first."""
    print("4. Training on latents, and machine quality: 60 photographs of three kinds of clothes")
    packed, head = folder / "packed", folder / "run_latents"
    _laconic("pack", data, "-o", packed, "--size", "128", "--quality", "60", "--quiet")
    runs = {"latents": (packed, head), "patches": (data, folder / "run_patches")}
    for arm, (source, run) in runs.items():
        size = () if arm == "latents" else ("--size", "128")
        _laconic("train", "classify", source, "-o", run, "--arm", arm, "--epochs", str(EPOCHS), *size, "--quiet")
        result = json.loads((run / "result.json").read_text())
        seconds = result["seconds_per_epoch"]
        print(
            f"   {result['input']:32} {result['test_correct']:2d} of {result['test_items']} right, per epoch "
            f"{seconds['loading']:.2f} s loading, {seconds['compute']:.2f} s computing, "
            f"{result['train_bytes_per_epoch'] / 1000:.0f} kB read"
        )
    codecs = ("--codecs", "lcn:quality=10|30|60", "--codecs", "jpeg:quality=5|25|75")
    report = folder / "report"
    _laconic("evaluate", *codecs, "--tasks", f"head:{head}", "--data", data.parent, "-o", report, "--quiet")
    print(f"   what codecs cost this network: open {report / 'report.html'}")


def _laconic(*arguments: object) -> None:
    """Run the command line as a user does."""
    command: Sequence[str] = [sys.executable, "-m", "laconic.tasks.cli", *map(str, arguments)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
