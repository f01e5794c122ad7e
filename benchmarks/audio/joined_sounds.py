"""Short sounds coded as one, so that containers do not decide, and cut apart again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from laconic.codecs.encoding_target import EncodingTarget
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio
from laconic.codecs.target_search import encode_to_target


def joined(sounds: Sequence[Audio]) -> Audio:
    """One after the other."""
    return Audio(np.concatenate([sound.samples for sound in sounds], axis=1), sounds[0].sample_rate)


def parts_of(whole: Audio, sounds: Sequence[Audio]) -> list[Audio]:
    """As long as these sounds, in their order."""
    ends = np.cumsum([sound.samples.shape[1] for sound in sounds])[:-1]
    return [Audio(np.ascontiguousarray(part), whole.sample_rate) for part in np.split(whole.samples, ends, axis=1)]


def largest_within(sound: Audio, num_bytes: int, codec: Lcn) -> bytes:
    """The file of the finest step that has no more bytes."""
    return encode_to_target(sound, EncodingTarget(max_bytes=num_bytes), codec).data
