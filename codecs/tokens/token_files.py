"""Tokens <-> bytes of files: .npy holds the array, .json also of which model it is. Both may come from anywhere."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.formats.npy_files import NPY_MAGIC, npy_bytes, read_npy
from laconic.codecs.tokens.speech_tokens import FRAMES_PER_SECOND, SpeechTokens
from laconic.codecs.tokens.token_model import load_token_model
from laconic.entropy.errors import CorruptStreamError

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped

_WHOLE: Final = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
_MOST_BYTES: Final = 1 << 28


def token_bytes(
    tokens: Int[NDArray[np.int16], "n s"], codec: SpeechTokens, file_format: Literal["npy", "json"]
) -> bytes:
    """A file of tokens that `codec` made."""
    if file_format == "npy":
        return npy_bytes(tokens)
    fields = {
        "model": load_token_model(codec.model).fingerprint.hex(),
        "frames_per_second": FRAMES_PER_SECOND,
        "vocabulary": list(codec.vocabulary),
        "tokens": tokens.tolist(),
    }
    return (json.dumps(fields) + "\n").encode()


def tokens_of_bytes(data: bytes, codec: SpeechTokens) -> Shaped[NDArray[Any], " ..."]:
    """What such a file holds, as it stands: `SpeechTokens.decode` says what are no tokens.

    Raises `UnsupportedSignalError` for other files and for those of another model, `CorruptStreamError` for damaged ones.
    """
    if len(data) > _MOST_BYTES:
        raise UnsupportedSignalError(f"the file has {len(data)} bytes; files of tokens have up to {_MOST_BYTES}")
    if not data.startswith(NPY_MAGIC):
        return _of_json(data, codec)
    try:
        return read_npy(io.BytesIO(data), allowed=_WHOLE)
    except UnsupportedSignalError as err:
        raise UnsupportedSignalError(
            "the .npy file holds no tokens; allowed are whole numbers, (frames, columns), as `laconic tokens` writes them"
        ) from err


def _of_json(data: bytes, codec: SpeechTokens) -> NDArray[Any]:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise CorruptStreamError(
            "the file is neither .npy nor JSON, or is cut short; allowed is what `laconic tokens` writes"
        ) from err
    if not isinstance(fields, dict) or "tokens" not in fields:
        raise UnsupportedSignalError('the JSON file has no "tokens"; allowed is what `laconic tokens` writes')
    ours, given = load_token_model(codec.model).fingerprint.hex(), fields.get("model", None)
    if given is not None and given != ours:
        raise UnsupportedSignalError(
            f"the tokens are of model {str(given)[:40]!r}, and {codec.model} is {ours}; name their model with --model"
        )
    try:
        array = np.array(fields["tokens"])
    except ValueError as err:
        raise UnsupportedSignalError("the frames of the JSON file are not equally long; it is damaged") from err
    return array
