"""A trained run as a function of files: `Predictor.load(run).scores(path)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.lcn import Lcn
from laconic.entropy.container import MAGIC
from laconic.tasks.datasets.framing import Framing, read_signal, signal_array
from laconic.tasks.datasets.pack_index import PackOptions
from laconic.tasks.heads.checkpoint import load_best
from laconic.tasks.heads.networks import Classifier


@dataclass(frozen=True, eq=False)
class Predictor:
    """Scores of pictures, sounds and .lcn files by the best network of a run; made by `Predictor.load`."""

    network: Classifier
    classes: tuple[str, ...]
    recipe: Mapping[str, Any]
    model: str | None = None

    @classmethod
    def load(cls, run: Path | str, *, model: str | None = None) -> Predictor:
        """Read a run. `model`: path of the codec's model where it is not shipped. Raises `WeightsError`."""
        network, card = load_best(run)
        try:
            recipe, classes = dict(card["recipe"]), tuple(card["classes"])
            _ = recipe["arm"], recipe["kind"]
        except (KeyError, TypeError, ValueError) as err:
            raise WeightsError(f"{run} does not say how its input is made: {err}; train again") from err
        return cls(network, classes, recipe, model)

    def scores(self, path: Path | str) -> dict[str, float]:
        """Probability of each class, the highest first. Raises `CodecError`, `BitstreamError` or `OSError`.

        A run on latents reads the head of an .lcn file; anything else is first encoded as its training data were.
        """
        x = torch.from_numpy(self._latent(path) if self.recipe["arm"] == "latents" else self._signal(path))
        with torch.no_grad():
            shares = torch.softmax(self.network(x[None])[0], 0).tolist()
        ranked = sorted(zip(self.classes, shares, strict=True), key=lambda entry: -entry[1])
        return dict(ranked)

    def _signal(self, path: Path | str) -> NDArray[np.float32]:
        return signal_array(read_signal(path, self.recipe["kind"], Framing(**self.recipe["framing"]), model=self.model))

    def _latent(self, path: Path | str) -> NDArray[np.float32]:
        channels = self.recipe["channels"]
        codec = PackOptions(**{**self.recipe["pack"], "model": self.model}).codec(self.recipe["kind"])
        with Path(path).open("rb") as file:
            is_lcn = file.read(len(MAGIC)) == MAGIC
            file.seek(0)
            latent = codec.unpack(file, channels=channels) if is_lcn else None
        if latent is None:
            latent = self._analyzed(path, codec)
        if latent.fingerprint.hex() != self.recipe["fingerprint"]:
            raise CodecError(
                f"its model is {latent.fingerprint.hex()}, the run learned from {self.recipe['fingerprint']}; allowed "
                "are files of the same model: encode it with that (--model)"
            )
        scale, shift = (np.array(self.recipe[name], np.float32)[:, None, None] for name in ("scale", "shift"))
        return latent.dequantize()[:channels] * scale + shift

    def _analyzed(self, path: Path | str, codec: Lcn) -> Any:
        pack = PackOptions(**{**self.recipe["pack"], "model": self.model})
        return codec.analyze(read_signal(path, self.recipe["kind"], pack.framing, model=self.model))
