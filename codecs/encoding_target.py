"""What a file keeps to in place of a quality: a size, a rate, or an error of the decoded samples."""

from __future__ import annotations

from dataclasses import dataclass, fields

from laconic.codecs.arguments import (
    positive_number_argument,
    real_number_argument,
    settle_arguments,
    whole_number_argument,
)
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.form import Form

_OF_ERRORS = ("snr_db", "prd_percent", "max_error")
_CALLED = {"image": "a picture", "sound": "a sound", "cube": "a cube"}


@dataclass(frozen=True)
class EncodingTarget:
    """At most one of these; none leaves it to the quality.

    The best file of at most so many `bits_per_pixel`, of pictures, `kilobits_per_second`, of sounds, or `max_bytes`. Or, of
    sounds and cubes, the smallest file that keeps an error, over all channels, of samples x that decode to y: at least
    `snr_db`, 10 log10(sum x^2 / sum (x - y)^2); at most `prd_percent`, 100 sqrt(sum (x - y)^2 / sum x^2), as it is said of
    ECG; at most `max_error`, the largest |x - y|. A mean other than 0 counts as signal. Both are integers where the cube
    has integers, and of sounds where `SoundMetadata.sample_format` says so; other sounds have full scale 1. Raises
    `CodecError` for two, and values outside.
    """

    bits_per_pixel: float | None = None
    max_bytes: int | None = None
    kilobits_per_second: float | None = None
    snr_db: float | None = None
    prd_percent: float | None = None
    max_error: float | None = None

    def __post_init__(self) -> None:
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        if len(given) > 1:
            raise CodecError(f"{' and '.join(given)} exclude each other; give one of them")
        for name in ("bits_per_pixel", "kilobits_per_second", "prd_percent"):
            if name in given:
                settle_arguments(self, **{name: positive_number_argument(name, getattr(self, name))})
        if self.max_bytes is not None:
            settle_arguments(self, max_bytes=whole_number_argument("max_bytes", self.max_bytes, 1))
        if self.snr_db is not None:
            settle_arguments(self, snr_db=real_number_argument("snr_db", self.snr_db, lowest=0))
        if self.max_error is not None:
            settle_arguments(self, max_error=real_number_argument("max_error", self.max_error, lowest=0))

    @property
    def name(self) -> str | None:
        """Of what is given."""
        return next((field.name for field in fields(self) if getattr(self, field.name) is not None), None)

    @property
    def is_error(self) -> bool:
        return self.name in _OF_ERRORS

    def check_suits(self, form: Form) -> None:
        """Raises `CodecError` for what signals of this form have not."""
        called = _CALLED[form.kind]
        if self.bits_per_pixel is not None and form.kind != "image":
            raise CodecError(f"bits_per_pixel is for pictures, this is {called}; give max_bytes")
        if self.kilobits_per_second is not None and form.kind != "sound":
            raise CodecError(f"kilobits_per_second is for sounds, this is {called}; give max_bytes")
        if self.kilobits_per_second is not None and not form.size[1]:
            raise CodecError("kilobits_per_second is for sounds with samples, this one has none; give max_bytes")
        if self.is_error and form.kind == "image":
            raise UnsupportedSignalError(f"{self.name} is for sounds and cubes, this is a picture; give a quality")

    def bytes_allowed(self, form: Form) -> int | None:
        """The most bytes of a file, None where they do not matter. Raises as `check_suits`."""
        self.check_suits(form)
        if self.bits_per_pixel is not None:
            return int(self.bits_per_pixel * form.size[0] * form.size[1] / 8)
        if self.kilobits_per_second is not None:
            return int(self.kilobits_per_second * 125 * form.size[1] / form.sample_rate)
        return self.max_bytes
