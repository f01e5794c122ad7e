"""Our codec: wavelet packets, an ordered linear projection, a uniform quantiser with dead zone, context-modelled rANS.

The encoder is linear and shallow; the file holds the latent itself, so a trainer reads integers and never samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    bytes_or_file_argument,
    choice_argument,
    flag_argument,
    opened_argument,
    read_bytes_argument,
    settle_arguments,
    text_argument,
    typed_argument,
    whole_number_argument,
    whole_numbers_argument,
)
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.form import Form, check_form_fits, form_of, grid_of_form, num_colors
from laconic.codecs.latent import Latent
from laconic.codecs.levels import levels_of
from laconic.codecs.loudness import reading_of_planes
from laconic.codecs.media import Audio, Cube, Image, Signal, metadata_of_media, sound_rate_argument
from laconic.codecs.models.embedded_model import packed_model
from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import step_code_at_quality, tuned_model, tuning_code_of, weighing_places
from laconic.codecs.models.usual_models import default_lcn_model, picture_model_name, sound_model_name
from laconic.codecs.models.zoo import load_model
from laconic.codecs.packing.latent_batch import dequantized_batch
from laconic.codecs.packing.layout import Layout
from laconic.codecs.packing.packer import PackedFile, check_latent_to_pack, pack
from laconic.codecs.packing.place_weights import PlaceWeights
from laconic.codecs.packing.segment_reader import SegmentReading
from laconic.codecs.packing.unpacker import Unpacker, unpack
from laconic.codecs.pictures.encoder_chunks import searched_image
from laconic.codecs.pictures.picture_decoder import SCALES, PicturePart, check_decoder_synthesis, decoder_area_of
from laconic.codecs.pictures.picture_encoder import EncoderRowSource, encode_image, encode_rows, form_of_rows
from laconic.codecs.pictures.region_of_interest import RegionOfInterest, places_of_form, region_argument
from laconic.codecs.plan import SEARCH_EFFORT, Plan
from laconic.codecs.sound_metadata import SoundMetadata
from laconic.codecs.sounds.lossless_decoder import is_lossless_sound
from laconic.codecs.sounds.sample_blocks import opened_sample_blocks
from laconic.codecs.sounds.sound_encoder import encode_sound_blocks
from laconic.codecs.sounds.sound_part import SoundPart, lossless_audio
from laconic.codecs.steps import check_quality, check_step_code
from laconic.codecs.transform.band_levels import stores_noise
from laconic.codecs.transform.rate_distortion import DEFAULT_EFFORT
from laconic.codecs.transform.signals import coefficients_of, model_of_latent, planned_latent, signal_of
from laconic.codecs.transform.transparency import fill_transparent
from laconic.entropy import Limits

if TYPE_CHECKING:
    from jaxtyping import Float

_MAX_THREADS = 256
_SIGNALS = "an Image, Audio or Cube: laconic.codecs.encode makes them of arrays"


@dataclass(frozen=True, repr=False)
class Lcn:
    """`quality` 1..100 sets the quantiser step, of sounds and cubes in units of their level; a model serves every quality.

    `model`: a shipped name or a path; None takes the shipped model for the signal. `step_code` 0..255 overrides `quality`
    (SPEC.md, section 8). `grouping`: "channels" stores the model's channel groups so that a reader of few channels stops
    early, "whole" one group, some bytes smaller. `progression`: "group" or "tile" first. `tile_log2`: log2 of the tile side
    in latent places. None for these: what suits the kind of signal. `profile`: "small" codes by contexts, "fast" by static
    tables, in larger files; "best", of pictures, by networks, in the smallest files, slowest. `effort`: 0 rounds each
    coefficient by itself, 1 weighs distortion against bits, 2 does so twice; from 1 on, `encode`, not `analyze`, gives a
    picture of profile best colours of its own where these save 1 %. 3, of pictures (`laconic[torch]`, seconds for a million
    pixels), is for the pixels that `synthesis` decodes, with the same bytes only on one machine with one torch and number
    of its threads. `lanes`: 4, 8, 16, 32 or 64 of every stream, three bytes each; more decode faster; None spends up to 1
    %. `threads` work on one signal; bytes do not depend on them. `synthesis` of decoding, never in the file: "linear",
    the same pixels everywhere; "neural" (`laconic[torch]`), nearer to the picture and slower; "auto" is neural where it can
    be had; or the path of a network of your own. `tune`, of pictures: whom a file of some size is for: "psnr" the mean
    square, "machine" networks, "eye" people, "balanced" all of them, or a tune of the model's own (`laconic fit --score`);
    of sounds "snr", or "machine" for recognisers, with levels of bands; of cubes "snr", for all planes together. None: what
    suits the kind, "balanced", "machine", of cubes planes far below the loudest for themselves. `fill`: in linear decoding,
    noise in place of zeros where the file has it. `roi`, of pictures: how much matters where, 1 most and 0 least, an array
    (height, width) of the size of the picture or a smaller grid over it, of 0 to 1, of uint8 or of bool; or a function that
    makes such an array of an `Image`. `embed_model`: in files, to be decoded without it. Raises `CodecError` for others.

    >>> import numpy as np
    >>> codec = Lcn(quality=60)
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
    profile: Literal["fast", "small", "best"] = "small"
    effort: int = DEFAULT_EFFORT
    lanes: int | None = None
    threads: int = 1
    synthesis: Literal["linear", "neural"] | str = "linear"  # "auto" is one of these two, so it is not listed
    tune: Literal["psnr", "balanced", "machine", "eye"] | str | None = None
    fill: bool = True
    roi: RegionOfInterest | None = None
    embed_model: bool = False

    # One at the defaults, then all that are listed.
    usual_curves: ClassVar = {
        "image": ("quality=3|15|30|45|66", "quality=3|15|30|45|66,profile=*,synthesis=*"),
        "sound": ("quality=15|32|48|64",),
    }

    def __repr__(self) -> str:
        """Without what is left at its default, but for the quality."""
        chosen = [f for f in fields(self) if f.name == "quality" or getattr(self, f.name) != f.default]
        return f"Lcn({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in chosen)})"

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            quality=check_quality(self.quality),
            model=None if self.model is None else text_argument("model", self.model),
            step_code=None if self.step_code is None else check_step_code(self.step_code),
            effort=whole_number_argument("effort", self.effort, 0, SEARCH_EFFORT),
            threads=whole_number_argument("threads", self.threads, 1, _MAX_THREADS),
            synthesis=check_decoder_synthesis(self.synthesis),
            tune=None if self.tune is None else text_argument("tune", self.tune),
            fill=flag_argument("fill", self.fill),
            embed_model=flag_argument("embed_model", self.embed_model),
            roi=None if self.roi is None else region_argument(self.roi),
        )
        settle_arguments(self, **asdict(self._layout))
        if self.effort == SEARCH_EFFORT and self.profile == "fast":
            raise CodecError("effort 3 is for profiles small and best, this is fast; choose effort 1")

    @property
    def name(self) -> str:
        return "lcn"

    @property
    def _layout(self) -> Layout:
        return Layout(self.grouping, self.progression, self.tile_log2, self.profile, self.lanes)

    def encode(self, signal: Signal) -> bytes:
        """The signal as an .lcn file. Raises `UnsupportedSignalError` where the model does not fit it."""
        plan = self.plan_of(signal)
        if isinstance(signal, Image):
            return encode_image(fill_transparent(signal), plan)
        if isinstance(signal, Audio):
            return encode_sound_blocks(reading_of_planes(signal.samples), plan, signal.metadata)
        return pack(planned_latent(signal, coefficients_of(signal, plan.model, plan.form.levels), plan), plan).data

    def encode_rows(
        self,
        rows: EncoderRowSource,
        *,
        num_colors: int,
        sample_type: str,
        bit_depth: int = 0,
        metadata: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """The .lcn file of a picture without alpha that is read from the top, as `encode` makes it of the whole; memory is
        that of some rows and of the file; in profile best, of pictures of up to 2^24 pixels, that of all rows. `num_colors`
        1 or 3, `sample_type` "uint8" or "uint16"; of the second, `bit_depth` 9 to 16 is needed."""
        form = form_of_rows(rows, num_colors, sample_type, bit_depth)
        model = load_model(self.model or picture_model_name(num_colors, self.profile))
        check_form_fits(form, num_colors, model)
        plan = self._plan(form, model, places=places_of_form(self.roi, form, model))
        return encode_rows(rows, plan, metadata_of_media({} if metadata is None else metadata))

    def encode_blocks(
        self,
        blocks: Iterable[Float[NDArray[np.float32], "c t"]],
        *,
        sample_rate: float,
        metadata: SoundMetadata | None = None,
    ) -> bytes:
        """The .lcn file of a sound that comes in blocks (channels, t), as `encode` makes it of the whole; memory is that of
        some of them and of the file. An iterator, which gives them once, is kept in a temporary file; any other iterable is
        gone over four or five times. Raises `CodecError`, `OSError`."""
        self._check_effort("Audio")
        metadata = SoundMetadata() if metadata is None else metadata
        typed_argument("metadata", metadata, SoundMetadata, "SoundMetadata")
        rate = sound_rate_argument(sample_rate)
        with opened_sample_blocks(blocks) as source:
            model = load_model(self.model or sound_model_name(source.num_channels, rate, self.tune))
            form = source.form(rate)
            check_form_fits(form, model.num_planes, model)
            plan = self._plan(form, model, places=places_of_form(self.roi, form, model))
            return encode_sound_blocks(lambda: source, plan, metadata)

    def decode(self, data: Bytes | PathLike) -> Signal:
        """The signal, of bytes or a path; pictures by `synthesis`. Raises `BitstreamError`, `CodecError`, `OSError`."""
        if is_lossless_sound(data := read_bytes_argument("data", data)):
            return lossless_audio(data)
        unpacker = Unpacker(data, SegmentReading(), model=self.model)
        if unpacker.model.kind == "image":
            area = decoder_area_of(unpacker.header.shape)
            return PicturePart(unpacker, area, self.threads, self.synthesis, self.fill).image()
        if unpacker.model.kind == "sound":
            return SoundPart(unpacker, 0, unpacker.header.shape[1], fill=self.fill).audio()
        return signal_of(unpack(unpacker), unpacker.model, fill=self.fill)

    def decode_area(
        self,
        data: Bytes | PathLike | BinaryIO,
        *,
        region: tuple[int, int, int, int] | None = None,
        scale: int = 1,
        channels: int | None = None,
        limits: Limits | None = None,
        allow_partial: bool = False,
    ) -> tuple[Image, tuple[str, ...]]:
        """Part of a picture, and what of it is damaged: `region` (x, y, width, height) in its pixels, at 1/`scale` of the
        size, 1, 2, 4 or 8, of models with low levels also 16 or 32; of the first `channels` only, as `unpack` has them. It
        is cut from what `decode` gives, bit for bit, but for a scale; then, pixel (x, y) shows what is around (scale * x,
        scale * y).

        Of an open file, only what the area needs is read. Raises `CodecError` for an area outside the picture or another
        kind of signal, and what `unpack` raises.
        """
        with opened_argument("data", data) as source:
            part = self.open_area(
                source, region=region, scale=scale, channels=channels, limits=limits, allow_partial=allow_partial
            )
            return part.image(), part.damage

    def open_area(
        self,
        data: Bytes | PathLike | BinaryIO,
        *,
        region: tuple[int, int, int, int] | None = None,
        scale: int = 1,
        channels: int | None = None,
        limits: Limits | None = None,
        allow_partial: bool = False,
    ) -> PicturePart:
        """As `decode_area`, but only the head of the file is read; its rows can be had some at a time, in the memory of
        some rows. A file has to stay open; of a path, all bytes are read."""
        scale = choice_argument("scale", scale, SCALES)
        reading = SegmentReading(channels, limits, allow_partial, scale.bit_length() - 1)
        unpacker = Unpacker(bytes_or_file_argument("data", data), reading, model=self.model)
        if unpacker.model.kind != "image":
            raise UnsupportedSignalError(
                f"the file holds a signal of kind {unpacker.model.kind}; allowed is a picture: use Lcn().decode"
            )
        area = decoder_area_of(unpacker.header.shape, region, scale)
        return PicturePart(unpacker, area, self.threads, self.synthesis, self.fill)

    def analyze(self, signal: Signal) -> Latent:
        """The quantised latent."""
        return self.analyze_steps(signal, (self.plan_of(signal).step_code,))[0]

    def analyze_steps(self, signal: Signal, step_codes: Sequence[int]) -> list[Latent]:
        """Latents at several steps for the price of one transform."""
        codes = [check_step_code(code) for code in whole_numbers_argument("step_codes", step_codes)]
        if not codes:
            raise CodecError("step_codes is empty; allowed is at least one step code")
        plans = [first := self.plan_of(signal, codes[0])]
        is_cube = isinstance(signal, Cube)  # whose levels depend on the step
        plans += [self.plan_of(signal, code) if is_cube else replace(first, step_code=code) for code in codes[1:]]
        if isinstance(signal, Image):
            signal = fill_transparent(signal)
            if first.searches:
                return [planned_latent(signal, searched_image(signal, p), p) for p in plans]
        found = {levels: coefficients_of(signal, first.model, levels) for levels in {p.form.levels for p in plans}}
        return [planned_latent(signal, found[plan.form.levels], plan) for plan in plans]

    def plan_of(self, signal: Signal, step_code: int | None = None) -> Plan:
        """How a signal is encoded, at this step or the codec's. Raises `UnsupportedSignalError` for what no model fits."""
        typed_argument("the signal", signal, (Image, Audio, Cube), _SIGNALS)
        if not isinstance(signal, Image):
            self._check_effort(type(signal).__name__)
        model = load_model(self.model or default_lcn_model(signal, self.profile, self.tune))
        form = form_of(signal)
        check_form_fits(form, num_colors(signal) if isinstance(signal, Image) else model.num_planes, model)
        plan = self._plan(form, model, step_code, places_of_form(self.roi, form, model, signal))
        form = replace(form, levels=levels_of(signal, model.offsets, plan.step, is_joint=self.tune == "snr"))
        return replace(plan, form=form)

    def _plan(self, form: Form, model: Model, step_code: int | None = None, places: PlaceWeights | None = None) -> Plan:
        own = packed_model(model.fingerprint, self.model) if self.embed_model else None
        if model.tuned is None:
            model = tuned_model(model, tuning_code_of(model, self.tune))
        noise = stores_noise(model, self.tune)
        step_code = self.step_code if step_code is None else check_step_code(step_code)
        if step_code is None:
            step_code = step_code_at_quality(model, self.quality, has_noise=noise)
        model = model if places is None else weighing_places(model)
        layout = self._layout.resolved(model, grid := grid_of_form(form, model))
        return Plan(form, model, grid, step_code, layout, self.effort, self.threads, self.synthesis, places, noise, own)

    def pack(self, latent: Latent) -> bytes:
        """The latent as an .lcn file, losslessly; it may have fewer channels than the model. Profile best stores whole
        subbands, the others the channels with low levels together: where channels end among these, those that are lacking
        are stored as zeros, and a note says so."""
        return self.pack_with_heads(latent).data

    def pack_with_heads(self, latent: Latent) -> PackedFile:
        """As `pack`, with the number of bytes that a reader of few channels needs."""
        model = model_of_latent(latent, self.model)
        form = Form(model.kind, latent.size, latent.sample_type, latent.sample_rate, latent.levels, latent.bit_depth)
        check_form_fits(form, model.num_planes, model)
        plan = self._plan(form, model, latent.step_code, latent.places)
        plan = replace(plan, model=model, packed_model=plan.packed_model or latent.packed_model)
        check_latent_to_pack(latent, plan)
        return pack(latent, plan)

    def unpack(
        self,
        data: Bytes | PathLike | BinaryIO,
        *,
        channels: int | None = None,
        limits: Limits | None = None,
        allow_partial: bool = False,
    ) -> Latent:
        """The latent of an .lcn file, exactly.

        With `channels`, the first of them only, in the axes of `dequantize`, without alpha, reading no further than their
        groups: the head of the file is enough (`pack_with_heads`). `data`: bytes, a path or an open binary file. With
        `allow_partial`, damaged or missing segments become zeros and are listed in `damage`. Raises `BitstreamError`,
        `UnknownModelError`, `OSError`, or `CodecError` for more channels than stored.
        """
        with opened_argument("data", data) as source:
            return unpack(Unpacker(source, SegmentReading(channels, limits, allow_partial), model=self.model))

    def dequantize_batch(
        self, files: Sequence[Bytes | PathLike], *, channels: int
    ) -> Float[NDArray[np.float32], "n channels h w"]:
        """`unpack(file, channels=channels).dequantize()` of each file, to the bit, in one array. Of small pictures in
        profiles fast and small many times sooner than one by one. Raises what `unpack` does, and `CodecError` where sizes
        differ."""
        return dequantized_batch(files, channels, self.model, lambda data: self.unpack(data, channels=channels))

    def synthesize(self, latent: Latent) -> Signal:
        """The signal by linear synthesis; missing channels count as 0."""
        return signal_of(latent, model_of_latent(latent, self.model), fill=self.fill)

    def _check_effort(self, kind: str) -> None:
        if self.effort == SEARCH_EFFORT:
            raise UnsupportedSignalError(f"effort 3 is for pictures, this is {kind}; choose effort 2")
