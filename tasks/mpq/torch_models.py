"""Frozen networks of torch: one thread, so that the number of processes of an evaluation changes no digit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
