"""Memory of batches, as arrays for native code and tensors for networks."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.datasets.loader_options import LoaderOptions

if TYPE_CHECKING:
    from jaxtyping import Shaped
    from torch import Tensor

# Of memory that a loop is about to let go; one that keeps its batches is waited for once.
_POLL_SECONDS: Final = 1e-4
_NUM_POLLS: Final = 500


class BatchMemory:
    """Gives memory again that nothing refers to any more: new pages cost as much as decoding."""

    def __init__(self, options: LoaderOptions) -> None:
        import torch

        self._options = options
        self._is_pinned = torch.cuda.is_available() if options.pin_memory is None else options.pin_memory
        self._kept: list[NDArray[Any]] = []
        self._polls_left = _NUM_POLLS

    def batch(
        self, shape: tuple[int, ...]
    ) -> tuple[Shaped[NDArray[Any], "n channels h w"], Shaped[Tensor, "n channels h w"]]:
        """A tensor, and its memory as an array, of uint16 where it is of bfloat16."""
        import torch

        if self._is_pinned:  # torch itself uses it again, once the device has it
            tensor = torch.empty(shape, dtype=getattr(torch, self._options.dtype), pin_memory=True)
            bits = tensor.view(torch.uint16) if self._options.dtype == "bfloat16" else tensor
            return bits.numpy(), tensor
        array = self._array(shape)
        tensor = torch.from_numpy(array)
        return array, tensor.view(torch.bfloat16) if self._options.dtype == "bfloat16" else tensor

    def _array(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Memory of a batch that is gone, or is about to be: a loop lets go of a batch when it has the next."""
        free = self._free(shape)
        while free is None and len(self._kept) > self._options.prefetch and self._polls_left:
            self._polls_left -= 1
            time.sleep(_POLL_SECONDS)
            free = self._free(shape)
        if free is not None:
            self._polls_left = _NUM_POLLS
            return free
        array = np.empty(shape, {"float32": np.float32, "float16": np.float16}.get(self._options.dtype, np.uint16))
        self._kept = [*self._kept, array][-(self._options.prefetch + 1) :]
        return array

    def _free(self, shape: tuple[int, ...]) -> NDArray[Any] | None:
        # Tensors of an array, and parts of them, refer to it. Here the list does, and the argument.
        for i in range(len(self._kept)):
            if sys.getrefcount(self._kept[i]) == 2 and self._kept[i].shape == shape:
                return self._kept[i]
        return None
