"""All tables of speech tokens in one safetensors file without code; the fingerprint is over all of them."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import path_argument, text_argument
from laconic.codecs.errors import UnknownModelError, WeightsError
from laconic.codecs.tokens.band_logs import NUM_BINS
from laconic.codecs.tokens.pitch_classes import LAGS, UNVOICED

if TYPE_CHECKING:
    from jaxtyping import Float, Int

USUAL_TOKEN_MODEL: Final = "speech"
REACH: Final = 2  # blocks to each side that say how loud the bands of one are
_FOLDER: Final = Path(__file__).parents[1] / "models" / "tokens"
_TYPES: Final = {"edges": np.int64, "lag_ends": np.int64, "books": np.int16, "weights": np.float32}
_LARGEST_WORD: Final = 1 << 13


@dataclass(frozen=True, eq=False)
class TokenModel:
    """`edges` of bands, in bins; where the lags of each class of pitch end; `books` of code words, one a stage, in the
    units of `band_logs`; `weights`, of decoding, after each stage: five blocks of decoded levels and a 1 -> levels.

    Raises `WeightsError` where these do not fit together.
    """

    edges: Int[NDArray[np.int64], " e"]
    lag_ends: Int[NDArray[np.int64], " l"]
    books: Int[NDArray[np.int16], "s k b"]
    weights: Float[NDArray[np.float32], "s i b"]
    card: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in _TYPES.items():
            if getattr(self, name).dtype != kind:
                raise WeightsError(
                    f"{name} of a token model are {getattr(self, name).dtype}; needed is {kind.__name__}"
                )
        num_bands = len(self.edges) - 1
        if self.edges.ndim != 1 or num_bands < 1 or self.edges[0] != 0 or self.edges[-1] != NUM_BINS:
            raise WeightsError(f"the bands of a token model do not run from bin 0 to {NUM_BINS}")
        if (np.diff(self.edges) < 1).any() or not _are_lag_ends(self.lag_ends):
            raise WeightsError("the bands or the classes of pitch of a token model are not in rising order")
        if self.books.ndim != 3 or self.books.shape[2] != num_bands or 0 in self.books.shape:
            raise WeightsError(f"the code books have shape {self.books.shape}; needed is (stages, words, {num_bands})")
        shape = (len(self.books), (2 * REACH + 1) * num_bands + 1, num_bands)
        if self.weights.shape != shape or not np.isfinite(self.weights).all():
            raise WeightsError(f"the weights have shape {self.weights.shape}; needed are finite ones of {shape}")
        if int(np.abs(self.books.astype(np.int64)).max()) > _LARGEST_WORD:
            raise WeightsError(f"code words of a token model go beyond {_LARGEST_WORD}")

    @cached_property
    def fingerprint(self) -> bytes:
        """4 bytes of a SHA-256 over all arrays."""
        digest = hashlib.sha256()
        for name, kind in _TYPES.items():
            array = np.ascontiguousarray(getattr(self, name), np.dtype(kind).newbyteorder("<"))
            digest.update(f"{name} {array.shape} ".encode() + array.tobytes())
        return digest.digest()[:4]

    def save(self, path: Path | str) -> None:
        """Write a safetensors file. Raises `OSError`."""
        from safetensors.numpy import save_file

        path = path_argument("path", path)
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "No such folder", str(path.parent))
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _TYPES}
        save_file(arrays, path, metadata={**self.card, "fingerprint": self.fingerprint.hex()})

    @classmethod
    def load(cls, path: Path | str) -> TokenModel:
        """Read what `save` wrote. Raises `WeightsError` for a damaged or unfitting file."""
        from safetensors import SafetensorError, safe_open

        path = path_argument("path", path)
        try:
            with safe_open(path, framework="np") as file:
                card = dict(file.metadata() or {})
                arrays = {name: file.get_tensor(name) for name in _TYPES}
            model = cls(**arrays, card={name: text for name, text in card.items() if name != "fingerprint"})
        except FileNotFoundError as err:
            raise WeightsError(f"token model {path} does not exist") from err
        except (SafetensorError, LookupError, ValueError, TypeError, OSError) as err:
            raise WeightsError(f"{path} is not a token model: {err}") from err
        if model.fingerprint.hex() != card.get("fingerprint"):
            raise WeightsError(f"token model {path} does not match its fingerprint; copy it again")
        return model


def load_token_model(name: str) -> TokenModel:
    """A shipped model by name, or one by its path, with a slash or ending in .safetensors.

    Raises `UnknownModelError` for a name that is not shipped, or whose file is not in this installation, `WeightsError`
    for a bad file.
    """
    name = text_argument("model", name)
    if name.endswith(".safetensors") or "/" in name or "\\" in name:
        return TokenModel.load(name)
    if not (path := _FOLDER / f"{name}.safetensors").is_file():
        shipped = ", ".join(sorted(one.stem for one in _FOLDER.glob("*.safetensors"))) or "none"
        raise UnknownModelError(
            f"token model {name!r} is not at hand; shipped with this installation: {shipped}; name a file of "
            "`laconic train tokens` by its path"
        )
    return _shipped(path)


@lru_cache(maxsize=4)
def _shipped(path: Path) -> TokenModel:
    return TokenModel.load(path)


def _are_lag_ends(ends: NDArray[np.int64]) -> bool:
    low, high = LAGS
    return ends.shape == (UNVOICED,) and ends[0] > low and ends[-1] == high + 1 and bool((np.diff(ends) > 0).all())
