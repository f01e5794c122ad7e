"""A model inside the file that needs it (SPEC.md, section 6.7)."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from laconic.codecs.arguments import bytes_argument
from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.models.model import Model
from laconic.codecs.models.model_card import read_model_card
from laconic.codecs.models.zoo import ZooEntry, model_path_of
from laconic.entropy.container import Limits, packed_section, unpacked_section
from laconic.entropy.errors import CorruptStreamError


def packed_model(fingerprint: bytes, given: str | None) -> bytes:
    """The file of a model, `given` where it is not shipped, as the section of a file holds it: always the same. Raises
    `CodecError` for one that is too large for readers, `OSError`."""
    return _packed(str(model_path_of(fingerprint, given)), bytes_argument("fingerprint", fingerprint))


@lru_cache(maxsize=4)
def _packed(path: str, fingerprint: bytes) -> bytes:
    data = Path(path).read_bytes()
    if len(data) > Limits().max_metadata_bytes:
        raise CodecError(
            f"model {path} has {len(data)} bytes; up to {Limits().max_metadata_bytes} are embedded: leave embed_model out "
            "and keep its file"
        )
    if Model.from_bytes(data, f"model file {path}").fingerprint != fingerprint:
        raise WeightsError(f"model file {path} has changed since it was loaded; start again")
    return packed_section(data)


def unpacked_model(packed: bytes, fingerprint: bytes) -> Model:
    """The model of a section, in a file that names it by this fingerprint; all of it is checked, as that of a model file.
    Raises `BitstreamError`."""
    model = _unpacked(bytes_argument("packed", packed))
    if model.fingerprint != bytes_argument("fingerprint", fingerprint):
        raise CorruptStreamError(
            f"the file embeds model {model.fingerprint.hex()} and was made with {fingerprint.hex()}; it is damaged"
        )
    return model


def embedded_zoo_entry(packed: bytes, fingerprint: bytes) -> ZooEntry:
    """What such a model says of itself; it is in no file of its own. Raises what `unpacked_model` does."""
    model = unpacked_model(packed, fingerprint)
    card = read_model_card(BytesIO(unpacked_section(packed, Limits())))
    return ZooEntry(model.name, model.fingerprint, Path(), card)


@lru_cache(maxsize=4)
def _unpacked(packed: bytes) -> Model:
    data = unpacked_section(packed, Limits())
    try:
        return Model.from_bytes(data, "the embedded model")
    except WeightsError as err:
        raise CorruptStreamError(f"{err}; name its model file (--model, or model= in Python)") from err
