"""Random models of subbands for the tests of profile best, and the subbands of channels found without the native core;
and which pictures a shipped model of this profile is for."""

from dataclasses import dataclass

import numpy as np

from laconic.codecs.models.zoo import shipped_models
from laconic.entropy.fitting.subband_inputs import SubbandPyramid
from laconic.entropy.subbands import ContextNetwork, SubbandModel
from laconic.entropy.tables import TableSet, table_of_counts

# Channels of a picture, alpha included, for which a model is shipped.
BEST_CHANNELS = tuple(
    c for c in (1, 2, 3, 4) if ("rgb_best" if c > 2 else "grey_best") in [entry.name for entry in shipped_models()]
)
NUM_TABLES = 251  # a prime, so that outputs that differ seldom have one table


@dataclass(frozen=True)
class Layout:
    """Which subbands channels hold: `colors`, `depth` levels of their own, `low_levels` further ones in the first."""

    colors: int
    depth: int
    low_levels: int

    @property
    def num_levels(self) -> int:
        return self.depth + self.low_levels

    @property
    def num_channels(self) -> int:
        return self.colors << (2 * self.depth)

    def kinds(self, level: int) -> int:
        return self.colors if level == 0 else 3 * self.colors


def laplace_tables(count: int = NUM_TABLES) -> TableSet:
    """Scales from an eighth to 8, a third of them to either side."""
    values, tables = np.arange(-20, 21), []
    for i in range(count):
        scale = 2.0 ** (-3 + 6 * i / count)
        tables.append(table_of_counts(values, np.exp(-np.abs(values - (i % 3) * 0.3 * scale) / scale)))
    return TableSet(tuple(tables))


TABLES = laplace_tables()


def random_network(rng: np.random.Generator, width: int, kinds: int) -> ContextNetwork:
    """Whose outputs reach all that they choose among."""

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-127, 128, shape).astype(np.int8)

    def biases(*shape: int, most: int = 20000) -> np.ndarray:
        return rng.integers(-most, most, shape).astype(np.int32)

    return ContextNetwork(
        first=weights(width, 40),
        second=weights(width, width),
        third=weights(3, width),
        first_bias=biases(kinds, width),
        second_bias=biases(width),
        third_bias=biases(kinds, 3),
        first_step=biases(width, most=200),
        third_step=biases(3, most=200),
        shifts=np.array([8, 9, int(rng.integers(10, 14))], np.uint8),
    )


def model_of(layout: Layout, networks: list[ContextNetwork], seed: int = 0, **changes: np.ndarray) -> SubbandModel:
    rng = np.random.default_rng(seed)
    maps = {
        "table_map": (np.arange(576) % NUM_TABLES).reshape(48, 4, 3).astype(np.uint8)[None].repeat(len(networks), 0),
        "quiet_tables": rng.integers(0, NUM_TABLES, (len(networks), 3 * layout.colors, 32)).astype(np.uint8),
        "later_costs": np.zeros((NUM_TABLES, 4, 3), np.int32),
    }
    return SubbandModel(
        layout.colors,
        layout.depth,
        layout.low_levels,
        tuple(networks),
        tables=TABLES,
        **{**maps, **changes},
    )


def random_model(layout: Layout, seed: int = 0, widths: tuple[int, ...] = (16, 32, 48, 128)) -> SubbandModel:
    rng = np.random.default_rng(seed)
    levels = range(layout.num_levels + 1)
    networks = [random_network(rng, widths[int(rng.integers(len(widths)))], layout.kinds(level)) for level in levels]
    return model_of(layout, networks, seed)


def random_planes(layout: Layout, shape: tuple[int, int], seed: int = 0, *, is_extreme: bool = False) -> np.ndarray:
    """Channels that are partly 0, with a low band that is not and some values far out."""
    rng = np.random.default_rng(seed)
    planes = rng.laplace(0, 1.5, (layout.num_channels, *shape)) * rng.integers(0, 2, (layout.num_channels, 1, 1))
    planes = np.rint(planes * rng.integers(0, 3, (1, *shape))).astype(np.int32)
    planes[: layout.colors] += rng.integers(-300, 300, (layout.colors, *shape)).astype(np.int32)
    flat = planes.reshape(-1)
    flat[rng.integers(0, flat.size, 1 + flat.size // 90)] = 5000
    if is_extreme:
        places = rng.random(planes.shape) < 0.3
        edges = [-(2**31), 2**31 - 1, -(2**31) + 1, 256, -255, 1 << 30]
        planes[places] = rng.choice(edges, int(places.sum()))
    return planes


def pyramid_of(planes: np.ndarray, layout: Layout) -> SubbandPyramid:
    """The subbands of channels (d, h, w)."""
    low, levels = planes[: layout.colors], {}
    h, w = planes.shape[1:]
    for level in range(1, layout.depth + 1):
        f = 1 << (layout.depth - level)
        first = layout.colors * f * f
        bands = (planes[first + k * f * f : first + (k + 1) * f * f] for k in range(3 * layout.colors))
        levels[level] = [b.reshape(f, f, h, w).transpose(2, 0, 3, 1).reshape(h * f, w * f) for b in bands]
    for level in range(layout.depth + 1, layout.num_levels + 1):
        levels[level] = [band for plane in low for band in (plane[1::2, ::2], plane[::2, 1::2], plane[1::2, 1::2])]
        low = low[:, ::2, ::2]
    whole = [[np.ascontiguousarray(band) for band in levels[level]] for level in sorted(levels)]
    return SubbandPyramid([np.ascontiguousarray(plane) for plane in low], whole)


def coding_order(shapes: list[tuple[int, int]]) -> list[list[tuple[int, int, int]]]:
    """The messages of a stage with subbands of these (h, w): the (subband, y, x) of each."""
    fronts: dict[int, list[tuple[int, int, int]]] = {}
    for p, (h, w) in enumerate(shapes):
        for y in range(h):
            for x in range(w):
                fronts.setdefault(x + 2 * y + 4 * p, []).append((p, y, x))
    return [fronts[f][at : at + 64] for f in sorted(fronts) for at in range(0, len(fronts[f]), 64)]
