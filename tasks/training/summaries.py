"""Curves of a run for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from laconic.codecs.errors import MissingDependencyError


def summary_writer(run: Path, first_step: int) -> Any:
    """Writes to RUN/tensorboard; what an interrupted run wrote from `first_step` on is dropped. Raises
    `MissingDependencyError`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as err:
        raise MissingDependencyError(
            "tensorboard is not installed; curves need it: pip install laconic[torch], or leave --tensorboard out"
        ) from err
    return SummaryWriter(str(run / "tensorboard"), purge_step=first_step)
