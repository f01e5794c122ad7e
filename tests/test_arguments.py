"""The whole public surface with wrong arguments: each is refused in one sentence, or works as the plain value does.

A call is listed with arguments that work; each of them in turn is replaced by every wrong value. Every public name of the
packages is listed, or named among those that take no arguments worth it.
"""

import importlib
import inspect
import io
import linecache
import math
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import laconic.codecs.pillow  # noqa: F401 - saves .lcn files
from laconic import codecs, entropy
from laconic.codecs import encoding_target, external, files, registry, steps, streams, whole_files
from laconic.codecs.checks import images_to_check, sounds_to_check
from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.codecs.formats import row_files
from laconic.codecs.levels import Levels
from laconic.codecs.models import packet_tree, pretrained, zoo
from laconic.entropy import simd
from laconic.entropy.errors import ArgumentError, BitstreamError
from laconic.tasks.datasets import (
    archive,
    class_folders,
    contact_sheet,
    framing,
    latents,
    pack_index,
    pack_statistics,
    selected_pack,
    selection,
    stored_samples,
    targets,
    unpacking,
    verification,
)
from laconic.tasks.datasets.integrations import latent_decoder, litdata_items, web_shards
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.sources import open_source
from laconic.tasks.measures import bdrate, picture_distortion, rate, sound_distortion
from laconic.tasks.mpq import make_tasks, operating_points

ALLOWED = (CodecError, BitstreamError, ArgumentError, MissingDependencyError)
WRONG: dict[str, Any] = {
    "None": None,
    "text": "x",
    "no text": "",
    "-1": -1,
    "1.5": 1.5,
    "nan": math.nan,
    "inf": math.inf,
    "huge": 10**30,
    "a number of too many digits": 10**5000,
    "True": True,
    "empty list": [],
    "empty tuple": (),
    "empty bytes": b"",
    "bytes": b"abc",
    "dict": {"a": 1},
    "list of texts": ["a", "b"],
    "object": object(),
    "numpy integer": np.int64(1),
    "numpy float": np.float32(1),
    "floats": np.ones((4, 5, 3), np.float64),
    "four axes": np.zeros((2, 3, 4, 5), np.uint8),
    "channels first": np.zeros((3, 14, 15), np.uint8),
    "transposed sound": np.zeros((400, 2), np.float32),
    "complex": np.zeros(3, np.complex64),
    "objects": np.array([None, "a"], object),
    "one axis": np.zeros(7, np.int32),
    "no samples": np.zeros((0, 3), np.float32),
}
PLAIN = {"numpy integer": 1, "numpy float": 1.0}
# Public names that are no calls: interfaces, and what `fit` and `load` make.
NOT_CALLED = {"codecs": {"Codec", "LatentCodec", "Model"}}


class Picture(SimpleNamespace):
    """A source of rows, for `encode_rows`."""

    def read_rows(self, count: int) -> Any:
        self.at += count
        return self.samples[self.at - count : self.at]


