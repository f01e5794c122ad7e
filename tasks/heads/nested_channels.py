"""One network that answers from few channels or many: nested prefixes of a latent's channels, as Matryoshka representation
learning nests those of a feature vector (Kusupati et al. 2022).

In training each sample is seen once with each prefix, the channels after it 0, the mean of normalised latents; so the
network learns to do with what is there, and a reader of the first group of a file's channels gets an answer, too. All
prefixes go through the network as one batch: statistics of batch normalisation are those of the mixture, in training as in
use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from laconic.codecs.arguments import items_of_argument, shown, whole_numbers_argument
from laconic.codecs.errors import CodecError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from laconic.tasks.heads.learning_task import InputForm


def nested_argument(nested: Any) -> tuple[int, ...]:
    """Numbers of channels, each greater than the one before; () for none. Raises `CodecError`."""
    numbers = tuple(whole_numbers_argument("nested", items_of_argument("nested", nested)))
    if any(a >= b for a, b in zip((0, *numbers), numbers, strict=False)):
        raise CodecError(
            f"nested is {shown(nested)}; allowed are ascending numbers of channels from 1 on, such as [3, 12]"
        )
    return numbers


def check_nested(nested: Sequence[int], form: InputForm) -> None:
    """Raises `CodecError` for inputs that have no such prefixes."""
    if nested and (form.arm != "latents" or nested[-1] >= form.channels):
        raise CodecError(
            f"nested is {list(nested)} for {form.channels} channels of arm {form.arm}; allowed are fewer than the channels "
            "of latents"
        )


def prefixes_stacked(x: Float[Tensor, "b c h w"], prefixes: Sequence[int]) -> Float[Tensor, "n c h w"]:
    """The batch once for each prefix of its channels, the others 0: (len(prefixes) b, c, h, w), prefix by prefix."""
    channels = torch.arange(x.shape[1], device=x.device)
    kept = torch.stack([channels < count for count in prefixes]).to(x.dtype)
    return (kept[:, None, :, None, None] * x).flatten(0, 1)
