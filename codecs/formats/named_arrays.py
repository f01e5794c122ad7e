"""Which array of a file that holds several."""

from __future__ import annotations

from collections.abc import Sequence

from laconic.codecs.arguments import shown
from laconic.codecs.errors import CodecError


def chosen_array(names: Sequence[str], array: str | None) -> str:
    """The one array of a file, or that of this name. Raises `CodecError`, with their names, where it is not there."""
    listed = ", ".join(names[:20]) + ", ..." * (len(names) > 20)
    if not names:
        raise CodecError("the file holds no array of numbers with two or three sides; a cube is needed")
    if array is None and len(names) > 1:
        raise CodecError(f"the file holds {len(names)} arrays, {listed}; name one with --array, or array= in Python")
    if array is not None and array not in names:
        raise CodecError(f"the file has no array {shown(array)}; allowed are {listed}")
    return names[0] if array is None else array
