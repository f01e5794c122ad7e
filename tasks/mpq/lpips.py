"""LPIPS, whose weights are not ours to bring: a file of the user's own, backbone and linear weights together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from laconic.codecs.errors import UnsupportedSignalError, WeightsError
from laconic.codecs.media import Image
from laconic.tasks.measures.feature_network import one_thread
from laconic.tasks.measures.picture_distortion import checked_pair
from laconic.tasks.mpq.torch_models import load_torchscript

if TYPE_CHECKING:
    from jaxtyping import Float32
    from numpy.typing import NDArray

FILE: Final = Path("lpips") / "lpips.pt"  # in the folder of models


@dataclass(frozen=True)
class Lpips:
    """The distance that a TorchScript file gives for two pictures, (1, 3, h, w) each, samples from -1 to 1.

    With the package lpips at hand, of which the network and its weights are, the file is made by

        network = lpips.LPIPS(net="alex").eval()
        example = torch.zeros(1, 3, 256, 256)
        torch.jit.trace(network, (example, example)).save("lpips.pt")

    Source: Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual metric",
    CVPR 2018.
    """

    path: Path

    def __call__(self, original: Image, decoded: Image) -> float:
        """Raises `UnsupportedSignalError` for pictures of other than 8 bits, `WeightsError` for a file that is none or
        that does not give one number for two pictures, `MissingDependencyError`."""
        _, _, peak = checked_pair(original, decoded)
        if peak != 255:
            raise UnsupportedSignalError(
                f"samples are of {peak.bit_length()} bits; LPIPS allows 8: convert the picture first"
            )
        network = load_torchscript(self.path)
        import torch

        pair = [torch.from_numpy(_signed(picture)) for picture in (original, decoded)]
        with one_thread(), torch.inference_mode():
            try:
                return float(network(*pair))
            except (RuntimeError, TypeError, ValueError) as err:
                reason = str(err).strip().splitlines()[-1]
                raise WeightsError(f"{self.path} gives no number for two pictures ({reason}); make it anew") from err


def _signed(picture: Image) -> Float32[NDArray[Any], "1 3 h w"]:
    pixels = np.asarray(picture.to_pillow().convert("RGB"), np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None] / np.float32(127.5) - 1)