def rows_of(samples: Any) -> Picture:
    return Picture(height=samples.shape[0], width=samples.shape[1], samples=samples, at=0)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Small signals, files and a pack."""
    root = tmp_path_factory.mktemp("scene")
    picture = codecs.Image(np.random.default_rng(0).integers(0, 256, (14, 15, 3)).astype(np.uint8))
    sound = codecs.Audio(np.random.default_rng(0).normal(0, 0.1, (1, 400)).astype(np.float32), 8000)
    whole_sound = codecs.Audio.from_array(np.arange(400, dtype=np.int16), 8000)
    speech = codecs.Audio(np.zeros((1, 400), np.float32), 16_000)
    codec = codecs.Lcn()
    for name in ("a", "b"):
        (root / "classes" / name).mkdir(parents=True)
        files.write_image(picture, root / "classes" / name / "x.png")
    archive.pack(root / "classes", root / "pack")
    files.write_image(picture, root / "x.png")
    (root / "x.wav").write_bytes(files.signal_bytes(sound, ".wav"))
    tables = entropy.TableSet((entropy.table_of_counts([-1, 0, 1], [1, 6, 1]),))
    return SimpleNamespace(
        root=root,
        picture=picture,
        sound=sound,
        data=codec.encode(picture),
        sound_data=codec.encode(sound),
        whole_sound=whole_sound,
        speech=speech,
        lossless_data=codecs.LcnLossless().encode(whole_sound),
        latent=codec.analyze(picture),
        tables=tables,
        values=np.array([0, 1, -1, 0], np.int32),
        packet=entropy.encode_array(np.array([0, 1, -1, 0], np.int32), tables),
        stream=entropy.encode(np.array([0, 1, -1, 0], np.int32), tables),
        dataset=latents.LatentDataset(root / "pack"),
    )


Call = tuple[Callable[..., Any], dict[str, Any]]
CALLS: dict[str, Callable[[Any], Call]] = {
    "codecs.Image": lambda s: (
        codecs.Image,
        {"samples": s.picture.samples, "metadata": {"icc": b"abc"}, "bit_depth": 8},
    ),
    "codecs.Image.from_array": lambda s: (codecs.Image.from_array, {"array": s.picture.samples}),
    "codecs.Image.from_pillow": lambda s: (
        codecs.Image.from_pillow,
        {"picture": s.picture.to_pillow(), "exif": b"", "bit_depth": 0},
    ),
    "codecs.Audio": lambda s: (codecs.Audio, {"samples": s.sound.samples, "sample_rate": 8000}),
    "codecs.Audio.from_array": lambda s: (codecs.Audio.from_array, {"array": s.sound.samples, "sample_rate": 8000}),
    "codecs.Cube": lambda s: (codecs.Cube, {"samples": s.picture.samples}),
    "codecs.Latent": lambda s: (codecs.Latent, dict(vars(s.latent))),
    "codecs.SoundMetadata": lambda s: (
        codecs.SoundMetadata,
        {"sample_format": "int16", "channel_mask": 3, "tags": {"title": "a"}},
    ),
    "codecs.Lcn": lambda s: (codecs.Lcn, {name: getattr(codecs.Lcn(), name) for name in fields_of(codecs.Lcn)}),
    "codecs.FitOptions": lambda s: (codecs.FitOptions, dict(vars(codecs.FitOptions()))),
    "codecs.encode": lambda s: (
        codecs.encode,
        {"picture": s.picture, "quality": 30, "model": "rgb", "profile": "fast", "effort": 1, "threads": 1}
        | {"synthesis": "linear"},
    ),
    "codecs.encode to a rate": lambda s: (codecs.encode, {"picture": s.picture, "bits_per_pixel": 9.0}),
    "codecs.encode to a size": lambda s: (codecs.encode, {"picture": s.picture, "max_bytes": 500}),
    "codecs.encode to a rate of sound": lambda s: (codecs.encode, {"picture": s.sound, "kilobits_per_second": 80.0}),
    "codecs.encode to an SNR": lambda s: (codecs.encode, {"picture": s.sound, "snr_db": 9.0}),
    "codecs.encode to a PRD": lambda s: (codecs.encode, {"picture": s.sound, "prd_percent": 30.0}),
    "codecs.encode to an error": lambda s: (codecs.encode, {"picture": s.sound, "max_error": 0.1}),
    "codecs.decode": lambda s: (
        codecs.decode,
        {"data": s.data, "region": (0, 0, 4, 4), "scale": 2, "channels": 3, "model": "rgb", "limits": entropy.Limits()}
        | {"allow_partial": False, "threads": 1, "synthesis": "linear"},
    ),
    "codecs.decode_sound": lambda s: (
        codecs.decode_sound,
        {"data": s.sound_data, "start_seconds": 0.01, "seconds": 0.02, "model": "mono", "limits": entropy.Limits()}
        | {"allow_partial": False, "fill": True},
    ),
    "codecs.open_sound": lambda s: (
        lambda **given: codecs.open_sound(**given).audio(),
        {"data": s.sound_data, "start_seconds": 0.01, "seconds": 0.02, "channels": 9, "model": "mono", "limits": None}
        | {"allow_partial": False, "fill": True},
    ),
    "codecs.fit": lambda s: (unless_it_fits, {"signals": [], "name": "own", "options": codecs.FitOptions()}),
    "codecs.open": lambda s: (
        codecs.open,
        {"source": s.root / "x.png", "model": "rgb", "limits": entropy.Limits(), "frame": 0, "bit_depth": 0},
    ),
    "codecs.save": lambda s: (
        codecs.save,
        {"image": s.picture, "target": s.root / "out.png", "file_format": "png"},
    ),
    "Model.load": lambda s: (codecs.Model.load, {"path": zoo.model_path("grey")}),
    "Model.save": lambda s: (zoo.load_model("grey").save, {"path": s.root / "grey.safetensors"}),
    "Lcn.encode": lambda s: (codecs.Lcn().encode, {"signal": s.picture}),
    "Lcn.encode_rows": lambda s: (
        lambda **given: codecs.Lcn().encode_rows(
            **{**given, "rows": rows_of(s.picture.samples) if given["rows"] is s.picture else given["rows"]}
        ),
        {"rows": s.picture, "num_colors": 3, "sample_type": "uint8", "metadata": {"icc": b"abc"}},
    ),
    "Lcn.encode_blocks": lambda s: (
        codecs.Lcn().encode_blocks,
        {"blocks": [s.sound.samples], "sample_rate": 8000, "metadata": codecs.SoundMetadata()},
    ),
    "Lcn.decode": lambda s: (codecs.Lcn().decode, {"data": s.data}),
    "Lcn.decode_area": lambda s: (
        codecs.Lcn().decode_area,
        {"data": s.data, "region": (0, 0, 4, 4), "scale": 1, "channels": 3, "limits": None, "allow_partial": True},
    ),
    "Lcn.open_area": lambda s: (
        lambda **given: codecs.Lcn().open_area(**given).image(),
        {"data": s.data, "region": (0, 0, 4, 4), "scale": 1, "channels": 3, "limits": None, "allow_partial": True},
    ),
    "Lcn.analyze": lambda s: (codecs.Lcn().analyze, {"signal": s.picture}),
    "Lcn.analyze_steps": lambda s: (codecs.Lcn().analyze_steps, {"signal": s.picture, "step_codes": [150, 160]}),
    "Lcn.plan_of": lambda s: (
        lambda **given: codecs.Lcn().plan_of(**given).step_code,
        {"signal": s.picture, "step_code": 150},
    ),
    "Lcn.pack": lambda s: (codecs.Lcn().pack, {"latent": s.latent}),
    "Lcn.pack_with_heads": lambda s: (codecs.Lcn().pack_with_heads, {"latent": s.latent}),
    "PackedFile.head_bytes": lambda s: (codecs.Lcn().pack_with_heads(s.latent).head_bytes, {"channels": 3}),
    "Lcn.unpack": lambda s: (
        codecs.Lcn().unpack,
        {"data": s.data, "channels": 3, "limits": None, "allow_partial": False},
    ),
    "codecs.LcnLossless": lambda s: (codecs.LcnLossless, {"effort": 1, "threads": 1}),
    "LcnLossless.encode": lambda s: (codecs.LcnLossless().encode, {"signal": s.whole_sound}),
    "LcnLossless.decode": lambda s: (codecs.LcnLossless().decode, {"data": s.lossless_data}),
    "codecs.SpeechTokens": lambda s: (codecs.SpeechTokens, {"stages": 1, "model": "speech"}),
    "SpeechTokens.encode": lambda s: (codecs.SpeechTokens().encode, {"audio": s.speech}),
    "SpeechTokens.decode": lambda s: (codecs.SpeechTokens().decode, {"tokens": np.zeros((2, 5), np.int16)}),
    "codecs.encode of integers": lambda s: (codecs.encode, {"picture": s.whole_sound, "lossless": True}),
    "Lcn.synthesize": lambda s: (codecs.Lcn().synthesize, {"latent": s.latent}),
    "Levels": lambda s: (Levels, {"codes": (0,), "offset_codes": ()}),
    "files.read_sound": lambda s: (files.read_sound, {"source": s.root / "x.wav", "model": "mono"}),
    "files.read_signal": lambda s: (
        files.read_signal,
        {"source": s.root / "x.png", "kind": "image", "limits": None, "frame": 0, "bit_depth": 0},
    ),
    "files.signal_bytes": lambda s: (files.signal_bytes, {"signal": s.sound, "extension": ".wav"}),
    "files.file_bytes": lambda s: (files.file_bytes, {"image": s.picture, "extension": "png"}),
    "files.format_of": lambda s: (files.format_of, {"extension": "png"}),
    "streams.encode_file": lambda s: (
        streams.encode_file,
        {
            "source": s.root / "x.png",
            "codec": codecs.Lcn(),
            "kind": "image",
            "limits": None,
            "frame": 0,
            "bit_depth": 0,
        },
    ),
    "streams.encode_file_to_target": lambda s: (
        streams.encode_file_to_target,
        {
            "source": s.root / "x.png",
            "codec": codecs.Lcn(),
            "target": encoding_target.EncodingTarget(max_bytes=900),
            "kind": "image",
            "limits": None,
            "frame": 0,
            "bit_depth": 0,
        },
    ),
    "encoding_target.EncodingTarget": lambda s: (encoding_target.EncodingTarget, {"snr_db": 3.0}),
    "streams.stream_picture": lambda s: (
        streams.stream_picture,
        {"part": codecs.Lcn().open_area(s.data), "target": io.BytesIO(), "extension": ".png"},
    ),
    "streams.stream_sound": lambda s: (
        streams.stream_sound,
        {
            "part": codecs.open_sound(s.sound_data),
            "target": io.BytesIO(),
            "extension": ".wav",
            "sample_format": "int16",
        },
    ),
    "row_files.open_rows": lambda s: (
        lambda **given: row_files.open_rows(**given) is None,
        {"source": s.root / "x.png", "frame": None},
    ),
    "row_files.create_rows": lambda s: (
        row_files.create_rows,
        {"file": io.BytesIO(), "extension": ".ppm", "shape": (2, 3, 3), "dtype": np.uint8, "metadata": {}},
    ),
    "registry.make_codec": lambda s: (registry.make_codec, {"spec": "jpeg:quality=25"}),
    "registry.codec_class": lambda s: (registry.codec_class, {"name": "jpeg"}),
    "registry.decoder_class": lambda s: (registry.decoder_class, {"head": s.data}),
    "zoo.load_model": lambda s: (zoo.load_model, {"name": "grey"}),
    "zoo.read_zoo_entry": lambda s: (zoo.read_zoo_entry, {"path": zoo.model_path("grey")}),
    "zoo.load_model_of": lambda s: (zoo.load_model_of, {"fingerprint": s.latent.fingerprint, "given": "rgb"}),
    "packet_tree.full_tree": lambda s: (packet_tree.full_tree, {"dimensions": 2, "depth": 2}),
    "packet_tree.mdct_tree": lambda s: (packet_tree.mdct_tree, {"depth": 2}),
    "packet_tree.dyadic_tree": lambda s: (packet_tree.dyadic_tree, {"dimensions": 2, "depth": 2}),
    "whole_files.atomic_write": lambda s: (
        whole_files.atomic_write,
        {"path": s.root / "whole", "data": b"abc", "force": True},
    ),
    "steps.step_code_of_quality": lambda s: (steps.step_code_of_quality, {"quality": 50}),
    "checks.images_to_check": lambda s: (images_to_check, {"modes": ("L",), "seed": 0}),
    "checks.sounds_to_check": lambda s: (sounds_to_check, {"sample_rates": (8000,), "num_channels": (1,), "seed": 0}),
    "the Pillow plugin": lambda s: (
        lambda **given: s.picture.to_pillow().save(io.BytesIO(), "LCN", **given),
        {"quality": 50, "model": "rgb", "profile": "small", "effort": 1, "icc_profile": b"abc", "exif": b""},
    ),
    **{
        f"external.{name}": lambda s, name=name: (
            getattr(external, name),
            {field: getattr(getattr(external, name)(), field) for field in fields_of(getattr(external, name))},
        )
        for name in external.__all__
    },
    **{
        f"external.{name}.encode": lambda s, name=name: (
            getattr(external, name)().encode,
            {"signal": s.sound if name in ("Flac", "Mp3", "Opus", "Vorbis") else s.picture},
        )
        for name in external.__all__
    },
    **{
        f"external.{name}.decode": lambda s, name=name: (
            getattr(external, name)().decode,
            {
                "data": getattr(external, name)().encode(
                    s.sound if name in ("Flac", "Mp3", "Opus", "Vorbis") else s.picture
                )
            },
        )
        for name in external.__all__
    },
    "entropy.Limits": lambda s: (entropy.Limits, {"max_pixels": 100, "max_metadata_bytes": 100}),
    "entropy.ContextModel": lambda s: (entropy.ContextModel, dict(fields_and_values(zoo.load_model("grey").contexts))),
    "entropy.Table": lambda s: (
        lambda **given: entropy.TableSet((entropy.Table(**given),)),
        {"first": 0, "frequencies": (65535, 1)},
    ),
    "entropy.TableSet": lambda s: (entropy.TableSet, {"tables": s.tables.tables}),
    "entropy.TableSet.from_bytes": lambda s: (entropy.TableSet.from_bytes, {"data": s.tables.to_bytes()}),
    "entropy.encode": lambda s: (
        entropy.encode,
        {"values": s.values, "tables": s.tables, "indices": np.zeros(4, np.uint8), "lanes": 4},
    ),
    "entropy.decode": lambda s: (
        entropy.decode,
        {"data": s.stream, "count": 4, "tables": s.tables, "indices": 0, "lanes": 4, "dtype": np.int32},
    ),
    "entropy.RansMessage": lambda s: (
        lambda **given: entropy.encode_rans_messages([entropy.RansMessage(**given)], s.tables, lanes=4),
        {"values": s.values, "indices": 0, "mark": 5, "fronts": np.empty(0, np.uint8)},
    ),
    "entropy.encode_rans_messages": lambda s: (
        entropy.encode_rans_messages,
        {"messages": [entropy.RansMessage(s.values, 0)], "tables": s.tables, "lanes": 4, "tail": 0},
    ),
    "entropy.Decoder": lambda s: (
        lambda **given: entropy.Decoder(**given).decode(4, s.tables),
        {"data": s.stream, "lanes": 4},
    ),
    "entropy.Decoder.decode": lambda s: (
        lambda **given: entropy.Decoder(s.stream, 4).decode(**given),
        {"count": 4, "tables": s.tables, "indices": 0, "dtype": np.int16},
    ),
    "entropy.Decoder.decode_into": lambda s: (
        lambda **given: entropy.Decoder(s.stream, 4).decode_into(**given),
        {"out": np.empty(4, np.int32), "tables": s.tables, "indices": 0},
    ),
    "entropy.ideal_bits": lambda s: (entropy.ideal_bits, {"values": s.values, "tables": s.tables, "indices": 0}),
    "entropy.encode_array": lambda s: (
        entropy.encode_array,
        {"values": s.values, "tables": s.tables, "indices": 0, "step": 1.0, "threads": 1, "chunk_symbols": 100},
    ),
    "entropy.decode_array": lambda s: (
        entropy.decode_array,
        {"data": s.packet, "tables": s.tables, "indices": 0, "dtype": np.int32, "step": 1.0, "threads": 1},
    ),
    "entropy.decode_array into": lambda s: (
        entropy.decode_array,
        {"data": s.packet, "tables": s.tables, "out": np.empty(4, np.int32)},
    ),
    "entropy.encode_batch": lambda s: (
        entropy.encode_batch,
        {"values": s.values.reshape(2, 2), "tables": s.tables, "indices": 0, "step": 1.0, "threads": 1},
    ),
    "entropy.decode_batch": lambda s: (
        entropy.decode_batch,
        {"packets": [s.packet], "tables": s.tables, "indices": 0, "dtype": np.int32, "step": 1.0, "threads": 1},
    ),
    "entropy.decode_batch into": lambda s: (
        entropy.decode_batch,
        {"packets": [s.packet], "tables": s.tables, "out": np.empty((1, 4), np.int32)},
    ),
    "entropy.frequencies_of_counts": lambda s: (entropy.frequencies_of_counts, {"counts": [1, 2]}),
    "entropy.table_of_counts": lambda s: (entropy.table_of_counts, {"values": [-1, 0, 1], "counts": [1, 6, 1]}),
    "entropy.table_of_probabilities": lambda s: (
        entropy.table_of_probabilities,
        {"values": [-1, 0, 1], "probabilities": [0.2, 0.6, 0.2], "tolerance": 0.1},
    ),
    "entropy.tables_of_cdfs": lambda s: (
        entropy.tables_of_cdfs,
        {"cdfs": [[0, 30000, 65536]], "sizes": [3], "offsets": [0]},
    ),
    "simd.use": lambda s: (simd.use, {"level": simd.current()}),
    "rate.bits_per_pixel": lambda s: (rate.bits_per_pixel, {"data": b"abc", "shape": (4, 3, 3)}),
    "rate.kilobits_per_second": lambda s: (rate.kilobits_per_second, {"data": 16000, "duration_seconds": 4.0}),
    "rate.compression_ratio": lambda s: (rate.compression_ratio, {"data": b"abc", "raw_bytes": 12}),
    "psnr": lambda s: (picture_distortion.psnr, {"reference": s.picture, "other": s.picture}),
    "ms_ssim": lambda s: (
        picture_distortion.ms_ssim,
        {"reference": np.zeros((161, 161), np.uint8), "other": np.zeros((161, 161), np.uint8)},
    ),
    "snr_db": lambda s: (sound_distortion.snr_db, {"reference": s.sound, "other": s.sound}),
    "si_sdr_db": lambda s: (sound_distortion.si_sdr_db, {"reference": s.sound, "other": s.sound}),
    "log_mel_distance": lambda s: (
        sound_distortion.log_mel_distance,
        {"reference": s.sound, "other": s.sound, "sample_rate": 8000},
    ),
    "bd_rate": lambda s: (
        bdrate.bd_rate,
        {"anchor": [(0.5, 30), (1, 34)], "test": [(0.4, 30), (0.8, 34)], "low": 0.0, "high": 9.0},
    ),
    "Framing": lambda s: (framing.Framing, {"size": 8, "sample_rate_hz": 8000, "seconds": 1.0, "bit_depth": 12}),
    "framing.read_signal": lambda s: (
        framing.read_signal,
        {"path": s.root / "x.png", "kind": "image", "framing": framing.Framing(8), "model": None},
    ),
    "framing.framed": lambda s: (framing.framed, {"signal": s.sound, "framing": framing.Framing(seconds=0.1)}),
    "PackOptions": lambda s: (pack_index.PackIndexOptions, dict(vars(pack_index.PackIndexOptions(size=8)))),
    "pack": lambda s: (
        archive.pack,
        {
            "source": s.root / "classes",
            "output": s.root / "pack",
            "options": pack_index.PackIndexOptions(),
            "engine": ThreadEngine(1),
        },
    ),
    "read_index": lambda s: (pack_index.read_index, {"folder": s.root / "pack"}),
    "open_pack_source": lambda s: (open_source.open_pack_source, {"path": s.root / "classes", "splits": {}}),
    "list_class_folder": lambda s: (class_folders.list_class_folder, {"root": s.root / "classes", "splits": {}}),
    "LatentDataset": lambda s: (
        lambda **given: latents.LatentDataset(**given).array(0),
        {
            "folder": s.root / "pack",
            "channels": 3,
            "split": "all",
            "model": None,
            "scaling": "common",
            "targets": ("cls",),
        },
    ),
    "LatentDataset.array": lambda s: (s.dataset.array, {"index": 0}),
    "LatentDataset.latent": lambda s: (s.dataset.latent, {"index": 0}),
    "LatentDataset.target": lambda s: (s.dataset.target, {"index": 0, "suffix": "cls"}),
    "decode_target": lambda s: (targets.decode_target, {"suffix": "txt", "data": b"abc"}),
    "StoredSamples": lambda s: (
        lambda **given: stored_samples.StoredSamples(**given).lcn(0),
        {"folder": s.root / "pack"},
    ),
    "verify_pack": lambda s: (
        verification.verify_pack,
        {"samples": stored_samples.StoredSamples(s.root / "pack"), "model": None, "num_threads": 1},
    ),
    "UnpackOptions": lambda s: (
        unpacking.UnpackOptions,
        {"extension": ".png", "model": None, "synthesis": "linear", "force": True},
    ),
    "unpack_samples": lambda s: (
        lambda **given: [place.path for place, _ in unpacking.unpack_samples(**given)],
        {
            "samples": stored_samples.StoredSamples(s.root / "pack"),
            "output": s.root / "unpacked",
            "options": unpacking.UnpackOptions(force=True),
            "num_threads": 1,
        },
    ),
    "safe_name": lambda s: (unpacking.safe_name, {"name": "a", "otherwise": "b"}),
    "pack_statistics": lambda s: (
        lambda **given: pack_statistics.pack_statistics(**given).samples,
        {"samples": stored_samples.StoredSamples(s.root / "pack")},
    ),
    "contact_sheet": lambda s: (
        lambda **given: contact_sheet.contact_sheet(**given)[1],
        {"samples": stored_samples.StoredSamples(s.root / "pack"), "num_samples": 2, "model": None},
    ),
    "sound_thumbnail": lambda s: (contact_sheet.sound_thumbnail, {"sound": s.sound}),
    "SelectionSize": lambda s: (selection.SelectionSize, {"percent": 50.0, "count": None}),
    "parse_selection": lambda s: (selection.parse_selection, {"text": "30%"}),
    "selected_source": lambda s: (
        lambda **given: selected_pack.selected_source(**given).notes,
        {"folder": s.root / "pack", "size": selection.SelectionSize(percent=50), "model": None},
    ),
    "copy_pack": lambda s: (
        lambda **given: len(selected_pack.copy_pack(**given)),
        {
            "source": selected_pack.selected_source(s.root / "pack", selection.SelectionSize(percent=50)),
            "output": s.root / "part",
            "engine": ThreadEngine(1),
        },
    ),
    "LatentDecoder": lambda s: (
        latent_decoder.LatentDecoder,
        {"channels": 1, "scale": (1.0,), "shift": (0.5,), "model": None},
    ),
    "LatentDecoder.of_pack": lambda s: (
        latent_decoder.LatentDecoder.of_pack,
        {"folder": s.root / "pack", "channels": 3, "scaling": "common", "model": None},
    ),
    "LatentDecoder.array": lambda s: (latent_decoder.LatentDecoder(3).array, {"data": s.data}),
    "LatentDecoder.arrays": lambda s: (latent_decoder.LatentDecoder(3).arrays, {"files": [s.data, s.data]}),
    "BatchedLatents": lambda s: (
        lambda **given: web_shards.BatchedLatents(**given).batch_size,
        {"batch_size": 2, "decoder": latent_decoder.LatentDecoder(), "drop_last": True},
    ),
    "PictureHandler": lambda s: (web_shards.PictureHandler, {"scale": 2, "model": None}),
    "LcnItem": lambda s: (litdata_items.LcnItem, {"data": b"abc"}),
    "litdata_items": lambda s: (
        lambda **given: next(litdata_items.litdata_items(**given))["key"],
        {"folder": s.root / "pack", "split": "all"},
    ),
    "pretrained_folder": lambda s: (
        pretrained.pretrained_folder,
        {"name": s.root, "revision": None, "local_files_only": True, "cache_dir": s.root},
    ),
    "save_pretrained_model": lambda s: (
        pretrained.save_pretrained_model,
        {"model": "grey", "folder": s.root / "shared", "force": True},
    ),
    "operating_points": lambda s: (operating_points, {"specs": ["jpeg:quality=10"], "qualities": (10,)}),
    "make_tasks": lambda s: (make_tasks, {"names": ["imagenet"], "data": s.root, "models": s.root}),
}
# Raise a sentence as ValueError, as their documentation says.
VALUE_ERRORS = ("entropy.", "rate.", "psnr", "ms_ssim", "snr_db", "si_sdr_db", "log_mel_distance", "bd_rate", "simd.")


def unless_it_fits(**given: Any) -> None:
    """`fit`, which takes seconds: without signals, of which it complains last."""
    try:
        codecs.fit(**given)
    except CodecError as err:
        if "there is no signal to fit to" not in str(err):
            raise


def fields_of(kind: type) -> list[str]:
    return list(inspect.signature(kind).parameters)


def fields_and_values(instance: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(instance, name)) for name in fields_of(type(instance))]


def outcome(function: Callable[..., Any], given: dict[str, Any]) -> tuple[str, Any]:
    """What a call gave, or the error that it raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "result", function(**given)
    except Exception as err:
        return "error", err


