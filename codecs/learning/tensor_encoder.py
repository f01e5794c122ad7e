"""The encoder in tensors, for training where the extension is not built: coefficients of a model's transform, and
integers much as the encoder of profile small chooses them.

The choice is modelled, not made: the encoder weighs real code lengths, here each coefficient has a Laplace density
whose scale is guessed from its surroundings. On photographs (bsds500/val), at steps of code 98 to 180, the share of
non-zero integers and their mean magnitude are within 3 % of the encoder's, the squared error within 4 %, with the model of
profile best, of the channels without low levels, within 9 % and 7 %; tests hold it to that.

Low levels are left out: channels below `num_planes` are taken as plainly rounded at the file's step, because the error
that low levels leave in them is about as large. It is not as even: what has to know it, and how profile best chooses
integers, is trained on `encoded_coefficients`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional

from laconic.codecs.errors import WeightsError
from laconic.codecs.learning import tensor_wavelet
from laconic.codecs.models.packet_tree import Tree, tree_of_config
from laconic.codecs.steps import CODE_OF_UNIT_SCALE, CODE_OF_UNIT_STEP, CODES_PER_OCTAVE, CODES_PER_SCALE

if TYPE_CHECKING:
    from jaxtyping import Float, Int

# Squared steps a bit, where rate_distortion.py has 0.125, of models without networks and of those of profile best; and
# of the guessed scale in steps: fitted to the encoder's integers on bsds500/val.
_PRICE, _PRICE_OF_BEST = 0.1273, 0.119
_SCALE_SHARE, _LEAST_SCALE, _OWN_SHARE = 0.75, 0.02, 0.15
_LARGEST_NEIGHBOUR: Final = 20.0
_FIRST_POINT: Final = 0.98  # where 1 is reconstructed, about


@dataclass(frozen=True, eq=False)
class TensorEncoderModel:
    """What training needs of a model file: `analysis` and `synthesis` (n, n) of each leaf of the tree, `channels` (d,)
    the latent channel of each of their rows, `scales` (d,) typical magnitudes in signal units, `scale_codes` (d,) the
    same as codes, `shrink` (rows, 3) as in `model.Model`; `price` of a bit in squared steps; its `low_levels`, which
    nothing here undoes. `turn` (n, n) of each leaf, rows of coded channels -> channels `turn_channels` (d,) of the axes of
    latents; none where they are the same (`latent_turn`)."""

    num_planes: int
    tree: Tree
    analysis: tuple[Float[Tensor, "n n"], ...]
    synthesis: tuple[Float[Tensor, "n n"], ...]
    channels: Int[Tensor, " d"]
    scale_codes: Int[Tensor, " d"]
    shrink: Float[Tensor, "rows 3"]
    num_predicted: int
    rounding: float
    price: float
    low_levels: int
    turn: tuple[Float[Tensor, "n n"], ...]
    turn_channels: Int[Tensor, " d"]
    fingerprint: str

    @cached_property
    def scales(self) -> Float[Tensor, " d"]:
        return torch.exp2((self.scale_codes.double() - CODE_OF_UNIT_SCALE) / CODES_PER_OCTAVE).float()

    @cached_property
    def leaf_of_channel(self) -> Int[Tensor, " d"]:
        """(d,) the leaf that each latent channel is of."""
        leaves = torch.repeat_interleave(
            torch.arange(len(self.analysis)), torch.tensor([len(a) for a in self.analysis])
        )
        return torch.empty_like(self.channels).index_copy(0, self.channels, leaves)

    def coefficients(self, planes: Float[Tensor, "b c _ _"]) -> Float[Tensor, "b d _ _"]:
        """(b, c, h, w) pictures in [-0.5, 0.5], sides multiples of the grid's factor -> (b, d, h', w')."""
        return self.project(self.packets_of(planes), self.analysis)

    def packets_of(self, planes: Float[Tensor, "b c _ _"]) -> Float[Tensor, "b d _ _"]:
        """(b, c, h, w) -> packets (b, d, h', w')."""
        return tensor_wavelet.analyze(planes, self.tree)

    def project(
        self, packets: Float[Tensor, "b d h w"], analysis: tuple[Float[Tensor, "n n"], ...]
    ) -> Float[Tensor, "b d h w"]:
        """Packets (b, d, h, w) -> coefficients in the order of the latent."""
        parts = torch.split(packets, [len(a) for a in analysis], 1)
        rows = torch.cat([functional.conv2d(p, a[:, :, None, None]) for p, a in zip(parts, analysis, strict=True)], 1)
        return torch.empty_like(rows).index_copy(1, self.channels, rows)

    def planes(self, coefficients: Float[Tensor, "b d _ _"]) -> Float[Tensor, "b c _ _"]:
        """(b, d, h', w') -> (b, c, h, w), linear synthesis."""
        packets = self.unproject(coefficients, self.synthesis)
        return tensor_wavelet.synthesize(packets, self.tree, self.num_planes)

    def unproject(
        self, coefficients: Float[Tensor, "b d h w"], synthesis: tuple[Float[Tensor, "n n"], ...]
    ) -> Float[Tensor, "b d h w"]:
        """Coefficients in the order of the latent -> packets (b, d, h, w)."""
        rows = torch.split(coefficients[:, self.channels], [len(s) for s in synthesis], 1)
        parts = [functional.conv2d(r, s[:, :, None, None]) for r, s in zip(rows, synthesis, strict=True)]
        return torch.cat(parts, 1)

    def integers(self, in_steps: Float[Tensor, "b d h w"], step_codes: Int[Tensor, " b"]) -> Float[Tensor, "b d h w"]:
        """Coefficients over their steps (b, d, h, w) at step codes (b,) -> integers like the encoder's, as floats."""
        magnitudes = in_steps.abs()
        spread = self._spread(magnitudes, step_codes)
        tail = torch.exp(-0.5 / spread)
        bits_of_one = torch.log2((1 - tail) / (0.5 * tail * (1 - tail * tail)).clamp(min=1e-12))  # over those of zero
        # Where the losses of 0 and 1, of 1 and 2 are equal: see optimizer.static_thresholds.
        zero_below = 0.5 * (_FIRST_POINT + self.price / _FIRST_POINT * bits_of_one.clamp(-1, 12))
        one_below = (1.5 + 0.5 * self.price * (1 / (math.log(2) * spread)).clamp(max=6)).clamp(max=2)
        chosen = torch.floor(magnitudes + (2 - one_below)).clamp(min=1)
        chosen = torch.where(magnitudes < zero_below.clamp(min=0.5), 0.0, chosen)
        n = self.num_predicted
        chosen[:, :n] = torch.floor(magnitudes[:, :n] + self.rounding)
        return torch.copysign(chosen, in_steps)

    def _spread(self, magnitudes: Tensor, step_codes: Tensor) -> Tensor:
        """Guessed Laplace scale, in steps: from the neighbours in the channel, and in all channels of its leaf."""
        capped = magnitudes.clamp(max=_LARGEST_NEIGHBOUR)
        scales = (self.scales / tensor_steps_of_codes(step_codes)[:, None])[:, :, None, None]
        own = (9 * _window_means(capped) - capped) / 8
        leaves = functional.one_hot(self.leaf_of_channel).to(magnitudes.dtype)
        mixing = (leaves / leaves.sum(0)).T[:, :, None, None]
        activity = functional.conv2d(_window_means(capped / scales), mixing)[:, self.leaf_of_channel]
        return _SCALE_SHARE * (_OWN_SHARE * own + (1 - _OWN_SHARE) * activity * scales) + _LEAST_SCALE

    def points(self, integers: Float[Tensor, "b d h w"], step_codes: Int[Tensor, " b"]) -> Float[Tensor, "b d h w"]:
        """Integers -> reconstruction points in steps, as `Latent.dequantize` has them."""
        rows = torch.div(self.scale_codes[None] - step_codes[:, None], CODES_PER_SCALE, rounding_mode="floor")
        shrink = self.shrink[rows.clamp(0, len(self.shrink) - 1)][:, :, :, None, None]
        magnitudes = integers.abs()
        taken = torch.where(
            magnitudes > 1, torch.where(magnitudes > 2, shrink[:, :, 2], shrink[:, :, 1]), shrink[:, :, 0]
        )
        return torch.where(magnitudes > 0, torch.copysign(magnitudes - taken, integers), 0.0)


