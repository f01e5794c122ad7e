"""Latents changed at random as their signals would be: windows, mirroring, scale, colours, gain, masks, mixing.

Everything is drawn from a seed, an epoch and the place of an item in the epoch's order, so that batches do not depend
on threads, processes or where a run was interrupted. Native code does it while it decodes
(`codecs.packing.latent_batch`).

What is exact: windows, shifts and mirroring are those of the signal but at its edges (9/7 filters reach 4 values of
each level further), where it is mirrored about a sample and not between two. The latent at half the scale is that of
the linearly reduced signal. Colours are exact before pixels are rounded and clipped to their range, which is not
modelled.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from laconic.codecs.arguments import (
    real_number_argument,
    settle_arguments,
    whole_number_argument,
    whole_numbers_argument,
)
from laconic.codecs.errors import CodecError

_FARTHEST: Final = 1 << 16  # places
_MOST_MASKS: Final = 10
_OF_PICTURES: Final = ("flip", "half", "brightness", "saturation", "hue")
OF_BANDS: Final = ("flip", "half", "brightness", "saturation", "hue", "channel_swap")
_OF_SOUNDS: Final = ("gain_db", "channel_swap", "frequency_masks")
_HIGHEST: Final = {
    **dict.fromkeys(("flip", "half", "erase", "brightness", "contrast", "saturation", "channel_swap"), 1.0),
    "hue": 0.5,
    **dict.fromkeys(("gain_db", "mixup", "cutmix"), 100.0),
}


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a latent in training; 0 and None leave it out.

    `crop`: a window of so many places (rows, columns), or both, at random; of the whole latent where it is None.
    `shift`: by up to so many places each way, 0 where nothing comes in; of sounds, in time. `flip`: how often mirrored
    left to right. `half`: how often at half the scale, which a crop needs. `erase`: how often a box of 2 to 33 % of the
    places is 0. `brightness`: up to so much is added, full scale is 1. `contrast`, `saturation`: times 1 - c to 1 + c,
    contrast about mid-grey. `hue`: turned by up to so much of the circle, .5 at most. Of sounds: `gain_db` up or down;
    `channel_swap`, how often left and right change places; `frequency_masks`, so many times up to an eighth of the
    channels are 0. `mixup`, `cutmix`: the parameter of a beta distribution of how much of a latent is another of its
    batch, of all places or of a box; half of the batches each where both are given. Raises `CodecError` for values
    outside.

    >>> Augmentation(crop=24, flip=0.5, saturation=0.4).crop
    (24, 24)
    """

    crop: tuple[int, int] | None = None
    shift: int = 0
    flip: float = 0
    half: float = 0
    erase: float = 0
    brightness: float = 0
    contrast: float = 0
    saturation: float = 0
    hue: float = 0
    gain_db: float = 0
    channel_swap: float = 0
    frequency_masks: int = 0
    mixup: float = 0
    cutmix: float = 0

    def __post_init__(self) -> None:
        if self.crop is not None:
            sides = (self.crop, self.crop) if isinstance(self.crop, int) else self.crop
            crop = whole_numbers_argument("crop", sides)
            if len(crop) != 2 or min(crop) < 1:
                raise CodecError(
                    f"crop is {self.crop!r}; allowed are rows and columns of 1 and more, or one number for both"
                )
            settle_arguments(self, crop=tuple(crop))
        for name, highest in _HIGHEST.items():
            settle_arguments(self, **{name: real_number_argument(name, getattr(self, name), lowest=0, highest=highest)})
        settle_arguments(
            self,
            shift=whole_number_argument("shift", self.shift, 0, _FARTHEST),
            frequency_masks=whole_number_argument("frequency_masks", self.frequency_masks, 0, _MOST_MASKS),
        )
        if self.half and self.crop is None:
            raise CodecError("half needs a crop, as latents at half the scale have half as many places; pass crop")

    @property
    def needs_bands(self) -> bool:
        """Whether bands, places and colours must be told apart."""
        return any((self.flip, self.half, self.has_colors))

    @property
    def mixes(self) -> bool:
        """Whether latents of a batch are mixed, and their labels with them."""
        return bool(self.mixup or self.cutmix)

    @property
    def has_colors(self) -> bool:
        return any((self.brightness, self.saturation, self.hue))

    def check_kind(self, kind: str) -> None:
        """Raises `CodecError` for what signals of a kind do not have."""
        foreign = _OF_SOUNDS if kind == "image" else _OF_PICTURES
        if named := [name for name in foreign if getattr(self, name)]:
            raise CodecError(
                f"{', '.join(named)} given for latents of kind {kind}; allowed for these is {_allowed(foreign)}"
            )


def parse_augmentation(text: str) -> Augmentation | None:
    """As the command line takes it. Raises `CodecError`.

    >>> parse_augmentation("crop=24x20,flip=0.5") == Augmentation(crop=(24, 20), flip=0.5), parse_augmentation("none")
    (True, None)
    """
    if text == "none":
        return None
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name in found or name not in Augmentation.__dataclass_fields__:
            raise CodecError(
                f"augment is {text!r}; allowed is none or NAME=VALUE,..., each name once, of "
                + ", ".join(Augmentation.__dataclass_fields__)
            )
        try:
            numbers = [float(piece) for piece in value.split("x")] if name == "crop" else [float(value)]
        except ValueError as err:
            raise CodecError(f"{name} is {value!r}; allowed is a number, of crop ROWSxCOLUMNS as well") from err
        whole = [int(number) if number.is_integer() else number for number in numbers]
        found[name] = tuple(whole) if len(whole) > 1 else whole[0]
    return Augmentation(**found)


def _allowed(foreign: tuple[str, ...]) -> str:
    return ", ".join(field.name for field in fields(Augmentation) if field.name not in foreign)
