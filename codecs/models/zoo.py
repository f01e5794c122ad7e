"""Finding models: shipped ones by name or fingerprint, the user's own by path. Listing needs no numpy."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from laconic.codecs.arguments import bytes_argument, path_argument, text_argument
from laconic.codecs.errors import UnknownModelError, WeightsError
from laconic.codecs.models.model_card import read_model_card

if TYPE_CHECKING:
    from laconic.codecs.models.model import Model

_FOLDER = Path(__file__).parent
# Models that were shipped last before the format changed, by fingerprint: until when, and the last commit that has them.
_BEFORE_LOW_LEVELS, _BEFORE_TUNING = ("2026-11-29", "9830798"), ("2026-11-30", "d9b596d")
_RETIRED = {
    "b26a3833": ("rgb", *_BEFORE_LOW_LEVELS),
    "4f4ed8aa": ("grey", *_BEFORE_LOW_LEVELS),
    "378b5070": ("rgb_best", *_BEFORE_LOW_LEVELS),
    "fc487097": ("grey_best", *_BEFORE_LOW_LEVELS),
    "226010aa": ("rgb", *_BEFORE_TUNING),
    "94d0fa62": ("grey", *_BEFORE_TUNING),
    "4059d186": ("rgb_best", *_BEFORE_TUNING),
    "b911bfbe": ("grey_best", *_BEFORE_TUNING),
}


@dataclass(frozen=True)
class ZooEntry:
    """What a model file says of itself, without its arrays."""

    name: str
    fingerprint: bytes
    path: Path
    card: dict[str, str]

    @property
    def num_planes(self) -> int:
        return int(json.loads(self.card["config"])["num_planes"])


@lru_cache(maxsize=1)
def shipped_models() -> tuple[ZooEntry, ...]:
    """The models that come with the package, by name."""
    return tuple(read_zoo_entry(path) for path in sorted(_FOLDER.glob("*.safetensors")))


def read_zoo_entry(path: Path | str) -> ZooEntry:
    """Read the text metadata of a model file. Raises `WeightsError`."""
    path = path_argument("path", path)
    try:
        card = _read_card(path)
        return ZooEntry(card["name"], bytes.fromhex(card["fingerprint"]), path, card)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error) as err:
        raise WeightsError(f"{path} is not a laconic model file: {err}") from err


def _read_card(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        return read_model_card(file)


def load_model(name: str | os.PathLike[str]) -> Model:
    """A shipped model by name, or a model file by path (anything with a slash or ending in .safetensors).

    Raises `UnknownModelError` for a name that is not shipped, `WeightsError` for a bad file.
    """
    return _load(str(model_path(name)))


def model_path(name: str | os.PathLike[str]) -> Path:
    """The file that `load_model` loads; one that is named by its path need not be there. Raises `UnknownModelError`."""
    name = text_argument("model", name)
    if name.endswith(".safetensors") or "/" in name or "\\" in name:
        return Path(name).resolve()
    for entry in shipped_models():
        if entry.name == name:
            return entry.path
    names = ", ".join(entry.name for entry in shipped_models())
    raise UnknownModelError(f"model {name!r} is not known; shipped are {names}, other models are named by their path")


def model_path_of(fingerprint: bytes, given: str | None) -> Path:
    """The file of a model that is shipped or `given`. Raises `UnknownModelError`."""
    fingerprint = bytes_argument("fingerprint", fingerprint)
    if given is not None and load_model(given).fingerprint == fingerprint:
        return model_path(given)
    for entry in shipped_models():
        if entry.fingerprint == fingerprint:
            return entry.path
    raise UnknownModelError(f"the file of model {fingerprint.hex()} is not at hand; name it")


def load_model_of(fingerprint: bytes, given: str | None, packed: bytes | None = None) -> Model:
    """The model that a file names by fingerprint: `given` when it fits, else a shipped one, else the one that the file
    embeds, `packed` as there (`embedded_model`).

    Raises `UnknownModelError` when none has it, `CorruptStreamError` for an embedded one that is damaged or another.
    """
    fingerprint = bytes_argument("fingerprint", fingerprint)
    if given is not None:
        model = load_model(given)
        if model.fingerprint == fingerprint:
            return model
    for entry in shipped_models():
        if entry.fingerprint == fingerprint:
            return _load(str(entry.path))
    if packed is not None:
        from laconic.codecs.models.embedded_model import unpacked_model

        return unpacked_model(bytes_argument("packed", packed), fingerprint)
    if (retired := _RETIRED.get(fingerprint.hex())) is not None:
        name, date, commit = retired
        raise UnknownModelError(
            f"the file was made with model {name} ({fingerprint.hex()}) of laconic 0.1.0 before {date}, at commit "
            f"{commit} or earlier: that reads it; this one needs the original encoded or packed again"
        )
    raise UnknownModelError(
        f"the file was made with model {fingerprint.hex()}, which is not at hand"
        + (f" (model {given} is another one)" if given else "")
        + "; name its model file (--model, or model= in Python)"
    )


def synthesis_path(fingerprint: bytes) -> Path | None:
    """Where the neural synthesis of a shipped model is, None for a model without one. Raises `WeightsError`."""
    return _syntheses().get((fingerprint, False))


def tuned_synthesis_path(fingerprint: bytes) -> Path | None:
    """The same for its tuned files, which may have one of their own."""
    return _syntheses().get((fingerprint, True)) or synthesis_path(fingerprint)


@lru_cache(maxsize=1)
def _syntheses() -> dict[tuple[bytes, bool], Path]:
    """Files of neural syntheses by the fingerprint of their model and whether they are for tuned files alone."""
    found = {}
    for path in sorted((_FOLDER / "synthesis").glob("*.safetensors")):
        try:
            card = _read_card(path)
            found[bytes.fromhex(card["model_fingerprint"]), card.get("files") == "tuned"] = path
        except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error) as err:
            raise WeightsError(f"{path} is no neural synthesis: {err}") from err
    return found


@lru_cache(maxsize=16)
def _load(path: str) -> Model:
    from laconic.codecs.models.model import Model

    return Model.load(path)
