"""A trained run as a function of files and signals: `Predictor.load(run).answer(path)`."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from laconic.codecs.arguments import path_argument, shown
from laconic.codecs.errors import CodecError, UnknownModelError, WeightsError
from laconic.codecs.latent import Latent
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.model import Model
from laconic.codecs.models.model_bridge import ModelBridge, bridge_of_models
from laconic.codecs.models.pretrained import (
    PRETRAINED_MODEL_NAME,
    pretrained_folder,
    save_pretrained_model,
    write_pretrained_card,
)
from laconic.codecs.models.zoo import load_model_of, shipped_models
from laconic.entropy.container import MAGIC
from laconic.tasks.datasets.framing import Framing, framed, framed_array, read_signal
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.signal_dataset import reduced_signal
from laconic.tasks.heads.checkpoint import OwnPlaces, TrainedNetwork, load_checkpoint, save_best_checkpoint
from laconic.tasks.heads.classification import Classification
from laconic.tasks.heads.learning_task import Answer, Batch, InputForm
from laconic.tasks.training.run_names import BEST_NAME

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Predictor:
    """Answers to files (pictures, sounds, .lcn) and to signals in memory by the best network of a run; see `load`."""

    trained: TrainedNetwork
    recipe: Mapping[str, Any]
    file_model: str | None = None

    @classmethod
    def load(
        cls, run: Path | str, *, model: str | None = None, file_model: str | None = None, own: OwnPlaces | None = None
    ) -> Predictor:
        """Read a run. `model`: path of the codec's model where it is not shipped; `file_model`: that of another one, of
        which .lcn files may be as well; `own`: where task and network are that no package has. Raises `WeightsError`,
        `CodecError`."""
        trained = load_checkpoint(run, own)
        try:
            recipe = dict(trained.card["recipe"])
        except (KeyError, TypeError, ValueError) as err:
            raise WeightsError(f"{run} does not say how its input is made: {err}; train again") from err
        return cls(replace(trained, form=replace(trained.form, model=model)), recipe, file_model)

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

    @property
    def form(self) -> InputForm:
        """Of what the network gets."""
        return self.trained.form

    @property
    def classes(self) -> tuple[str, ...]:
        return self.form.classes

    def save_pretrained(self, folder: Path | str, *, force: bool = False) -> None:
        """Put the network, and the codec's model where it is not shipped, into a folder that can be uploaded as a
        repository of the hub. Raises `FileExistsError` without `force`, `OSError`."""
        folder = path_argument("folder", folder)
        if self.form.model is not None:
            save_pretrained_model(self.form.model, folder, force=force)
        if (folder / BEST_NAME).exists() and not force:
            raise FileExistsError(errno.EEXIST, "File exists", str(folder / BEST_NAME))
        folder.mkdir(parents=True, exist_ok=True)
        save_best_checkpoint(folder / BEST_NAME, self.trained.network, self.trained.card)
        what = f" of {', '.join(self.classes)}" if self.classes else ""
        text = f'Task {self.trained.task.name}{what}.\n\n    Predictor.from_pretrained("REPOSITORY").answer("FILE")\n'
        write_pretrained_card(folder, "Network on compressed signals", text)

    @property
    def channels(self) -> tuple[int, ...]:
        """Numbers of channels that a run on latents answers from: all, after those of a nested network."""
        task = self.trained.task
        return (*(task.nested if isinstance(task, Classification) else ()), self.form.channels)

    def answer(self, source: Path | str | Image | Audio, *, channels: int | None = None) -> Answer:
        """What the network makes of a file or a signal in memory.

        A run on latents reads the head of an .lcn file, as far as `channels`, one of the property's, reach; one of another
        model is mapped to the run's (`model_bridge`). Anything else is first encoded as its training data were. Raises
        `CodecError` (also for a sound where the run learned pictures), `BitstreamError` or `OSError`.
        """
        if channels is not None and (self.form.arm != "latents" or channels not in self.channels):
            raise CodecError(
                f"channels is {shown(channels)}; allowed are {', '.join(map(str, self.channels))} of a run on latents; "
                "train with nested=[...] for fewer"
            )
        if self.form.arm == "latents":
            x = torch.from_numpy(self._normalized(source, channels or self.form.channels))
        else:
            x = torch.from_numpy(self._samples(source))
        sizes = torch.tensor([x.shape[1:]]) if self.trained.task.has_sizes else None
        with torch.no_grad():
            return self.trained.task.answers(self.trained.network, Batch(x[None], (), sizes), self.form)[0]

    def scores(self, source: Path | str | Image | Audio) -> dict[str, float]:
        """Of a run on classes: the probability of each, the highest first. Raises `CodecError` for other runs, and as
        `answer` does."""
        found = self.answer(source).values.get("scores")
        if not isinstance(found, Mapping):
            raise CodecError(f"a run of task {self.trained.task.name} has no scores of classes; call answer")
        return dict(found)

    def _samples(self, source: Path | str | Image | Audio) -> Float[NDArray[np.float32], "c h w"]:
        framed = framed_array(self._signal(source, Framing(**self.recipe["framing"])))
        return reduced_signal(framed, tuple(self.recipe["reduction"]))

    def _signal(self, source: Path | str | Image | Audio, framing: Framing) -> Image | Audio:
        kind = self.form.kind
        if isinstance(source, Path | str):
            return read_signal(source, kind, framing, model=self.form.model)
        if isinstance(source, Audio) != (kind == "sound"):
            what = "pictures" if kind == "image" else "sounds"
            raise CodecError(f"the run learned {what}, the signal is {type(source).__name__}; allowed are {what}")
        return framed(source, framing)

    def _normalized(self, source: Path | str | Image | Audio, channels: int) -> Float[NDArray[np.float32], "c h w"]:
        """The first channels, and 0 in place of the others."""
        form = self.form
        scale, shift = (np.array(values, np.float32)[:channels, None, None] for values in (form.scale, form.shift))
        values = self._dequantized(source, channels) * scale + shift
        return np.concatenate([values, np.zeros((form.channels - channels, *values.shape[1:]), np.float32)])

    def _dequantized(self, source: Path | str | Image | Audio, channels: int) -> Float[NDArray[np.float32], "c h w"]:
        form = self.form
        pack = PackIndexOptions(**{**self.recipe["pack"], "model": form.model or _shipped(form.fingerprint)})
        codec = pack.codec(form.kind)
        codecs = [codec] if self.file_model is None else [codec, replace(codec, model=self.file_model)]
        latent = _stored_latent(source, codecs, channels) if isinstance(source, Path | str) else None
        if latent is None:
            latent = codec.analyze(self._signal(source, pack.framing))
        if latent.fingerprint.hex() == form.fingerprint:
            return latent.dequantize()[:channels]
        assert isinstance(source, Path | str)  # a signal is encoded with the model of the run
        bridge = _bridge(form.load_model(), load_model_of(latent.fingerprint, self.file_model), channels)
        latent = _stored_latent(source, codecs, bridge.channels_new)
        assert latent is not None
        return bridge.apply(latent.dequantize()[: bridge.channels_new])


@lru_cache(maxsize=16)
def _bridge(old: Model, new: Model, channels: int) -> ModelBridge:
    return bridge_of_models(old, new, channels)


def _shipped(fingerprint: str) -> str | None:
    """The name of the shipped model that a run learned from, which need not be that for its kind of signal."""
    return next((entry.name for entry in shipped_models() if entry.fingerprint.hex() == fingerprint), None)


def _stored_latent(path: Path | str, codecs: Sequence[Lcn], channels: int) -> Latent | None:
    """That of an .lcn file, of its head alone, by the first codec that has its model; None for other files."""
    with Path(path).open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        for codec in codecs[:-1]:
            file.seek(0)
            with contextlib.suppress(UnknownModelError):
                return codec.unpack(file, channels=channels)
        file.seek(0)
        return codecs[-1].unpack(file, channels=channels)
