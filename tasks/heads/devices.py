"""Where networks compute."""

from __future__ import annotations

import os

import torch

from laconic.codecs.arguments import name_argument
from laconic.codecs.errors import CodecError


def chosen_device(name: str) -> torch.device:
    """The device of this name; "auto" is a CUDA device where there is one, that of this process under `torchrun`, else the
    CPU. Raises `CodecError` for one that is not there."""
    name = name_argument("device", name)
    if name in ("auto", "cuda") and torch.cuda.is_available():
        number = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
        return torch.device("cuda", number)
    if name == "auto":
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as err:  # torch built without CUDA asserts
        reason = " ".join(str(err).split("\n")[0].split())
        raise CodecError(
            f"device is {name!r}, which cannot be used here ({reason}); allowed are auto, cpu, cuda"
        ) from err
    return device
