"""Learned image codecs of CompressAI: the factorised prior and the hyperpriors of Ballé, Minnen and others.

The package's published metadata asks for numpy below 2, so it is installed without its dependencies:
`pip install --no-deps compressai` and then `pip install einops pytorch-msssim scipy pandas tqdm torch-geometric`.
"""

from __future__ import annotations

import importlib
import struct
import sys
import types
import warnings
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    choice_argument,
    read_bytes_argument,
    settle_arguments,
    text_argument,
    whole_number_argument,
)
from laconic.codecs.errors import MissingDependencyError, WeightsError
from laconic.codecs.external._pillow import check_kind
from laconic.codecs.media import Image
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError, TruncatedError

# Those whose `compress` gives strings and a shape; numbers are stored in files.
_ModelName = Literal["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018"]
_MODELS = get_args(_ModelName)
_SIDE = 64  # the least common multiple of the models' strides
# Magic, model, quality, height, width, latent height and width, number of strings; a u32 length before each string; at
# the end a CRC-32, as CompressAI's native decoder does not check what it reads.
_HEADER = struct.Struct("<4sBBIIHHB")
_MAGIC = b"CAI1"
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class CompressAI:
    """`model` of CompressAI's zoo at its `quality` (1 to 8; it chooses the width), with the weights of `checkpoint`.

    `checkpoint` is a file of `torch.save` with a state dict, as CompressAI's training and `update_model` write it, or a
    .safetensors file with the same, whose metadata names the `architecture` and its widths `N` and `M`; the weights say
    the width then, and `quality` only what is written into files. None takes random weights, always the same: the path
    runs, the pictures are bad. 8-bit RGB. The probabilities are
    computed in floats, so files decode on the same kind of machine only. Do not decode files of strangers: a checksum
    finds damage, not intent.
    """

    model: _ModelName = "bmshj2018-factorized"
    quality: int = 1
    checkpoint: str | None = None

    name: ClassVar[str] = "compressai"

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            checkpoint=None if self.checkpoint is None else text_argument("CompressAI checkpoint", self.checkpoint),
            model=choice_argument("CompressAI model", self.model, _MODELS),
            quality=whole_number_argument("CompressAI quality", self.quality, 1, 8),
        )

    def encode(self, signal: Image) -> bytes:
        check_kind(signal, "CompressAI", ("8-bit RGB",))
        import torch

        network = _network(self.model, self.quality, self.checkpoint)
        height, width = signal.samples.shape[:2]
        padded = np.pad(signal.samples, ((0, -height % _SIDE), (0, -width % _SIDE), (0, 0)), mode="edge")
        pixels = torch.from_numpy(np.moveaxis(padded, -1, 0)[None].astype(np.float32) / 255)
        with torch.no_grad():
            coded = network.compress(pixels)
        strings = [string for (string,) in coded["strings"]]  # one picture in the batch
        fields = (_MODELS.index(self.model), self.quality, height, width, *coded["shape"], len(strings))
        parts = [_HEADER.pack(_MAGIC, *fields)]
        parts += [_LENGTH.pack(len(string)) + string for string in strings]
        content = b"".join(parts)
        return content + _LENGTH.pack(zlib.crc32(content))

    def decode(self, data: Bytes | PathLike) -> Image:
        data = read_bytes_argument("data", data)
        height, width, shape, strings = self._parse(data)
        import torch

        network = _network(self.model, self.quality, self.checkpoint)
        with torch.no_grad():
            decoded = network.decompress([[string] for string in strings], shape)["x_hat"]
        pixels = np.moveaxis(decoded.numpy()[0], 0, -1)[:height, :width]
        if pixels.shape != (height, width, 3):
            raise CorruptStreamError(f"the file claims {width} x {height} pixels, but holds {pixels.shape[:2]}")
        return Image(np.ascontiguousarray(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)))

    def _parse(self, data: bytes) -> tuple[int, int, tuple[int, int], list[bytes]]:
        """(height, width, shape of the latent, strings), after the checksum."""
        if len(data) < _HEADER.size + _LENGTH.size:
            raise TruncatedError(f"the file has {len(data)} bytes; a CompressAI file has {_HEADER.size} and more")
        magic, model, quality, height, width, rows, columns, count = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise CorruptStreamError(f"the file starts with {magic!r}; a CompressAI file of ours with {_MAGIC!r}")
        content, (checksum,) = data[: -_LENGTH.size], _LENGTH.unpack(data[-_LENGTH.size :])
        if zlib.crc32(content) != checksum:
            raise ChecksumError(f"the CompressAI file of {len(data)} bytes is cut or damaged: its CRC-32 differs")
        if model >= len(_MODELS) or (_MODELS[model], quality) != (self.model, self.quality):
            name = _MODELS[model] if model < len(_MODELS) else f"model {model}"
            raise BitstreamError(f"the file is of {name} at quality {quality}, not {self.model} at {self.quality}")
        strings, position = [], _HEADER.size
        for _ in range(count):
            length = int.from_bytes(content[position : position + _LENGTH.size], "little")
            position += _LENGTH.size
            strings.append(content[position : position + length])
            position += length
        if position != len(content):
            raise CorruptStreamError(f"the file's strings end at {position} of {len(content)} bytes")
        return height, width, (rows, columns), strings


