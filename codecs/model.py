"""A model of the `Sandwich` codec: everything that is learned, in one safetensors file without code.

The file's text metadata carries the structure (JSON under "config"), the fingerprint, and the model card's lines. The
fingerprint, 4 bytes of a SHA-256 over all that decides bytes or pixels, stands in every .lcn file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import WeightsError
from laconic.codecs.wavelet import Tree
from laconic.entropy import BitstreamError, ContextModel, TableSet
from laconic.entropy.contexts import CONTEXT_ARRAYS

FINGERPRINT_BYTES = 4
NUM_SCALES = 96  # eighths of an octave of scale / step, the first at 2**-4
CODES_PER_SCALE = 2
_DIMENSIONS = {"image": (2,), "sound": (1,), "cube": (1, 2)}


@dataclass(frozen=True, eq=False)
class Model:
    """Transform, quantiser and contexts for signals of `num_planes` planes.

    `analysis`, `synthesis`: square float32 matrices, one for each block of channels, that turn packets into latent
    channels and back. `group_ends`: last channel + 1 of each group of a file. `rounding`: what is added to |y| / step
    before rounding down. `scale_codes`: (d,) int16, scale of each channel's values, in the unit of channel codes.
    `shrink`: (96, 3) float32, by scale and |q| = 1, 2, 3 or more, what reconstruction takes off |q|.
    `offsets`: (planes,) float32, taken off the signal. `unit`: steps are in this unit, a power of two. Raises
    `WeightsError` where the parts do not fit together.
    """

    name: str
    num_planes: int
    tree: Tree
    analysis: tuple[NDArray[np.float32], ...]
    synthesis: tuple[NDArray[np.float32], ...]
    group_ends: tuple[int, ...]
    rounding: float
    scale_codes: NDArray[np.int16]
    shrink: NDArray[np.float32]
    contexts: ContextModel
    offsets: NDArray[np.float32]
    unit: float = 1.0
    kind: Literal["image", "sound", "cube"] = "image"
    card: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        d = self.contexts.num_channels
        blocks = sum(len(m) for m in self.analysis)
        expected = self.num_planes * self.tree.num_bands**self.tree.depth
        if d != expected or blocks != expected:
            raise WeightsError(f"model {self.name} has {d} channels in blocks of {blocks}; its tree makes {expected}")
        pairs = zip(self.analysis, self.synthesis, strict=True)
        if any(a.shape != (len(a), len(a)) or a.shape != s.shape for a, s in pairs):
            raise WeightsError(f"model {self.name} has analysis and synthesis blocks of different shape")
        if not self.group_ends or self.group_ends[-1] != d or any(a >= b for a, b in pairwise((0, *self.group_ends))):
            raise WeightsError(f"model {self.name} has groups {self.group_ends}; they must ascend to {d}")
        if not 0 < self.rounding <= 0.5:
            raise WeightsError(f"model {self.name} rounds by {self.rounding}; allowed is above 0 to 0.5")
        if self.shrink.shape != (NUM_SCALES, 3) or self.shrink.dtype != np.float32:
            raise WeightsError(f"model {self.name} has shrinkage of shape {self.shrink.shape}, not ({NUM_SCALES}, 3)")
        if self.tree.dimensions not in _DIMENSIONS.get(self.kind, ()):
            raise WeightsError(
                f"model {self.name} of kind {self.kind!r} has a tree of {self.tree.dimensions} dimensions"
            )
        if self.offsets.shape != (self.num_planes,) or self.offsets.dtype != np.float32:
            raise WeightsError(f"model {self.name} has offsets of shape {self.offsets.shape}, not (planes,)")
        if self.scale_codes.shape != (d,) or self.scale_codes.dtype != np.int16:
            raise WeightsError(f"model {self.name} has scale codes of shape {self.scale_codes.shape}, not ({d},)")

    @property
    def num_channels(self) -> int:
        return self.contexts.num_channels

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """Channel bounds of each block of the projection."""
        ends = np.cumsum([0, *(len(m) for m in self.analysis)]).tolist()
        return tuple(pairwise(ends))

    @cached_property
    def fingerprint(self) -> bytes:
        """4 bytes that change with anything that changes encoded bytes or decoded pixels."""
        sha = hashlib.sha256(json.dumps(_config(self), sort_keys=True).encode())
        for array in (*self.analysis, *self.synthesis, self.shrink, self.offsets):
            sha.update(np.ascontiguousarray(array, "<f4").tobytes())
        sha.update(self.scale_codes.astype("<i2").tobytes())
        sha.update(self.contexts.digest)
        return sha.digest()[:FINGERPRINT_BYTES]

    def shrink_of(self, step_code: int, num_channels: int) -> NDArray[np.float32]:
        """(num_channels, 3): what reconstruction takes off |q| = 1, 2, 3 or more at this step."""
        scales = (self.scale_codes[:num_channels].astype(np.int64) - step_code) // CODES_PER_SCALE
        return self.shrink[np.clip(scales, 0, NUM_SCALES - 1)]

    def save(self, path: Path | str) -> None:
        """Write a safetensors file."""
        from safetensors.numpy import save_file

        contexts = self.contexts
        arrays: dict[str, NDArray[np.generic]] = {
            "offsets": self.offsets,
            "scale_codes": self.scale_codes,
            "shrink": self.shrink,
            "tables": np.frombuffer(contexts.tables.to_bytes(), np.uint8),
            "static_tables": np.frombuffer(contexts.static_tables.to_bytes(), np.uint8),
            **contexts.arrays,
        }
        for i, (a, s) in enumerate(zip(self.analysis, self.synthesis, strict=True)):
            arrays |= {f"analysis.{i}": np.ascontiguousarray(a), f"synthesis.{i}": np.ascontiguousarray(s)}
        metadata = {"config": json.dumps(_config(self), sort_keys=True), "fingerprint": self.fingerprint.hex()}
        save_file(arrays, path, metadata={**self.card, **metadata, "name": self.name})

    @classmethod
    def load(cls, path: Path | str) -> Model:
        """Read what `save` wrote. Raises `WeightsError` for a damaged or unfitting file."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                metadata = dict(file.metadata() or {})
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            model = _from_parts(arrays, metadata)
        except FileNotFoundError as err:
            raise WeightsError(f"model file {path} does not exist") from err
        except (SafetensorError, BitstreamError, KeyError, ValueError, TypeError, RecursionError, OSError) as err:
            raise WeightsError(f"model file {path} is not a laconic model: {err}") from err
        if model.fingerprint.hex() != metadata.get("fingerprint"):
            raise WeightsError(f"model file {path} does not match its fingerprint; copy it again")
        return model


