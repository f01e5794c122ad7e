"""`laconic info`: what the header says, without numpy."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from laconic.tasks.cli import batch, jobs, options, packed_folders
from laconic.tasks.cli.batch import BatchOutcome, BatchScreen
from laconic.tasks.cli.jobs import Job

if TYPE_CHECKING:
    from laconic.codecs.models.zoo import ZooEntry
    from laconic.entropy.container import Header


def info(
    inputs: options.Inputs,
    contact_sheet: Annotated[
        Path | None,
        typer.Option("--contact-sheet", help="Of one packed folder: a PNG of samples of it, decoded small."),
    ] = None,
    model: options.ModelName = None,
    as_json: options.AsJson = False,
    force: options.Force = False,
) -> None:
    """What .lcn files hold, from their headers: size, model, step, layout, rate. Of a packed folder, its statistics."""

    def work(job: Job) -> BatchOutcome:
        if job.source.path is None:
            data = batch.read_bytes(job.source)
            return _outcome(job, io.BytesIO(data), len(data), model)
        with job.source.path.open("rb") as file:
            return _outcome(job, file, job.source.path.stat().st_size, model)

    packs, others = packed_folders.split_packed_folders(inputs)
    if contact_sheet is not None and (len(packs) != 1 or others):
        raise typer.BadParameter("--contact-sheet is of one packed folder; name that alone")
    if contact_sheet is not None and contact_sheet.suffix.lower() != ".png":
        raise typer.BadParameter(f"--contact-sheet is {contact_sheet}; allowed is a name that ends in .png")
    screen, num_failed = BatchScreen(as_json=as_json), 0
    for name in packs:
        from laconic.tasks.cli.pack_info import show_pack_info

        num_failed += not show_pack_info(name, screen, contact_sheet, model=model, force=force)
    if others:
        found = jobs.find_job_sources(others, lambda: (".lcn",))
        for source in found.sources:
            outcome = batch.attempt_in_batch(Job(source), work)
            screen.show(Job(source), outcome)
            num_failed += outcome.failed
        screen.summarize(found, num_failed)
    if num_failed:
        raise typer.Exit(1)


def _outcome(job: Job, file: BinaryIO, num_bytes: int, model: str | None) -> BatchOutcome:
    from laconic.entropy.container import CodecNumber, Source, read_header
    from laconic.tasks.measures.rate import bits_per_pixel

    header = read_header(Source(file))
    is_lossless = header.codec is CodecNumber.LOSSLESS_SOUND
    fields = _lossless_fields(header) if is_lossless else _latent_fields(header, model)
    fields |= {"sections": _sections(header), "bytes": num_bytes}
    if header.codec is CodecNumber.IMAGE:
        fields["bits_per_pixel"] = round(bits_per_pixel(num_bytes, header.shape), 4)
    lines = (f"  {name.replace('_', ' '):<14}  {_text(value)}" for name, value in fields.items())
    return BatchOutcome("\n".join([job.source.name, *lines]), fields)


def _latent_fields(header: Header, model: str | None) -> dict[str, object]:
    entry = _entry_of(header, model)
    return {**_form(header), **_model_fields(header, entry), "step_code": header.step_code}


def _lossless_fields(header: Header) -> dict[str, object]:
    stretch = 1 << (header.tile_log2 or 0)
    return {
        "kind": "sound",
        "lossless": True,
        "shape": list(header.shape),
        "sample_rate_hz": header.sample_rate,
        **_said_of_sound(header),
        "bits": header.sound_bits,
        "tables": header.fingerprint.hex(),
        "segments": -(-header.shape[1] // stretch),
    }


def _form(header: Header) -> dict[str, object]:
    from laconic.entropy.container import CodecNumber

    kind = header.codec.name.lower()
    if header.codec is CodecNumber.IMAGE:
        height, width = header.shape
        size = {"width": width, "height": height}
        axes = list(header.color_axes or ())
        colors = {"bit_depth": header.bit_depth, "alpha": header.has_alpha, "color_axes": axes}
        return {"kind": kind, **size, **colors, "roi": _region_of_interest(header)}
    if header.codec is CodecNumber.SOUND:
        fields: dict[str, object] = {"sample_rate_hz": header.sample_rate, **_said_of_sound(header)}
    else:
        fields = {"sample_type": header.sample_type}
    return {"kind": kind, "shape": list(header.shape), **fields, "level_codes": list(header.level_codes)}


def _region_of_interest(header: Header) -> str:
    if header.place_weights is None:
        return "none"
    side, residuals = 1 << header.place_weights[0], header.place_weights[1]
    return f"{len(residuals)} weights of {side}x{side} places"


def _said_of_sound(header: Header) -> dict[str, object]:
    """Sample format, channel mask and tags, as far as the file says them."""
    from laconic.codecs.sound_metadata import SECTION_NAME, SoundMetadata

    section = header.metadata.get(SECTION_NAME)
    said = SoundMetadata() if section is None else SoundMetadata.from_bytes(section)
    fields = {
        "sample_format": said.sample_format,
        "channel_mask": f"0x{said.channel_mask:X}" if said.channel_mask else None,
        "tags": dict(said.tags),
    }
    return {name: value for name, value in fields.items() if value}


def _entry_of(header: Header, model: str | None) -> ZooEntry | None:
    from laconic.codecs.models.zoo import read_zoo_entry, shipped_models

    entries = list(shipped_models())
    if model is not None and model not in [entry.name for entry in entries]:
        entries.append(read_zoo_entry(model))
    found = next((entry for entry in entries if entry.fingerprint == header.fingerprint), None)
    if found is None and header.packed_model is not None:
        from laconic.codecs.models.embedded_model import embedded_zoo_entry

        return embedded_zoo_entry(header.packed_model, header.fingerprint)
    return found


def _model_fields(header: Header, entry: ZooEntry | None) -> dict[str, object]:
    """What only the model knows is None without it."""
    from laconic.entropy.container import Flag

    names = ("model", "projection", "planes", "channels", "groups", "tiles")
    values: tuple[object, ...] = (None,) * len(names)
    if entry is not None:
        config = json.loads(entry.card["config"])
        ends = config["group_ends"]
        channels = header.stored_channels or ends[-1]
        groups = 1 if Flag.WHOLE in header.flags else 1 + sum(end < channels for end in ends)
        tiles = _num_tiles(header, config)
        projection = entry.card.get("projection", "not said by its model")
        values = (entry.name, projection, entry.num_planes, channels, groups, tiles)
    known = dict(zip(names, values, strict=True))
    progression = "tile" if Flag.TILE_MAJOR in header.flags else "group"
    profile = header.profile.name.lower()
    known["fingerprint"] = header.fingerprint.hex()
    embedded = {} if header.packed_model is None else {"embedded_model_bytes": len(header.packed_model)}
    return {**known, **embedded, "profile": profile, "progression": progression, "tune": _tune(header, entry)}


def _tune(header: Header, entry: ZooEntry | None) -> str | None:
    """What the file says of its steps, by the model's name for it; None of signals that have no tunes."""
    from laconic.entropy.container import CodecNumber

    if header.codec is CodecNumber.SOUND:
        return "snr" if header.noise_levels is None else "machine"
    if header.codec is not CodecNumber.IMAGE:
        return None
    names = [name for name, *_ in json.loads(entry.card["config"]).get("tunings", ())] if entry is not None else []
    if header.tuning is None:
        return names[0] if names else None if entry is None else "none"
    strength, number = divmod(header.tuning, 16)
    of_set = "" if not number else names[number - 1] if number <= len(names) else f"set {number}"
    return ", ".join(part for part in (of_set, f"map of strength {strength}" if strength else "") if part) or "none"


def _num_tiles(header: Header, config: Mapping[str, Any]) -> int:
    """Tiles of the latent grid; in one dimension, a row for each set of planes."""
    from laconic.codecs.models.packet_tree import Tree

    if header.tile_log2 is None:
        return 1
    side, tree = 1 << header.tile_log2, Tree(config["dimensions"], config["depth"], frozenset())
    sides = [tree.places_of(n) for n in header.shape[-tree.dimensions :]]
    if tree.dimensions == 1:
        sides.append(header.shape[0] // config["num_planes"])
    return prod(-(-n // side) for n in sides)


def _sections(header: Header) -> list[str]:
    present = {
        "channels": header.stored_channels is not None,
        "index": header.index is not None,
        "model": header.packed_model is not None,
    }
    return [*sorted(header.metadata), *(name for name, is_there in present.items() if is_there)]


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}={text!r}" for key, text in value.items())  # as Python writes it: without control codes
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown (its model is not at hand; --model)" if value is None else str(value)
