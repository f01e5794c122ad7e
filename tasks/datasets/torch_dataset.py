"""What datasets inherit from: torch's `Dataset` where torch is there, else nothing, as arrays are had without it."""

from __future__ import annotations

from typing import Any

try:
    from torch.utils.data import Dataset
except ImportError:
    TorchDataset: Any = object
else:
    TorchDataset = Dataset
