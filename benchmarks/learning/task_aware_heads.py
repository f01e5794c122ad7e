"""Pictures of two tasks as a benchmark sees them, and small heads on their latents: loss of each test picture.

clothing10: the centre square at 256 pixels, one of ten classes. camvid: the upper 352 rows, eleven classes of pixels, void
left out. A head is linear, on the features of a student (`codecs.learning.task_student`), of clothing10 their means; or it
is a small convolutional network on 12 channels of latents alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.learning.learner import training_precision
from laconic.codecs.learning.task_student import TaskStudent
from laconic.tasks.datasets.framing import Framing, read_signal

SIZE, ROWS = 256, 352
CHANNELS_ALONE = 12
_VOID, _CLASSES, _CLOTHES = 11, 11, 10
_WIDTH = 40
_STEPS, _BATCH, _RATE = 300, 8, 4e-3  # of the training of a head
_BLOCK = 16  # pixels of a side of a student's place


@dataclass(frozen=True, eq=False)
class Split:
    """Pictures (h, w, 3) uint8, and their class, or the class of each pixel (h, w)."""

    pictures: list[NDArray[np.uint8]]
    labels: list[NDArray[np.int64]]


def read_split(data: Path, name: str, split: str) -> Split:
    """Of clothing10 or camvid, in the order of names."""
    return _read_clothing(data / name / split) if name == "clothing10" else _read_camvid(data / name / split)


def _read_clothing(folder: Path) -> Split:
    paths = sorted(folder.glob("*/*.jpg"))
    classes = sorted({path.parent.name for path in paths})
    pictures = [np.ascontiguousarray(read_signal(path, "image", Framing(SIZE))) for path in paths]
    return Split(pictures, [np.array(classes.index(path.parent.name)) for path in paths])


def _read_camvid(folder: Path) -> Split:
    paths = sorted((folder / "images").iterdir())
    masks = {path.stem: path for path in (folder / "masks").iterdir()}
    pictures = [np.asarray(PillowImage.open(path).convert("RGB"))[:ROWS] for path in paths]
    return Split(pictures, [np.asarray(PillowImage.open(masks[path.stem]))[:ROWS].astype(np.int64) for path in paths])


@dataclass(frozen=True, eq=False)
class Codings:
    """Of the pictures of a split: bytes of each file, and what heads see of it."""

    num_bytes: NDArray[np.int64]
    inputs: Tensor


def student_inputs(student: TaskStudent, latents: NDArray[np.float32]) -> Tensor:
    """(n, k, h, w), of latents (n, c, 2h, 2w), some at a time."""
    with torch.no_grad():
        parts = [student.adapted(part) for part in torch.from_numpy(latents).split(16)]
    return torch.cat(parts)


def inputs_alone(latents: NDArray[np.float32]) -> Tensor:
    """(n, 4 * 12, h, w): every four places together."""
    return functional.pixel_unshuffle(torch.from_numpy(latents[:, :CHANNELS_ALONE]), 2)


def trained_losses(
    head_name: str, train: tuple[Tensor, Split], test: tuple[Tensor, Split], seed: int
) -> tuple[Tensor, float]:
    """Loss of each test picture, and the accuracy, of pixels mean IoU, of a head that learned from `train`."""
    torch.manual_seed(seed)
    deviations = train[0].std((0, 2, 3), keepdim=True)
    scale = deviations.clamp(min=0.02 * float(deviations.max()))
    mean = train[0].mean((0, 2, 3), keepdim=True)
    inputs, seen = ((values - mean) / scale for values in (train[0], test[0]))
    is_linear, is_whole = head_name == "student", train[1].labels[0].ndim == 0
    head = _Head(inputs.shape[1], _CLOTHES if is_whole else _CLASSES, is_linear=is_linear, is_whole=is_whole)
    if is_whole:
        labels = torch.from_numpy(np.stack(train[1].labels))
        _train(head, inputs, lambda found, rows: functional.cross_entropy(found, labels[rows]))
        return _class_losses(head, seen, test[1])
    shares = _class_shares(train[1])
    _train(head, inputs, lambda found, rows: _soft_loss(found, shares[rows]))
    return _pixel_losses(head, seen, test[1])


class _Head(nn.Module):
    """Scores of places, or with `is_whole` of the mean over places. Linear, or behind three residual 3 x 3 convolutions of
    growing reach."""

    def __init__(self, channels: int, outputs: int, *, is_linear: bool, is_whole: bool) -> None:
        super().__init__()
        width = channels if is_linear else _WIDTH
        self.is_whole = is_whole
        self.body = nn.Sequential()
        if not is_linear:
            stem = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
            self.body = nn.Sequential(*stem, *(_Block(width, reach) for reach in (1, 2, 4)))
        self.score = nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(width, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x)
        scores: Tensor = self.score(features.mean((2, 3), keepdim=True) if self.is_whole else features)
        return scores[:, :, 0, 0] if self.is_whole else scores


class _Block(nn.Module):
    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(width, width, 3, padding=reach, dilation=reach, bias=False)
        self.layers = nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.layers(x)
        return found


def _train(head: nn.Module, inputs: Tensor, loss_of: Callable[[Tensor, Tensor], Tensor]) -> None:
    """AdamW, on random batches."""
    optimizer = torch.optim.AdamW(head.parameters(), _RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS)
    head.train()
    for _ in range(_STEPS):
        rows = torch.randint(len(inputs), (_BATCH,))
        with training_precision(inputs.device):
            found = head(inputs[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss_of(found.float(), rows))
        optimizer.step()
        schedule.step()
    head.eval()


def _class_shares(split: Split) -> Tensor:
    """(n, classes, h, w) of the pixels of each place."""
    masks = torch.from_numpy(np.stack(split.labels)).clamp(max=_VOID)
    planes = functional.one_hot(masks, _CLASSES + 1)[..., :_CLASSES].movedim(3, 1).float()
    return functional.avg_pool2d(planes, _BLOCK)


def _soft_loss(found: Tensor, shares: Tensor) -> Tensor:
    return -(shares * functional.log_softmax(found, 1)).sum() / shares.sum()


@torch.no_grad()
def _class_losses(head: nn.Module, inputs: Tensor, split: Split) -> tuple[Tensor, float]:
    labels = torch.from_numpy(np.stack(split.labels))
    found = head(inputs)
    return functional.cross_entropy(found, labels, reduction="none"), float((found.argmax(1) == labels).float().mean())


@torch.no_grad()
def _pixel_losses(head: nn.Module, inputs: Tensor, split: Split) -> tuple[Tensor, float]:
    """Mean over the pixels of each picture that are not void."""
    losses, pairs = [], torch.zeros(_CLASSES, _CLASSES)
    for one, mask in zip(inputs, split.labels, strict=True):
        found = functional.interpolate(head(one[None]), scale_factor=_BLOCK, mode="bilinear")[0].flatten(1).T
        wanted = torch.from_numpy(mask).flatten()
        known = wanted < _VOID
        losses.append(functional.cross_entropy(found[known], wanted[known]))
        pairs += torch.bincount(_CLASSES * wanted[known] + found[known].argmax(1), minlength=_CLASSES**2).reshape(
            pairs.shape
        )
    both = pairs.diagonal()
    return torch.stack(losses), float((both / (pairs.sum(0) + pairs.sum(1) - both).clamp(min=1)).mean())