@lru_cache(maxsize=2)
def _network(model: str, quality: int, checkpoint: str | None) -> Any:
    """Ready to code: weights loaded, integer tables made."""
    models = zoo()
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = models[model](quality=quality, metric="mse", pretrained=False).eval()
    if checkpoint is not None:
        try:
            network = _loaded(type(network), model, checkpoint).eval()
        except WeightsError:
            raise
        except OSError as err:
            raise WeightsError(
                f"{checkpoint} cannot be read: {err.strerror or err}; name a checkpoint of {model}"
            ) from err
        except Exception as err:  # pickle, torch and CompressAI raise nearly anything for a wrong file
            raise WeightsError(f"{checkpoint} holds no weights of {model}: {' '.join(str(err).split())[:200]}") from err
    network.update(force=True)
    return network


def _loaded(kind: Any, model: str, checkpoint: str) -> Any:
    """A network of this class with the weights of a file; all that torch raises for a wrong one."""
    import torch

    if not checkpoint.endswith(".safetensors"):
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
        return kind.from_state_dict(weights.get("state_dict", weights))
    from safetensors import safe_open

    with safe_open(checkpoint, "pt") as file:
        about = file.metadata() or {}
        weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (not a mapping)
    if about.get("architecture") != model:
        raise WeightsError(f"{checkpoint} holds weights of {about.get('architecture')}, not of {model}; name its model")
    network = kind(int(about["N"]), int(about["M"]))
    # The integer tables need not be there: they are made of the weights.
    network.load_state_dict(network.state_dict() | weights)
    return network


def zoo() -> Any:
    """CompressAI's models by name.

    Its import needs torchvision for a list of picture transforms, which nothing here uses. Where torchvision is absent
    or broken (its wheels for CUDA beside torch for the CPU), an empty module stands in meanwhile.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch_geometric scripts its classes, which torch deprecates
        with suppress(ImportError):  # first, as it looks whether there is a torchvision, for which stand-ins are none
            importlib.import_module("torch_geometric")
        stand_ins = _stand_ins()
        sys.modules.update(stand_ins)
        try:
            from compressai.zoo import image_models
        except ImportError as err:
            raise MissingDependencyError(
                f"CompressAI cannot be imported ({err}); install it: pip install --no-deps compressai, "
                "then pip install einops pytorch-msssim scipy pandas tqdm torch-geometric"
            ) from err
        finally:
            for name in stand_ins:
                sys.modules.pop(name, None)
    return image_models


def _stand_ins() -> dict[str, types.ModuleType]:
    try:
        importlib.import_module("torchvision.transforms")
    except (ImportError, RuntimeError):  # RuntimeError: operator torchvision::nms does not exist
        package, transforms = types.ModuleType("torchvision"), types.ModuleType("torchvision.transforms")
        vars(package)["transforms"] = transforms
        return {"torchvision": package, "torchvision.transforms": transforms}
    return {}
