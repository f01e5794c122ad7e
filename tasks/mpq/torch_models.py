"""Frozen networks of torch: one thread, so that the number of processes of an evaluation changes no digit."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError, WeightsError

if TYPE_CHECKING:
    from jaxtyping import Float


def run_network(network: Any, inputs: Float[NDArray[np.float32], " ..."]) -> Float[NDArray[np.float32], " ..."]:
    """What the network gives for (1, ...), both without the batch axis; of several outputs the first."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            outputs = network(torch.from_numpy(np.ascontiguousarray(inputs[None])))
    finally:
        torch.set_num_threads(threads)
    first = outputs[0] if isinstance(outputs, (tuple, list)) else outputs
    return np.asarray(first[0].numpy())


@lru_cache(maxsize=2)
def load_torchscript(path: Path) -> Any:
    """A network saved as TorchScript, which needs none of its code. Raises `MissingDependencyError`, `WeightsError`."""
    try:
        import torch
    except ImportError as err:
        raise MissingDependencyError(
            f"torch, which runs {path.name}, cannot be imported ({err}); install it: pip install torch"
        ) from err
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch recommends torch.export to those who save
        try:
            network: Any = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as err:
            raise WeightsError(f"{path} is no TorchScript: {str(err).splitlines()[0]}") from err
    return network.eval()
