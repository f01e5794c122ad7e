"""Makes tasks/measures/feature_variances.safetensors: what the channels of EfficientNet-lite vary over photographs.

    python benchmarks/images/feature_variances.py DATA

DATA/imagenet_sample/train holds the photographs. Needs torch and the packages of the networks.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common  # noqa: F401
from safetensors.numpy import save_file

from laconic.codecs.files import read_image
from laconic.tasks.measures.deep_features import VARIANCES, channel_variances
from laconic.tasks.measures.feature_network import LITE0, LITE1, LITE2


def main() -> None:
    paths = sorted((Path(sys.argv[1]) / "imagenet_sample" / "train").glob("*.JPEG"))
    tensors = {}
    for network in (LITE0, LITE1, LITE2):
        variances = channel_variances(network, map(read_image, paths), network.depths)
        tensors |= {f"{network.name}.{depth}": values for depth, values in variances.items()}
    note = f"variances of channels over {len(paths)} photographs of imagenet_sample/train, by feature_variances.py"
    save_file(tensors, VARIANCES, metadata={"note": note})


if __name__ == "__main__":
    main()
