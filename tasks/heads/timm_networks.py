"""Networks of timm (https://github.com/huggingface/pytorch-image-models) on latents, or on pixels for comparison."""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

from laconic.codecs.arguments import name_argument
from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.tasks.heads.learning_task import InputForm


def timm_network(name: str, form: InputForm, num_outputs: int) -> nn.Module:
    """The network of that name, untrained: (b, channels, h, w) -> (b, num_outputs).

    Its first layer takes tokens as they are: what it reduces pictures by at first, a patch of 16 x 16 pixels or a
    convolution and a pool of stride 2, is reduced to `form.patch`, 1 x 1 of latents. Networks with an embedding of places
    need `form.grid`. With the arm "pixels" it stays as it is. Raises `CodecError` for an unknown name, and for networks
    whose first layer is not found, `MissingDependencyError` without timm.
    """
    name = name_argument("a network", name)
    try:
        timm: Any = importlib.import_module("timm")
    except Exception as err:  # its import fails in many ways where torchvision does not fit torch
        raise MissingDependencyError(
            f"timm cannot be imported ({err}); install it: pip install timm, with a torchvision that fits your torch"
        ) from err
    if not timm.is_model(name):
        raise CodecError(f"timm has no network {name!r}; timm.list_models() names them")
    options = {"pretrained": False, "in_chans": form.channels, "num_classes": num_outputs}
    if form.arm == "pixels":
        network: nn.Module = timm.create_model(name, **options)
        return network
    try:  # those that cut pictures into patches
        network = timm.create_model(name, img_size=form.grid, patch_size=form.patch, **options)
    except TypeError:
        network = _with_stem_of_tokens(timm.create_model(name, **options), form, name)
    return network


def _with_stem_of_tokens(network: nn.Module, form: InputForm, name: str) -> nn.Module:
    """The network with a first convolution of stride `form.patch`, and without the pool that may follow it."""
    found = next(((path, m) for path, m in network.named_modules() if isinstance(m, nn.Conv2d)), None)
    if found is None or found[1].in_channels != form.channels:
        raise CodecError(f"the first layer of {name} is no convolution of its input; choose another network of timm")
    path, first = found
    is_cut = first.kernel_size == first.stride or form.patch != (1, 1)
    kernel, padding = (form.patch, 0) if is_cut else ((3, 3), 1)
    stem = nn.Conv2d(form.channels, first.out_channels, kernel, form.patch, padding, bias=first.bias is not None)
    parent, _, own = path.rpartition(".")
    setattr(network.get_submodule(parent), own, stem)
    if isinstance(getattr(network, "maxpool", None), nn.Module):
        network.maxpool = nn.Identity()
    return network
