"""Networks whose weights depend on a seed alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

_Network = TypeVar("_Network", bound=nn.Module)


@contextmanager
def weights_of_seed(seed: int) -> Iterator[None]:
    """What is drawn in the block is drawn from the seed; torch's generator is left as it was."""
    state = torch.get_rng_state()
    try:
        torch.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(state)


def seeded_network(make: Callable[[], _Network], seed: int) -> _Network:
    """What is made, with weights that depend on the seed alone, in the memory order of convolutions."""
    with weights_of_seed(seed):
        network = make()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
