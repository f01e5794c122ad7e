"""What a file says of a signal beside its integers: kind, size, sample type; and whether a model takes such a signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, assert_never

from laconic.codecs.arguments import optional_choice_argument
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.levels import UNLEVELLED, Levels
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.models.model import Model

Kind = Literal["image", "sound", "cube"]
MediaKind = Literal["image", "sound"]  # what people look at or listen to


_KINDS: Final[tuple[Kind, ...]] = ("image", "sound", "cube")


def optional_form_kind(kind: object) -> Kind | None:
    """The kind that a caller named, or None. Raises `CodecError`."""
    return optional_choice_argument("kind", kind, _KINDS)


@dataclass(frozen=True)
class Form:
    """What a file says of a signal beside its integers. `bit_depth` is that of a picture, 0 for all bits of its samples."""

    kind: Kind
    size: tuple[int, ...]
    sample_type: str
    sample_rate: int
    levels: Levels = UNLEVELLED
    bit_depth: int = 0

    @property
    def peak(self) -> int:
        """The largest colour of a picture."""
        return peak_of_form(self.sample_type, self.bit_depth)


def form_of(signal: Signal) -> Form:
    """Kind, size and sample type of a signal, alpha left out."""
    match signal:
        case Image():
            sample_type = "uint16" if signal.is_deep else "uint8"
            return Form("image", (signal.height, signal.width), sample_type, 0, bit_depth=signal.bit_depth)
        case Audio():
            return Form("sound", signal.samples.shape, "float32", signal.sample_rate)
        case Cube():
            return Form("cube", signal.samples.shape, str(signal.samples.dtype), 0)
        case _:
            assert_never(signal)


def peak_of_form(sample_type: str, bit_depth: int) -> int:
    """The largest colour of a picture of so many bits; 0 for all bits of the sample type, "uint8" or "uint16"."""
    return (1 << (bit_depth or (8 if sample_type == "uint8" else 16))) - 1


def num_colors(image: Image) -> int:
    """Colour planes without alpha: 1 or 3."""
    return int(image.samples.shape[2]) - has_alpha(image)


def has_alpha(image: Image) -> bool:
    return image.samples.shape[2] in (2, 4)


def grid_of_form(form: Form, model: Model) -> tuple[int, int]:
    """Sides of the latent grid."""
    tree = model.tree
    if form.kind == "image":
        return tree.places_of(form.size[0]), tree.places_of(form.size[1])
    if tree.dimensions == 1:
        return form.size[0] // model.num_planes, tree.places_of(form.size[1])
    return tree.places_of(form.size[1]), tree.places_of(form.size[2])


def misfit_of_form(form: Form, model: Model) -> str | None:
    """Why a model cannot take a signal of this form, or None where it can; colour planes are not looked at."""
    if form.kind != model.kind:
        return f"it is for signals of kind {model.kind}, this is one of kind {form.kind}"
    if form.kind == "sound" and form.size[0] % model.num_planes:
        return f"it takes multiples of {model.num_planes} channels, the sound has {form.size[0]}"
    if form.kind == "cube" and (form.size[0] != model.num_planes or len(form.size) != model.tree.dimensions + 1):
        sides = "(c, h, w)" if model.tree.dimensions == 2 else "(c, t)"
        return f"it takes {sides} with c = {model.num_planes}, the cube is {form.size}"
    return None


def check_form_fits(form: Form, num_planes: int, model: Model) -> None:
    """Raises `UnsupportedSignalError` where a model cannot take a signal of this form and so many colour planes."""
    reason = misfit_of_form(form, model)
    if reason is None and num_planes != model.num_planes:
        reason = f"it takes {model.num_planes} colour planes, the picture has {num_planes}"
    if reason:
        raise UnsupportedSignalError(f"model {model.name} does not fit: {reason}; choose another or convert the signal")
