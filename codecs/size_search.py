"""The best file of at most so many bytes."""

from __future__ import annotations

from dataclasses import replace

from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Signal
from laconic.codecs.pictures.color_choice import may_choose_colors
from laconic.codecs.steps import NUM_STEP_CODES


def best_within(signal: Signal, max_bytes: int, codec: Lcn) -> bytes:
    """The file of the finest step that fits, by bisection over step codes.

    Three codes share one transform, the two steps of bisection that they serve; more would need memory for each.
    """
    low, high = 0, NUM_STEP_CODES  # steps below `low` do not fit; `high` fits, or is no step
    best, smallest = None, 0
    while low < high:
        middle = (low + high) // 2
        codes = tuple(sorted({(low + middle) // 2, middle, min((middle + 1 + high) // 2, NUM_STEP_CODES - 1)}))
        latents = dict(zip(codes, codec.analyze_steps(signal, codes), strict=True))
        while low < high and (code := (low + high) // 2) in latents:
            data = codec.pack(latents[code])
            if len(data) <= max_bytes:
                best, high = data, code
            else:
                low, smallest = code + 1, len(data)
    if best is None:
        raise size_error(smallest, max_bytes)
    return _in_own_colors(best, high, signal, max_bytes, codec)


def size_error(smallest: int, max_bytes: int) -> CodecError:
    """For a signal whose smallest file is too large."""
    return CodecError(
        f"the smallest possible file has {smallest} bytes, over the limit of {max_bytes}; "
        "allow more or reduce the signal"
    )


def _in_own_colors(best: bytes, step_code: int, signal: Signal, max_bytes: int, codec: Lcn) -> bytes:
    """The file of the finest step that fits in colours of the picture's own, from the step of the `best` one without."""
    while step_code >= 0 and may_choose_colors(codec.plan_of(signal, step_code)):
        data = replace(codec, step_code=step_code).encode(signal)
        if len(data) > max_bytes or data == best:
            break
        best, step_code = data, step_code - 1
    return best
