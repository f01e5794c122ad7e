"""Our codec: wavelet packets, an ordered linear projection, a uniform quantiser with dead zone, context-modelled rANS.

The encoder is linear and shallow; the file holds the latent itself, so a trainer reads integers and never samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import lcn
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.latent import Latent
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.model import Model
from laconic.codecs.optimizer import DEFAULT_EFFORT, MAX_EFFORT, optimize
from laconic.codecs.quantizer import NUM_STEP_CODES, step_code_of_quality, step_code_of_sound_quality, step_of_code
from laconic.codecs.transform import coefficients_of, has_alpha, latent_of, num_colors, quantize, signal_of
from laconic.codecs.transparency import fill_transparent
from laconic.codecs.zoo import load_model, load_model_of
from laconic.entropy import Limits

_SPEECH_MAX_RATE_HZ = 24_000


@dataclass(frozen=True, repr=False)
class Sandwich:
    """`quality` 1..100 sets the quantiser step, that of a sound relative to its level; one model serves every quality.

    `model`: a shipped name or a path; None takes the shipped model for the signal. `step_code` 0..255 overrides
    `quality` (SPEC.md, section 8). `grouping`: "channels" stores the model's channel groups so that a reader of few
    channels stops early, "whole" one group, some bytes smaller. `progression`: "group" or "tile" first. `tile_log2`:
    log2 of the tile side in latent places. None for these: what suits the kind of signal. `profile`: "small" codes by
    contexts, "fast" by static tables, in larger files. `effort`: 0 rounds each coefficient by itself, 1 weighs distortion
    against bits, 2 does so twice. `lanes`: 4, 8, 16, 32 or 64 of every stream, three bytes each; more decode faster; None
    spends up to 1 %. Raises `CodecError` for values outside.

    >>> import numpy as np
    >>> codec = Sandwich(quality=60)
    >>> picture = Image.from_array(np.zeros((30, 50, 3), np.uint8))
    >>> codec.decode(codec.encode(picture)).samples.shape
    (30, 50, 3)
    """

    quality: int = 50
    model: str | None = None
    step_code: int | None = None
    grouping: Literal["channels", "whole"] | None = None
    progression: Literal["group", "tile"] | None = None
    tile_log2: int | None = None
    profile: Literal["fast", "small"] = "small"
    effort: int = DEFAULT_EFFORT
    lanes: int | None = None

    def __repr__(self) -> str:
        """Without what is left at its default, but for the quality."""
        chosen = [f for f in fields(self) if f.name == "quality" or getattr(self, f.name) != f.default]
        return f"Sandwich({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in chosen)})"

    def __post_init__(self) -> None:
        step_code_of_quality(self.quality)
        if self.step_code is not None and not 0 <= self.step_code < NUM_STEP_CODES:
            raise CodecError(f"step_code is {self.step_code}; allowed is 0 to {NUM_STEP_CODES - 1}")
        if self.effort not in range(MAX_EFFORT + 1):
            raise CodecError(f"effort is {self.effort!r}; allowed is 0 to {MAX_EFFORT}")
        _ = self._layout

    @property
    def name(self) -> str:
        return "sandwich"

    @property
    def _layout(self) -> lcn.Layout:
        return lcn.Layout(self.grouping, self.progression, self.tile_log2, self.profile, self.lanes)

    def encode(self, signal: Signal) -> bytes:
        """The signal as an .lcn file. Raises `UnsupportedSignalError` where the model does not fit it."""
        return self.pack(self.analyze(signal))

    def decode(self, data: bytes) -> Signal:
        """The signal by linear synthesis. Raises `BitstreamError` or `UnknownModelError`."""
        return self.synthesize(self.unpack(data))

    def analyze(self, signal: Signal) -> Latent:
        """The quantised latent."""
        return self.analyze_steps(signal, (self._step_code_for(signal),))[0]

    def analyze_steps(self, signal: Signal, step_codes: Sequence[int]) -> list[Latent]:
        """Latents at several steps for the price of one transform."""
        model = load_model(self.model or default_model(signal))
        if isinstance(signal, Image) and has_alpha(signal):
            signal = fill_transparent(signal)
        coefficients = coefficients_of(signal, model)
        return [latent_of(signal, self._integers(coefficients, code, model), code, model) for code in step_codes]

    def _integers(self, coefficients: NDArray[np.float32], step_code: int, model: Model) -> NDArray[np.int32]:
        values = quantize(coefficients, step_code, model)
        if self.effort == 0 or values.size == 0:
            return values
        layout = self._layout.resolved(model.kind, values.shape[1:])
        return optimize(
            values,
            coefficients,
            float(step_of_code(step_code)) * model.unit,
            step_code,
            model.contexts,
            model.shrink_of(step_code, model.num_channels),
            layout.file_profile,
            self.effort,
            layout.tile_log2,
        )

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

    def synthesize(self, latent: Latent) -> Signal:
        """The signal by linear synthesis; missing channels count as 0."""
        return signal_of(latent, self._model_of(latent))

    def _step_code_for(self, signal: Signal) -> int:
        if self.step_code is not None:
            return self.step_code
        if isinstance(signal, Audio):
            return step_code_of_sound_quality(self.quality, signal.samples)
        return step_code_of_quality(self.quality)

    def _model_of(self, latent: Latent) -> Model:
        return load_model_of(latent.fingerprint, self.model)


def default_model(signal: Signal) -> str:
    """Name of the shipped model for a signal. Raises `UnsupportedSignalError` for cubes, which need one of their own."""
    if isinstance(signal, Image):
        return "grey" if num_colors(signal) == 1 else "rgb"
    if isinstance(signal, Cube):
        raise UnsupportedSignalError("no shipped model is for cubes; fit one to such signals and name it (model=)")
    if signal.num_channels == 2:
        return "stereo"
    return "speech" if signal.sample_rate <= _SPEECH_MAX_RATE_HZ else "mono"
