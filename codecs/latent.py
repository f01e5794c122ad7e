"""The latent of a signal: integers on a coarse grid, exactly as they are in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.arguments import (
    bytes_argument,
    choice_argument,
    positive_number_argument,
    settle_arguments,
    shown,
    typed_argument,
    whole_number_argument,
    whole_numbers_argument,
)
from laconic.codecs.errors import CodecError
from laconic.codecs.levels import UNLEVELLED, Levels
from laconic.codecs.media import metadata_of_media
from laconic.codecs.models.latent_turn import LatentTurn
from laconic.codecs.models.low_levels import LOW_STEP, LowSynthesis
from laconic.codecs.models.tuned_steps import TunedSteps
from laconic.codecs.models.turned_colors import TurnedColors
from laconic.codecs.packing.noise_levels import NoiseLevels
from laconic.codecs.packing.place_weights import PlaceWeights
from laconic.codecs.sound_metadata import SECTION_NAME
from laconic.codecs.steps import check_step_code, step_of_code
from laconic.entropy.container import SAMPLE_TYPES

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, UInt


@dataclass(frozen=True, eq=False)
class Latent:
    """`values`: (d, h, w) int32, channel 0 the most important; of a sound or a one-dimensional cube (d, rows, t).

    `size`: (height, width) of a picture, (channels, samples) of a sound, all sides of a cube; `sample_type` is what its
    samples are ("uint8", ...). `fingerprint` names the model, `unit` is its unit of steps, `shrink` its (d, 3)
    reconstruction rule at this step. `sample_rate` in Hz is that of a sound, 0 of others. `levels` of a sound or cube: its
    integers are in steps of these. `alpha` is the lossless alpha plane, (height, width), or None. `metadata` are the bytes
    of a picture's "icc" and "exif", of a sound's "sound" (`SoundMetadata.to_bytes`). `bit_depth` is that of a picture's
    colours, 0 for all bits of its samples. `damage` says what could not be read, where that was allowed; the integers there
    are 0. `low` undoes the further levels of the lowest channels, None for a model that has none; with them, the integers
    of these channels are no picture of places: crop what `dequantize` gives, not `values`. `turn`: of a model that codes in
    other axes than those of its latents, which `dequantize` gives; then `values` are the channels as they are coded, all
    that the first `wanted` channels of the axes are made of.
    `colors` turns the colours of a picture that has its own back to the model's, None for others. `tuned`: how steps differ
    between channels and places, None where they do not; `places` weighs these by where they are in the whole picture, None
    where the file does not; steps of the places for which `unmapped`, (h, w), is true differ by `places` alone, since what
    says more is damaged there. `noise`: how loud the bands of a sound are, by which steps differ, and of which
    synthesis knows how much noise to put where integers are 0; None for files that do not say it. What is dequantised has
    no noise. `packed_model`: of a file that embeds its model, which `pack` embeds again.
    Raises `CodecError` for other types and shapes.
    """

    values: Int[NDArray[np.int32], "d h w"]
    step_code: int
    fingerprint: bytes
    shrink: Float[NDArray[np.float32], "d 3"]
    size: tuple[int, ...]
    sample_type: str = "uint8"
    unit: float = 1.0
    sample_rate: int = 0
    levels: Levels = UNLEVELLED
    alpha: UInt[NDArray[Any], "height width"] | None = None
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    bit_depth: int = 0
    damage: tuple[str, ...] = ()
    low: LowSynthesis | None = None
    turn: LatentTurn | None = None
    wanted: int | None = None
    colors: TurnedColors | None = None
    tuned: TunedSteps | None = None
    unmapped: Bool[NDArray[np.bool_], "h w"] | None = None
    places: PlaceWeights | None = None
    noise: NoiseLevels | None = None
    packed_model: bytes | None = None

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            values=_array("values", self.values, np.int32, 3),
            step_code=check_step_code(self.step_code),
            fingerprint=bytes_argument("fingerprint", self.fingerprint),
            shrink=_array("shrink", self.shrink, np.float32, 2),
            size=whole_numbers_argument("size", self.size),
            sample_type=choice_argument("sample_type", self.sample_type, SAMPLE_TYPES),
            unit=positive_number_argument("unit", self.unit),
            sample_rate=whole_number_argument("sample_rate", self.sample_rate, 0),
            levels=typed_argument("levels", self.levels, Levels, "a Levels"),
            low=typed_argument("low", self.low, (LowSynthesis, type(None)), "a LowSynthesis or None"),
            turn=typed_argument("turn", self.turn, (LatentTurn, type(None)), "a LatentTurn or None"),
            wanted=None if self.wanted is None else whole_number_argument("wanted", self.wanted, 1, len(self.values)),
            colors=typed_argument("colors", self.colors, (TurnedColors, type(None)), "a TurnedColors or None"),
            tuned=typed_argument("tuned", self.tuned, (TunedSteps, type(None)), "a TunedSteps or None"),
            unmapped=None if self.unmapped is None else _array("unmapped", self.unmapped, np.bool_, 2),
            places=typed_argument("places", self.places, (PlaceWeights, type(None)), "a PlaceWeights or None"),
            noise=typed_argument("noise", self.noise, (NoiseLevels, type(None)), "a NoiseLevels or None"),
            metadata=metadata_of_media(self.metadata, ("icc", "exif", SECTION_NAME)),
            bit_depth=whole_number_argument("bit_depth", self.bit_depth, 0, 16),
            packed_model=None if self.packed_model is None else bytes_argument("packed_model", self.packed_model),
        )
        if self.shrink.shape != (len(self.values), 3):
            raise CodecError(f"shrink has shape {self.shrink.shape}; needed is ({len(self.values)}, 3)")
        if self.alpha is not None:
            alpha = typed_argument("alpha", self.alpha, np.ndarray, "an array or None")
            if alpha.ndim != 2 or alpha.dtype.kind != "u":
                raise CodecError(
                    f"alpha is {shown(alpha)}; needed is a plane (height, width) of uint8 or uint16, or None"
                )

    @property
    def num_channels(self) -> int:
        """Of what `dequantize` gives."""
        return len(self.values) if self.wanted is None else self.wanted

    @property
    def step(self) -> float:
        """Quantiser step, of a sound or cube in units of its level; of a tuned picture, that of its file."""
        return float(step_of_code(self.step_code)) * self.unit

    @property
    def steps(self) -> Float[NDArray[np.float32], " d"]:
        """(d,): of each channel, before what differs from place to place."""
        if self.tuned is None:
            return np.full(len(self.values), self.step, np.float32)
        return self.tuned.steps(self.step_code)[: len(self.values)] * np.float32(self.unit)

    @property
    def exponents(self) -> Int[NDArray[np.int8], "h w"] | None:
        """(h, w): by how many sixteenths of an octave the steps of a place are finer, from channel `tuned.first_mapped` on;
        None where all places are alike."""
        found = None if self.tuned is None else self.tuned.exponents(self.values, self.step_code)
        if found is not None and self.unmapped is not None:
            found[self.unmapped] = 0
        return found if found is None or self.places is None else self.places.added(found, (0, 0))

    def points(self) -> Float[NDArray[np.float32], "d h w"]:
        """(d, h, w) float32, what the integers stand for, of a sound or cube in units of its level, in the axes that they
        are coded in; the lowest channels of a picture with low levels are synthesised from them, and turned colours are
        turned back to the model's. For that, channels that are missing count as 0; the first 3, 12 and 48 of model
        "rgb_best" need no others."""
        d = len(self.values)
        out = np.empty(self.values.shape, np.float32)
        values = np.ascontiguousarray(self.values).reshape(d, -1)
        _native.dequantize(values, out.reshape(d, -1), self.steps, np.ascontiguousarray(self.shrink))
        if self.tuned is not None and (exponents := self.exponents) is not None:
            self.tuned.unscale_mapped(out, exponents)
        if self.noise is not None:
            self.noise.scale(out)
        if self.low is not None:
            planes = self.values[: self.low.num_planes]
            out[: len(planes)] = self.low.values(planes, self.step) * LOW_STEP
        return out if self.colors is None else self.colors.to_model(out)

    def dequantize(self) -> Float[NDArray[np.float32], "d h w"]:
        """(d, h, w) float32 in signal units (full scale = 1), so that latents of different quality, level and profile mix
        in one batch. Where channels that are coded together, or planes of a cube, have levels of their own, in those of the
        loudest."""
        if self.turn is not None:
            return self.turn.applied(self.points(), self.num_channels)
        if self.levels == UNLEVELLED:
            return self.points()[: self.num_channels]
        return self.points() * self.levels.gains(self.values.shape[1] if self.sample_rate else 1)[:, None]

    @property
    def _tuning_code(self) -> int:
        return 0 if self.tuned is None else self.tuned.code

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Latent):
            return NotImplemented
        same_alpha = (self.alpha is None) == (other.alpha is None) and (
            self.alpha is None or np.array_equal(self.alpha, other.alpha)  # type: ignore[arg-type]
        )
        return (
            np.array_equal(self.values, other.values)
            and (self.step_code, self.fingerprint, self.size, self.sample_type, self.sample_rate)
            == (other.step_code, other.fingerprint, other.size, other.sample_type, other.sample_rate)
            and (self.levels, self.bit_depth, self.colors) == (other.levels, other.bit_depth, other.colors)
            and self.noise == other.noise
            and (self._tuning_code, self.places) == (other._tuning_code, other.places)
            and dict(self.metadata) == dict(other.metadata)
            and same_alpha
        )


def _array(name: str, array: NDArray[Any], dtype: type[np.generic], num_axes: int) -> NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != num_axes:
        raise CodecError(f"{name} is {shown(array)}; needed is an array of {dtype.__name__} with {num_axes} axes")
    return array
