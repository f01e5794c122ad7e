"""Our codec: wavelet packets, an ordered linear projection, a uniform quantiser with dead zone, context-modelled rANS.

The encoder is linear and shallow; the file holds the latent itself, so a trainer reads integers and never pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

from laconic.codecs import lcn
from laconic.codecs.errors import CodecError
from laconic.codecs.latent import Latent
from laconic.codecs.media import Image
from laconic.codecs.model import Model
from laconic.codecs.quantizer import NUM_STEP_CODES, step_code_of_quality
from laconic.codecs.transform import coefficients_of, fill_transparent, has_alpha, image_of, num_colors, quantize
from laconic.codecs.zoo import load_model, load_model_for
from laconic.entropy import Limits


@dataclass(frozen=True)
class Sandwich:
    """`quality` 1..100 sets the quantiser step; one model serves every quality.

    `model`: a shipped name or a path; None takes the shipped model for the picture's planes. `step_code` 0..255
    overrides `quality` (SPEC.md, section 8). `grouping`: "channels" stores the model's channel groups so that a reader
    of few channels stops early, "whole" one group, some bytes smaller. `progression`: "group" or "tile" first.
    `tile_log2`: log2 of the tile side in latent places. Raises `CodecError` for values outside.

    >>> import numpy as np
    >>> codec = Sandwich(quality=60)
    >>> picture = Image.from_array(np.zeros((30, 50, 3), np.uint8))
    >>> codec.decode(codec.encode(picture)) == picture
    True
    """

    quality: int = 50
    model: str | None = None
    step_code: int | None = None
    grouping: Literal["channels", "whole"] = "channels"
    progression: Literal["group", "tile"] = "group"
    tile_log2: int | None = None

    def __post_init__(self) -> None:
        step_code_of_quality(self.quality)
        if self.step_code is not None and not 0 <= self.step_code < NUM_STEP_CODES:
            raise CodecError(f"step_code is {self.step_code}; allowed is 0 to {NUM_STEP_CODES - 1}")
        _ = self._layout

    @property
    def name(self) -> str:
        return "sandwich"

    @property
    def _layout(self) -> lcn.Layout:
        return lcn.Layout(self.grouping, self.progression, self.tile_log2)

    @property
    def _step_code(self) -> int:
        return step_code_of_quality(self.quality) if self.step_code is None else self.step_code

    def encode(self, signal: Image) -> bytes:
        """The picture as an .lcn file. Raises `UnsupportedSignalError` where the model has other planes."""
        return self.pack(self.analyze(signal))

    def decode(self, data: bytes) -> Image:
        """The picture by linear synthesis. Raises `BitstreamError` or `UnknownModelError`."""
        return self.synthesize(self.unpack(data))

    def analyze(self, signal: Image) -> Latent:
        """The quantised latent."""
        return self.analyze_steps(signal, (self._step_code,))[0]

    def analyze_steps(self, signal: Image, step_codes: tuple[int, ...]) -> list[Latent]:
        """Latents at several steps for the price of one transform."""
        model = self._model_for(signal)
        if has_alpha(signal):
            signal = fill_transparent(signal)
        coefficients = coefficients_of(signal, model)
        return [
            Latent(
                values=quantize(coefficients, step_code, model),
                step_code=step_code,
                fingerprint=model.fingerprint,
                shrink=model.shrink_of(step_code, model.num_channels),
                size=(signal.height, signal.width),
                bit_depth=signal.bit_depth,
                alpha=signal.samples[:, :, -1] if has_alpha(signal) else None,
                metadata=signal.metadata,
            )
            for step_code in step_codes
        ]

    def pack(self, latent: Latent) -> bytes:
        """The latent as an .lcn file, losslessly; it may have fewer channels than the model."""
        return lcn.pack(latent, self._model_of(latent), self._layout)

    def unpack(
        self,
        data: bytes | BinaryIO,
        *,
        channels: int | None = None,
        limits: Limits | None = None,
        allow_partial: bool = False,
    ) -> Latent:
        """The latent of an .lcn file, exactly.

        With `channels`, the first of them only, without alpha, reading no further than their groups. `data` may be an
        open binary file. With `allow_partial`, damaged or missing segments become zeros and are listed in `damage`.
        Raises `BitstreamError`, `UnknownModelError`, or `CodecError` for more channels than stored.
        """
        latent, _ = lcn.unpack(data, model=self.model, channels=channels, limits=limits, allow_partial=allow_partial)
        return latent

    def synthesize(self, latent: Latent) -> Image:
        """The picture by linear synthesis; missing channels count as 0."""
        return image_of(latent, self._model_of(latent))

    def _model_for(self, signal: Image) -> Model:
        return load_model_for(num_colors(signal)) if self.model is None else load_model(self.model)

    def _model_of(self, latent: Latent) -> Model:
        return lcn.load_model_of(latent.fingerprint, self.model)
