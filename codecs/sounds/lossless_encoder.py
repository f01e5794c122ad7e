"""A sound of integers -> an .lcn file that gives them back exactly (SPEC.md, sections 5.5 and 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Audio
from laconic.codecs.sound_metadata import SECTION_NAME, SoundMetadata
from laconic.codecs.sounds.integer_samples import IntegerSamples, integers_of_sound
from laconic.codecs.sounds.lossless_segment import encode_lossless_segment, residual_tables_fingerprint
from laconic.codecs.sounds.prediction import adaptations_at
from laconic.codecs.threads import threaded_map
from laconic.entropy.container import (
    MAX_LOSSLESS_CHANNELS,
    MAX_LOSSLESS_SEGMENT,
    CodecNumber,
    Header,
    index_of,
    write_container_segment,
    write_header,
)

_STRETCH_LOG2: Final = 16  # the largest that a header holds; half of it costs 0.2 %
_EFFORT_OF_TRIALS: Final = 2  # from here on, all adaptations are tried


def encode_lossless_sound(audio: Audio, *, effort: int = 1, threads: int = 1) -> bytes:
    """The sound as an .lcn file. `effort` 0 or 1 takes the adaptation that suits the sample rate, 2 the smaller of two in
    each stretch, in twice the time; `threads` work on stretches.

    Raises `UnsupportedSignalError` for samples that are no integers of at most 24 bits, and more than 4096 channels.
    """
    if audio.num_channels > MAX_LOSSLESS_CHANNELS:
        raise UnsupportedSignalError(
            f"the sound has {audio.num_channels} channels; a lossless file holds {MAX_LOSSLESS_CHANNELS}: encode the "
            "others as sounds of their own"
        )
    integers = integers_of_sound(audio)
    tried = adaptations_at(audio.sample_rate)[: 2 if effort >= _EFFORT_OF_TRIALS else 1]
    stretch_log2 = min(_STRETCH_LOG2, (MAX_LOSSLESS_SEGMENT // audio.num_channels).bit_length() - 1)
    length, stretch = audio.samples.shape[1], 1 << stretch_log2
    pieces = (
        IntegerSamples(integers.values[:, first : first + stretch], integers.bits)
        for first in range(0, length, stretch)
    )
    with threaded_map(threads) as run:
        encoded = list(run(lambda piece: encode_lossless_segment(piece, tried), pieces))
    segments = [write_container_segment(one, number, with_channels=False) for number, one in enumerate(encoded)]
    section = _metadata(audio.metadata, integers.bits).to_bytes()
    header = Header(
        codec=CodecNumber.LOSSLESS_SOUND,
        fingerprint=residual_tables_fingerprint(),
        step_code=0,
        shape=(audio.num_channels, length),
        tile_log2=stretch_log2,
        metadata={SECTION_NAME: section} if section else {},
        index=index_of([len(segment) for segment in segments]),
        sample_rate=audio.sample_rate,
        sound_bits=integers.bits,
    )
    return b"".join((write_header(header), *segments))


def _metadata(said: SoundMetadata, bits: int) -> SoundMetadata:
    """With a sample format that holds all bits, where int16, which is that of no format, does not."""
    has_room = bits <= 16 or said.sample_format in ("int24", "float32")
    return said if has_room else replace(said, sample_format="int24")