def tensor_steps_of_codes(step_codes: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Quantiser steps in signal units, as `quantizer.step_of_code` to float32's precision."""
    return torch.exp2((step_codes.double() - CODE_OF_UNIT_STEP) / CODES_PER_OCTAVE).float()


def load_tensor_encoder(path: Path | str) -> TensorEncoderModel:
    """Of a picture model as `laconic fit` or `laconic train codec` writes it. Raises `WeightsError` for another file, and
    for a model whose projection is not cut at the leaves of its tree.

    Of a model of profile best, and of one with low levels, channels below `num_planes` are those that are rounded plainly,
    to the nearest (see the module)."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        config = json.loads(metadata["config"])
        tree = tree_of_config(config)
        leaves = range(len(tree.leaves))
        is_plain = "num_predicted" not in config or bool(config.get("low_levels"))
        model = TensorEncoderModel(
            num_planes=config["num_planes"],
            tree=tree,
            analysis=tuple(tensors[f"analysis.{i}"].float() for i in leaves),
            synthesis=tuple(tensors[f"synthesis.{i}"].float() for i in leaves),
            channels=tensors["channels"].to(torch.int64),
            scale_codes=tensors["scale_codes"].to(torch.int64),
            shrink=tensors["shrink"].float(),
            num_predicted=config["num_planes"] if is_plain else config["num_predicted"],
            rounding=0.5 if is_plain else config["rounding"],
            price=_PRICE_OF_BEST if config.get("has_networks") else _PRICE,
            low_levels=config.get("low_levels", 0),
            turn=tuple(tensors[f"turn.{i}"].float() for i in leaves if "turn_channels" in tensors),
            turn_channels=tensors.get("turn_channels", tensors["channels"]).to(torch.int64),
            fingerprint=metadata["fingerprint"],
        )
    except FileNotFoundError as err:
        raise WeightsError(f"model file {path} does not exist") from err
    except (SafetensorError, LookupError, ValueError, TypeError, OSError) as err:
        raise WeightsError(f"model file {path} is no picture model with a block for each leaf: {err}") from err
    sizes = [model.num_planes * tree.channels_of(path) for path in tree.leaves]
    if config.get("kind") != "image" or sizes != [len(a) for a in model.analysis]:
        raise WeightsError(
            f"model file {path} is not of pictures with a block for each leaf; fit one with --blocks leaf"
        )
    return model


def _window_means(planes: Tensor) -> Tensor:
    """Means over 3x3 places, mirrored at the borders."""
    return functional.avg_pool2d(functional.pad(planes, (1, 1, 1, 1), mode="reflect"), 3, 1)
