"""Networks of the study of learning that `laconic train` takes by `--network study_networks:NAME`."""

from __future__ import annotations

from torch import nn

from laconic.tasks.heads.learning_task import InputForm
from laconic.tasks.heads.networks import ClassifierNetwork, NetworkConfig


def residual_on_one_grid(form: InputForm, num_outputs: int) -> nn.Module:
    """The residual network of classes, (b, channels, h, w) -> (b, num_outputs), for which all channels are of one grid: not
    those of each level on its own, finer one."""
    return ClassifierNetwork(NetworkConfig(form.channels, num_outputs, levels=((form.channels, 1),)))
