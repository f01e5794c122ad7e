"""The card of a model file: model.json beside model.onnx says how signals become its input, and whose scores come out."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    choice_argument,
    items_of_argument,
    positive_number_argument,
    real_number_argument,
    settle_arguments,
    text_argument,
    whole_number_argument,
)
from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.media import Audio, Image
from laconic.tasks.mpq.pictures import centre_square, resized
from laconic.tasks.mpq.sounds import mono_at

if TYPE_CHECKING:
    from jaxtyping import Float

_LAYOUTS = ("chw", "hwc")


@dataclass(frozen=True)
class ModelCard:
    """Each field may be left out of the file, but `size` of a model of pictures and `sample_rate_hz` of one of sounds.

    Pictures: the shorter side is resized to `resize` pixels (`size` if not given), the centre of `size` x `size` cut out,
    RGB of 0 to 1 less `mean`, divided by `std` (a number each, or three), in the order of `layout`, "chw" or "hwc" (if not
    given, "hwc" for TensorFlow Lite, else "chw"). Sounds: one channel at `sample_rate_hz`, -1 to 1, cut or filled with
    silence to `seconds`. `classes`: names of the outputs; the class folders of the data, sorted, if not given. `folder`:
    the class folder below the folder of the data. Raises `CodecError` for values outside.
    """

    size: int | None = None
    resize: int | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: str | None = None
    sample_rate_hz: int | None = None
    seconds: float | None = None
    classes: tuple[str, ...] | None = None
    folder: str = "."

    def __post_init__(self) -> None:
        for name, highest in (("size", 1 << 14), ("resize", 1 << 14), ("sample_rate_hz", 768_000)):
            value = getattr(self, name)
            if value is not None:
                settle_arguments(self, **{name: whole_number_argument(name, value, 1, highest)})
        if self.size is not None and self.resize is not None and self.resize < self.size:
            raise CodecError(f"resize is {self.resize}; allowed is size, {self.size}, or more")
        settle_arguments(self, mean=_numbers("mean", self.mean, -1e6), std=_numbers("std", self.std, 1e-6))
        if self.layout is not None:
            settle_arguments(self, layout=choice_argument("layout", self.layout, _LAYOUTS))
        if self.seconds is not None:
            settle_arguments(self, seconds=positive_number_argument("seconds", self.seconds, highest=86_400))
        if self.classes is not None:
            names = (text_argument("a class", name) for name in items_of_argument("classes", self.classes))
            settle_arguments(self, classes=tuple(names))
        settle_arguments(self, folder=text_argument("folder", self.folder))

    def inputs(self, signal: Image | Audio, *, layout: str) -> Float[NDArray[np.float32], " ..."]:
        """What the model takes, without the batch axis. `layout` where the card names none. Raises `CodecError`."""
        if isinstance(signal, Audio):
            return self._of_sound(signal)
        if self.size is None:
            raise CodecError("the model's card lacks size, the side of the pictures that it takes; add it")
        square = centre_square(signal, self.size / (self.resize or self.size))
        pixels = resized(square, (self.size, self.size)) / 255
        normal = np.asarray((pixels - np.array(self.mean)) / np.array(self.std), np.float32)
        return normal.transpose(2, 0, 1) if (self.layout or layout) == "chw" else normal

    def _of_sound(self, signal: Audio) -> NDArray[np.float32]:
        if self.sample_rate_hz is None:
            raise CodecError("the model's card lacks sample_rate_hz, the rate of the sounds that it takes; add it")
        samples = mono_at(signal, self.sample_rate_hz)
        if self.seconds is None:
            return samples
        length = round(self.seconds * self.sample_rate_hz)
        return np.pad(samples[:length], (0, max(0, length - len(samples))))


def read_model_card(path: Path) -> ModelCard:
    """The card in a JSON file. Raises `CodecError` for one that is none, naming its file, and for one that is absent."""
    allowed = [field.name for field in fields(ModelCard)]
    try:
        content: Any = json.loads(path.read_bytes())
    except FileNotFoundError as err:
        raise CodecError(
            f"{path} is absent; it says how the model is fed: an object with {', '.join(allowed)}"
        ) from err
    except (OSError, ValueError) as err:
        raise CodecError(f"{path} cannot be read as JSON: {sentence_of_error(err)}") from err
    if not isinstance(content, dict) or set(content) - set(allowed):
        found = sorted(set(content) - set(allowed)) if isinstance(content, dict) else type(content).__name__
        raise CodecError(f"{path} holds {found}; allowed is an object with {', '.join(allowed)}")
    try:
        return ModelCard(**content)
    except CodecError as err:
        raise CodecError(f"{path}: {sentence_of_error(err)}") from err


def _numbers(name: str, value: Any, lowest: float) -> tuple[float, ...]:
    """One or three."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if len(values) not in (1, 3):
        raise CodecError(f"{name} has {len(values)} numbers; allowed are one, or three of red, green and blue")
    return tuple(real_number_argument(name, one, lowest=lowest) for one in values)