def fault_of(err: Exception, name: str, value: Any) -> str | None:
    """What is wrong with an error, None where nothing is."""
    text = str(err)
    where = err.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    line = linecache.getline(where.tb_frame.f_code.co_filename, where.tb_lineno).strip() if where else ""
    is_ours = isinstance(err, ALLOWED)
    is_ours |= isinstance(err, OSError) and isinstance(value, str)  # a path to nothing
    is_ours |= isinstance(err, FileExistsError)
    is_ours |= isinstance(err, IndexError) and name.startswith("LatentDataset") and line.startswith("raise ")
    is_ours |= (
        type(err) is ValueError and name.startswith(VALUE_ERRORS) and (line.startswith("raise ") or "native." in line)
    )
    if not is_ours:
        return f"raises {type(err).__name__} ({text[:150]}) at {line}"
    if len(text.split()) < 4 or "\n" in text:
        return f"says {text!r}, which is no sentence"
    return None


def same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other) or repr(one) == repr(other)


@pytest.mark.parametrize("name", CALLS)
def test_wrong_arguments_are_refused_in_one_sentence(name, scene, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function, given = CALLS[name](scene)
    kind, result = outcome(function, given)
    assert kind == "result" or name == "make_tasks", result
    faults = []
    for parameter in given:
        for label, value in WRONG.items():
            function, given = CALLS[name](scene)
            kind, result = outcome(function, {**given, parameter: value})
            fault = fault_of(result, name, value) if kind == "error" else None
            if fault is None and label in PLAIN and parameter != "dtype":
                function, given = CALLS[name](scene)
                plain_kind, plain = outcome(function, {**given, parameter: PLAIN[label]})
                if kind != plain_kind or (kind == "result" and not same(result, plain)):
                    fault = f"gives {result!r:.80}, the plain value {plain!r:.80}"
            if fault is not None:
                faults.append(f"{parameter} = {label}: {fault}")
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("package", ["codecs", "entropy", "codecs.external"])
def test_every_public_name_is_called(package):
    module = importlib.import_module(f"laconic.{package}")
    prefix = package.rpartition(".")[2]
    found = {name: getattr(module, name) for name in module.__all__}
    errors = {name for name, value in found.items() if inspect.isclass(value) and issubclass(value, Exception)}
    called = {call.partition(".")[2] for call in CALLS if call.startswith(prefix + ".")}
    assert found.keys() - errors - called == NOT_CALLED.get(prefix, set())
