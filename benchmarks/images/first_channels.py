"""Our codec with the first channels of the latent in the file and no others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image, Signal

NUM_CHANNELS = 192  # of the model for colour pictures


@dataclass(frozen=True)
class FirstChannels:
    """`codec` analyses the whole picture and chooses its integers; then all but the first `channels` are left out."""

    codec: Lcn
    channels: int

    name = "first channels"

    def encode(self, signal: Image) -> bytes:
        if self.channels == NUM_CHANNELS:
            return self.codec.encode(signal)
        latent = self.codec.analyze(signal)
        first = np.ascontiguousarray(latent.values[: self.channels])
        return self.codec.pack(replace(latent, values=first, shrink=latent.shrink[: self.channels]))

    def decode(self, data: bytes) -> Signal:
        return self.codec.decode(data)
