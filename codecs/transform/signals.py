"""Whole signals <-> coefficients. All float32 in a fixed order of operations (no BLAS, no libm, no contraction), so every
machine finds the same integers and the same samples.

A signal is laid out as *rows* of planes: a picture and a cube are one row; a sound with more channels than its model has
planes is several, one under the other in the latent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import typed_argument
from laconic.codecs.form import form_of, grid_of_form, has_alpha, peak_of_form
from laconic.codecs.latent import Latent
from laconic.codecs.levels import UNLEVELLED, Levels
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import Tree
from laconic.codecs.models.tunings import tuned_model, weighing_places
from laconic.codecs.models.turned_colors import turned_model
from laconic.codecs.models.zoo import load_model_of
from laconic.codecs.plan import Plan, planned_integers
from laconic.codecs.sound_metadata import SECTION_NAME, SoundMetadata
from laconic.codecs.transform import wavelet
from laconic.codecs.transform.band_levels import BandMeter
from laconic.codecs.transform.picture_rows import (
    PictureRows,
    PictureRowsPart,
    coefficients_of_rows,
    packets_of_picture,
    synthesize_picture_rows,
)
from laconic.codecs.transform.projection import project, unproject

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Floats = NDArray[np.float32]


def coefficients_of(signal: Signal, model: Model, levels: Levels = UNLEVELLED) -> Float[Floats, "d h w"]:
    """(d, h, w) latent coefficients in units of these levels, alpha left out, of a signal that fits the model."""
    if isinstance(signal, Image):
        rows = PictureRows(signal.samples, 0, signal.height, signal.peak)
        out = np.empty((model.num_channels, *grid_of_form(form_of(signal), model)), np.float32)
        coefficients_of_rows(rows, (0, out.shape[1]), model, [out])
        return out
    return project(packets_of(signal, model.tree, levels, model.offsets), model)


def packets_of(signal: Signal, tree: Tree, levels: Levels, middles: Float[Floats, " planes"]) -> Float[Floats, "d h w"]:
    """Wavelet packets before any projection: (d, h, w), for one-dimensional signals (d, rows, t), d that of a model whose
    planes have these `middles`."""
    num_planes = len(middles)
    if isinstance(signal, Image):
        return packets_of_picture(signal.samples, signal.peak, tree, num_planes)
    rows = len(signal.samples) // num_planes
    if signal.samples.shape[1] == 0:
        return np.empty((num_planes * tree.num_bands**tree.depth, rows, 0), np.float32)
    samples = levels.normalize(signal.samples, middles)
    packets = wavelet.analyze(samples, tree)
    return packets if tree.dimensions == 2 else packets_in_rows(packets, rows, num_planes)


def packets_in_rows(packets: Float[Floats, "n t"], num_rows: int, num_planes: int) -> Float[Floats, "d num_rows t"]:
    """Packets of lines, of channels in their order, with the channels in so many rows of planes."""
    # (bands, rows, planes, t) -> (bands, planes, rows, t)
    num_places = packets.shape[-1]
    bands = packets.reshape(-1, num_rows, num_planes, num_places).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(bands).reshape(-1, num_rows, num_places)


def latent_of(signal: Signal, values: Int[NDArray[np.int32], "d h w"], plan: Plan) -> Latent:
    """The latent of a signal with these integers, (d, h, w)."""
    form, model = plan.form, plan.model
    alpha, metadata = None, {}
    if isinstance(signal, Image):
        alpha, metadata = signal.samples[:, :, -1] if has_alpha(signal) else None, dict(signal.metadata)
    elif isinstance(signal, Audio) and (section := signal.metadata.to_bytes()):
        metadata = {SECTION_NAME: section}
    return Latent(
        values=values,
        step_code=plan.step_code,
        fingerprint=model.fingerprint,
        shrink=model.shrink_of(plan.step_code, model.num_channels),
        size=form.size,
        sample_type=form.sample_type,
        unit=model.unit,
        sample_rate=form.sample_rate,
        levels=form.levels,
        alpha=alpha,
        metadata=metadata,
        bit_depth=form.bit_depth,
        low=model.low_at(plan.step_code),
        turn=model.turn,
        colors=model.colors,
        tuned=model.tuned,
        places=plan.places,
    )


def planned_latent(signal: Signal, coefficients: Float[Floats, "d h w"], plan: Plan) -> Latent:
    """The latent of a signal with these coefficients, (d, h, w)."""
    noise = None
    if plan.has_noise and coefficients.size:
        found = BandMeter.of_model(plan.model, plan.form.sample_rate).levels(coefficients)
        if found.levels.any():
            noise, coefficients = found, coefficients.copy()
            noise.scale(coefficients, finer=True)
    return replace(latent_of(signal, planned_integers(coefficients, plan), plan), noise=noise)


def model_of_latent(latent: Latent, given: str | None) -> Model:
    """The model of a latent, a shipped one, the `given` or its embedded one, with the tuning, weights and colours it has.
    Raises `CodecError`, `BitstreamError`."""
    typed_argument("the latent", latent, Latent, "a Latent: analyze and unpack give them")
    model = load_model_of(latent.fingerprint, given, latent.packed_model)
    model = model if latent.tuned is None else tuned_model(model, latent.tuned.code)
    model = model if latent.places is None else weighing_places(model)
    return model if latent.colors is None else turned_model(model, latent.colors.numbers)


def signal_of(latent: Latent, model: Model, *, fill: bool = True) -> Signal:
    """Linear synthesis; channels that the latent lacks count as 0. Alpha and metadata are put back. `fill`: of sounds, with
    noise in place of zeros."""
    if model.kind == "image":
        height, width = latent.size
        peak = peak_of_form(latent.sample_type, latent.bit_depth)
        part = PictureRowsPart(
            latent.values,
            (0, 0),
            latent.size,
            latent.step_code,
            peak,
            unmapped=latent.unmapped,
            places=latent.places,
        )
        samples = np.empty((height, width, model.num_planes + (latent.alpha is not None)), latent.sample_type)
        synthesize_picture_rows(part, model, samples, (0, 0))
        if latent.alpha is not None:
            samples[:, :, -1] = latent.alpha
        return Image(samples, latent.metadata, peak.bit_length())
    if latent.size[1] == 0:
        samples = np.zeros(latent.size, np.float32)
    else:
        points = latent.points()
        if fill and latent.noise is not None:
            latent.noise.fill(points, latent.values, latent.step_code, latent.step)
        samples = latent.levels.restore(_planes_of(unproject(points, model), latent, model), model.offsets)
    if model.kind == "sound":
        section = latent.metadata.get(SECTION_NAME)
        metadata = SoundMetadata() if section is None else SoundMetadata.from_bytes(section)
        return Audio(samples, latent.sample_rate, metadata)
    return Cube(_as_type(samples, latent.sample_type))


def _planes_of(packets: Floats, latent: Latent, model: Model) -> Floats:
    """(channels, ...) samples of a sound or cube, in units of their level."""
    num_planes = latent.size[0]
    if model.tree.dimensions == 1:
        rows = packets.shape[1]
        bands = packets.reshape(-1, model.num_planes, rows, packets.shape[-1]).transpose(0, 2, 1, 3)
        packets = np.ascontiguousarray(bands).reshape(-1, packets.shape[-1])
    return np.ascontiguousarray(wavelet.synthesize(packets, model.tree, num_planes, latent.size[1:]))


def _as_type(samples: Floats, sample_type: str) -> NDArray[Any]:
    """Rounded and clipped where the type is an integer."""
    dtype = np.dtype(sample_type)
    if dtype.kind == "f":
        return samples
    limits = np.iinfo(dtype)
    rounded: NDArray[Any] = np.clip(np.floor(samples + np.float32(0.5)), limits.min, limits.max).astype(dtype)
    return rounded
