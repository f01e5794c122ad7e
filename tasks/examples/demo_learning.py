"""The second and the third use on real data, small: training on latents, and what codecs cost the trained network.

    python tasks/examples/demo_learning.py [FOLDER]

Writes to FOLDER (demo_output): the packed pictures, a run on latents, one on pixels, and `report/report.html`. The
networks see 60 photographs, so their scores say that it works, not how well.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

EPOCHS = 30


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output")
    data = Path(__file__).parents[2] / "tests" / "data" / "clothing"
    print("3. Training on latents, and machine quality: 60 photographs of three kinds of clothes")
    packed, head = folder / "packed", folder / "run_latents"
    laconic("pack", data, "-o", packed, "--size", "128", "--quality", "60", "--quiet")
    runs = {"latents": (packed, head), "patches": (data, folder / "run_patches")}
    for arm, (source, run) in runs.items():
        size = () if arm == "latents" else ("--size", "128")
        laconic("train", "classify", source, "-o", run, "--arm", arm, "--epochs", str(EPOCHS), *size, "--quiet")
        result = json.loads((run / "result.json").read_text())
        seconds = result["seconds_per_epoch"]
        print(
            f"   {result['input']:32} {result['test_correct']:2d} of {result['test_items']} right, per epoch "
            f"{seconds['loading']:.2f} s loading, {seconds['compute']:.2f} s computing, "
            f"{result['train_bytes_per_epoch'] / 1000:.0f} kB read"
        )
    codecs = ("--codecs", "sandwich:quality=10|30|60", "--codecs", "jpeg:quality=5|25|75")
    report = folder / "report"
    laconic("evaluate", *codecs, "--tasks", f"head:{head}", "--data", data.parent, "-o", report, "--quiet")
    print(f"   what codecs cost this network: open {report / 'report.html'}")


def laconic(*arguments: object) -> None:
    """Run the command line as a user does."""
    command: Sequence[str] = [sys.executable, "-m", "laconic.tasks.cli", *map(str, arguments)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
