""".lcn files in memory -> normalised latents, for pipelines that read files by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    Bytes,
    bytes_argument,
    items_of_argument,
    settle_arguments,
    text_argument,
    whole_number_argument,
)
from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.tasks.datasets.latent_scaling import Scaling
from laconic.tasks.datasets.latents import LatentDataset

if TYPE_CHECKING:
    from jaxtyping import Float

_MAX_CHANNELS = 1 << 16


@dataclass(frozen=True)
class LatentDecoder:
    """The first `channels` channels, times `scale`, plus `shift`, of each channel; None leaves signal units. `model`: the
    path of the model where it is not shipped. A value: equal ones decode alike, and it can be pickled.

    Raises `CodecError` for values outside; decoding raises what `Lcn.unpack` does.
    """

    channels: int = 12
    scale: tuple[float, ...] | None = None
    shift: tuple[float, ...] | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        channels = whole_number_argument("channels", self.channels, 1, _MAX_CHANNELS)
        settle_arguments(
            self,
            channels=channels,
            scale=_of_channels("scale", self.scale, channels),
            shift=_of_channels("shift", self.shift, channels),
            model=None if self.model is None else text_argument("model", self.model),
        )

    @classmethod
    def of_pack(
        cls, folder: Path | str, *, channels: int = 12, scaling: Scaling = "common", model: str | None = None
    ) -> LatentDecoder:
        """One that normalises as `LatentDataset` does, by the statistics of a packed folder. Raises as that does."""
        scale, shift = LatentDataset(folder, channels=channels, scaling=scaling, model=model).normalization
        return cls(channels, tuple(scale.ravel().tolist()), tuple(shift.ravel().tolist()), model)

    def array(self, data: Bytes) -> Float[NDArray[np.float32], "channels h w"]:
        """The latent of a file."""
        values: NDArray[np.float32] = self.arrays([bytes_argument("data", data)])[0]
        return values

    def arrays(self, files: Sequence[Bytes]) -> Float[NDArray[np.float32], "n channels h w"]:
        """The latents of some files, decoded together. Raises `CodecError` where their sizes differ."""
        values = self._codec.dequantize_batch(
            [bytes_argument("a file", file) for file in items_of_argument("files", files)], channels=self.channels
        )
        if self.scale is not None:
            values *= np.array(self.scale, np.float32)[:, None, None]
        if self.shift is not None:
            values += np.array(self.shift, np.float32)[:, None, None]
        return values

    @cached_property
    def _codec(self) -> Lcn:
        return Lcn(model=self.model)


def _of_channels(name: str, values: Sequence[float] | None, channels: int) -> tuple[float, ...] | None:
    if values is None:
        return None
    try:
        found = tuple(float(value) for value in items_of_argument(name, values))
    except (TypeError, ValueError, OverflowError) as err:
        raise CodecError(f"{name} holds what is no number; allowed are {channels} numbers") from err
    if len(found) != channels or not np.isfinite(found).all():
        raise CodecError(f"{name} has {len(found)} values; allowed are {channels} finite numbers, one of each channel")
    return found
