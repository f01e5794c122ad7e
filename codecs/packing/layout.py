"""How a latent is cut into tiles and channel groups (SPEC.md, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from laconic.codecs.arguments import choice_argument, optional_choice_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.models.model import Model
from laconic.entropy.container import Profile
from laconic.entropy.rans import LANES

if TYPE_CHECKING:
    from jaxtyping import Shaped

UNTILED_SIDE = 128  # grids up to this side, in latent places, are one tile
PICTURE_TILE_LOG2 = 6
_SOUND_TILE_LOG2 = 15  # samples
_LEAST_LOG2 = 3
CHUNK_VALUES = 1 << 24  # of a latent that are worked on at a time, unless one row of tiles has more
_PROFILES = {"fast": Profile.FAST, "small": Profile.SMALL, "best": Profile.BEST}


@dataclass(frozen=True)
class Layout:
    """How a latent is cut into segments and coded: profile "fast" by static tables, "small" by contexts,
    "best" by networks.

    None: pictures and cubes go by channel groups, in one tile where they are small, else in tiles of 64x64 places;
    sounds go by time, 128 places a tile, all channels in one group.
    """

    grouping: Literal["channels", "whole"] | None = None
    progression: Literal["group", "tile"] | None = None
    tile_log2: int | None = None
    profile: Literal["fast", "small", "best"] = "small"
    lanes: int | None = None

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            grouping=optional_choice_argument("grouping", self.grouping, ("channels", "whole")),
            progression=optional_choice_argument("progression", self.progression, ("group", "tile")),
            tile_log2=None
            if self.tile_log2 is None
            else whole_number_argument("tile_log2", self.tile_log2, _LEAST_LOG2, 16),
            profile=choice_argument("profile", self.profile, tuple(_PROFILES)),
            lanes=optional_choice_argument("lanes", self.lanes, LANES),
        )

    @property
    def file_profile(self) -> Profile:
        return _PROFILES[self.profile]

    def resolved(self, model: Model, grid: tuple[int, int]) -> Layout:
        """The same with every None replaced by the choice for signals of this model, but for `tile_log2` of one tile.
        Raises `CodecError` for a profile it does not code in."""
        if self.file_profile is Profile.BEST and model.networks is None:
            raise CodecError(
                f"profile is best; allowed with model {model.name}, which has no networks, is fast and small"
            )
        is_sound = model.kind == "sound"
        tile_log2 = self.tile_log2
        if tile_log2 is None and max(grid) > UNTILED_SIDE:
            of_sound = max(_SOUND_TILE_LOG2 - model.tree.depth, _LEAST_LOG2)
            tile_log2 = of_sound if is_sound else PICTURE_TILE_LOG2
        return Layout(
            grouping=self.grouping or ("whole" if is_sound else "channels"),
            progression=self.progression or ("tile" if is_sound else "group"),
            tile_log2=tile_log2,
            profile=self.profile,
            lanes=self.lanes,
        )


@dataclass(frozen=True)
class LayoutTile:
    """Bounds in latent places."""

    top: int
    left: int
    bottom: int
    right: int

    def cut(self, planes: Shaped[NDArray[Any], "*c h w"]) -> Shaped[NDArray[Any], "*c _ _"]:
        return planes[..., self.top : self.bottom, self.left : self.right]

    def moved(self, down: int, right: int) -> LayoutTile:
        return LayoutTile(self.top + down, self.left + right, self.bottom + down, self.right + right)

    def within(self, other: LayoutTile) -> LayoutTile:
        """What both have."""
        return LayoutTile(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )

    def meets(self, other: LayoutTile) -> bool:
        """Whether there is any place that both have."""
        both = self.within(other)
        return both.top < both.bottom and both.left < both.right

    def pixels(self, factor: int, size: tuple[int, ...]) -> LayoutTile:
        """The same bounds in pixels of a picture of this size."""
        return LayoutTile(
            self.top * factor, self.left * factor, min(self.bottom * factor, size[0]), min(self.right * factor, size[1])
        )


def tiles_of(height: int, width: int, tile_log2: int | None) -> list[LayoutTile]:
    """Tiles of a latent grid in raster order."""
    if tile_log2 is None:
        return [LayoutTile(0, 0, height, width)]
    side = 1 << tile_log2
    return [
        LayoutTile(y, x, min(y + side, height), min(x + side, width))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def layout_channels(model: Model, num_channels: int, profile: Profile) -> int:
    """How many channels a file stores that is to have the first `num_channels`: in profile best, whole subbands; with
    low levels, all that have these."""
    if profile is Profile.BEST and model.networks is not None:
        return model.networks.rounded_up(num_channels)
    return max(num_channels, model.num_planes) if model.low_levels else num_channels


def layout_group_bounds(model: Model, num_channels: int, *, whole: bool) -> tuple[int, ...]:
    """(0, ..., num_channels): bounds of the channel groups of a file with so many channels."""
    return (0, *(e for e in model.group_ends if e < num_channels and not whole), num_channels)
