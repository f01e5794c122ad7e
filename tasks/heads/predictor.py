"""A trained run as a function of files and signals: `Predictor.load(run).scores(path)`."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from laconic.codecs.arguments import path_argument
from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.latent import Latent
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.pretrained import (
    PRETRAINED_MODEL_NAME,
    pretrained_folder,
    save_pretrained_model,
    write_pretrained_card,
)
from laconic.codecs.models.zoo import shipped_models
from laconic.entropy.container import MAGIC
from laconic.tasks.datasets.framing import Framing, framed, framed_array, read_signal
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.heads.checkpoint import load_checkpoint, save_best_checkpoint
from laconic.tasks.heads.classification import Classification
from laconic.tasks.heads.networks import ClassifierNetwork
from laconic.tasks.training.run_names import BEST_NAME


@dataclass(frozen=True, eq=False)
class Predictor:
    """Scores of files (pictures, sounds, .lcn) and of signals in memory by the best network of a run; see `load`."""

    network: ClassifierNetwork
    classes: tuple[str, ...]
    recipe: Mapping[str, Any]
    model: str | None = None

    @classmethod
    def load(cls, run: Path | str, *, model: str | None = None) -> Predictor:
        """Read a run. `model`: path of the codec's model where it is not shipped. Raises `WeightsError`."""
        network, card = load_checkpoint(run)
        try:
            recipe, classes = dict(card["recipe"]), tuple(card["classes"])
            _ = recipe["arm"], recipe["kind"]
        except (KeyError, TypeError, ValueError) as err:
            raise WeightsError(f"{run} does not say how its input is made: {err}; train again") from err
        return cls(network, classes, recipe, model)

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        cache_dir: Path | str | None = None,
    ) -> Predictor:
        """Read what `save_pretrained` put into a folder, or into a repository of Hugging Face's hub of that name. Raises as
        `pretrained_folder` does, and `WeightsError`."""
        folder = pretrained_folder(name, revision=revision, local_files_only=local_files_only, cache_dir=cache_dir)
        model = folder / PRETRAINED_MODEL_NAME
        return cls.load(folder, model=str(model) if model.exists() else None)

    def save_pretrained(self, folder: Path | str, *, force: bool = False) -> None:
        """Put the network, and the codec's model where it is not shipped, into a folder that can be uploaded as a
        repository of the hub. Raises `FileExistsError` without `force`, `OSError`."""
        folder = path_argument("folder", folder)
        if self.model is not None:
            save_pretrained_model(self.model, folder, force=force)
        if (folder / BEST_NAME).exists() and not force:
            raise FileExistsError(errno.EEXIST, "File exists", str(folder / BEST_NAME))
        folder.mkdir(parents=True, exist_ok=True)
        what = {"head": asdict(self.network.config), "classes": list(self.classes), "recipe": dict(self.recipe)}
        save_best_checkpoint(folder / BEST_NAME, self.network, {"task": Classification.name, **what})
        text = f'Scores of {", ".join(self.classes)}.\n\n    Predictor.from_pretrained("REPOSITORY").scores("FILE")\n'
        write_pretrained_card(folder, "Classifier of compressed signals", text)

    def scores(self, source: Path | str | Image | Audio) -> dict[str, float]:
        """Probability of each class, the highest first, for a file or a signal in memory.

        A run on latents reads the head of an .lcn file; anything else is first encoded as its training data were. Raises
        `CodecError` (also for a sound where the run learned pictures), `BitstreamError` or `OSError`.
        """
        x = torch.from_numpy(self._normalized(source) if self.recipe["arm"] == "latents" else self._samples(source))
        with torch.no_grad():
            shares = torch.softmax(self.network(x[None])[0], 0).tolist()
        ranked = sorted(zip(self.classes, shares, strict=True), key=lambda entry: -entry[1])
        return dict(ranked)

    def _samples(self, source: Path | str | Image | Audio) -> NDArray[np.float32]:
        return framed_array(self._signal(source, Framing(**self.recipe["framing"])))

    def _signal(self, source: Path | str | Image | Audio, framing: Framing) -> Image | Audio:
        kind = self.recipe["kind"]
        if isinstance(source, Path | str):
            return read_signal(source, kind, framing, model=self.model)
        if isinstance(source, Audio) != (kind == "sound"):
            what = "pictures" if kind == "image" else "sounds"
            raise CodecError(f"the run learned {what}, the signal is {type(source).__name__}; allowed are {what}")
        return framed(source, framing)

    def _normalized(self, source: Path | str | Image | Audio) -> NDArray[np.float32]:
        channels = self.recipe["channels"]
        pack = PackIndexOptions(**{**self.recipe["pack"], "model": self.model or _shipped(self.recipe["fingerprint"])})
        codec = pack.codec(self.recipe["kind"])
        latent = _stored_latent(source, codec, channels) if isinstance(source, Path | str) else None
        if latent is None:
            latent = codec.analyze(self._signal(source, pack.framing))
        if latent.fingerprint.hex() != self.recipe["fingerprint"]:
            raise CodecError(
                f"its model is {latent.fingerprint.hex()}, the run learned from {self.recipe['fingerprint']}; allowed "
                "are files of the same model: encode it with that (--model)"
            )
        scale, shift = (np.array(self.recipe[name], np.float32)[:, None, None] for name in ("scale", "shift"))
        return latent.dequantize()[:channels] * scale + shift


def _shipped(fingerprint: str) -> str | None:
    """The name of the shipped model that a run learned from, which need not be that for its kind of signal."""
    return next((entry.name for entry in shipped_models() if entry.fingerprint.hex() == fingerprint), None)


def _stored_latent(path: Path | str, codec: Lcn, channels: int) -> Latent | None:
    """That of an .lcn file, of its head alone; None for other files."""
    with Path(path).open("rb") as file:
        is_lcn = file.read(len(MAGIC)) == MAGIC
        file.seek(0)
        return codec.unpack(file, channels=channels) if is_lcn else None