def _config(model: Model) -> dict[str, object]:
    """The structure as JSON; part of the fingerprint, so the name is not in it."""
    return {
        "kind": model.kind,
        "unit": model.unit,
        "num_planes": model.num_planes,
        "dimensions": model.tree.dimensions,
        "depth": model.tree.depth,
        "splits": sorted(list(path) for path in model.tree.splits),
        "group_ends": list(model.group_ends),
        "pass_ends": list(model.contexts.pass_ends),
        "num_predicted": model.contexts.num_predicted,
        "rounding": model.rounding,
    }


def _from_parts(arrays: Mapping[str, NDArray[np.generic]], metadata: dict[str, str]) -> Model:
    config = json.loads(metadata["config"])
    blocks = range(sum(1 for key in arrays if key.startswith("analysis.")))
    contexts = ContextModel(
        tables=TableSet.from_bytes(arrays["tables"].tobytes()),
        static_tables=TableSet.from_bytes(arrays["static_tables"].tobytes()),
        pass_ends=tuple(config["pass_ends"]),
        num_predicted=config["num_predicted"],
        # ContextModel checks the dtypes.
        **{name: arrays[name] for name in CONTEXT_ARRAYS},  # type: ignore[arg-type]
    )
    return Model(
        name=metadata["name"],
        num_planes=config["num_planes"],
        tree=Tree(config["dimensions"], config["depth"], frozenset(tuple(path) for path in config["splits"])),
        analysis=tuple(arrays[f"analysis.{i}"].astype(np.float32) for i in blocks),
        synthesis=tuple(arrays[f"synthesis.{i}"].astype(np.float32) for i in blocks),
        group_ends=tuple(config["group_ends"]),
        rounding=config["rounding"],
        scale_codes=arrays["scale_codes"].astype(np.int16),
        shrink=arrays["shrink"].astype(np.float32),
        contexts=contexts,
        offsets=arrays["offsets"].astype(np.float32),
        unit=config["unit"],
        kind=config["kind"],
        card={k: v for k, v in metadata.items() if k not in ("config", "fingerprint", "name")},
    )
