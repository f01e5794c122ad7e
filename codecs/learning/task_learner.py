"""Training of a tuning for a task: the steps with which a small network loses least of what a large one sees, per bit.

A student on the leading channels of decoded latents learns the features that a teacher finds in the pixels; the steps are
learned with it, by gradients of its loss and of the rate. As its loss D falls about linearly with the logarithm of the rate
R over the steps of files, D ~ a - b log R, the sum D + b log R does not change with the file's step, and falls where bits
move to channels that matter more: b is measured on the way. Half of each batch is coded with the model's own steps, so that
the student serves files of the model as they were too, and tunings can be compared by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.errors import CodecError
from laconic.codecs.learning.learner import LearnerCutting, training_precision
from laconic.codecs.learning.task_coding import TaskCoding
from laconic.codecs.learning.task_student import TaskStudent, student_arrays
from laconic.codecs.models.tunings import Tuning, check_new_tuning

if TYPE_CHECKING:
    from jaxtyping import Float

    from laconic.codecs.learning.tensor_encoder import TensorEncoderModel
    from laconic.codecs.models.model import Model

    # Pictures (b, 3, h, w) in [-0.5, 0.5] to features (b, c, h / 16, w / 16) of about unit variance.
    Teacher = Callable[[Tensor], Tensor]

TASK_TUNE: Final = "task"
_UNREAD: Final = -64  # offset of channels that the student does not read: the coarsest
_NEWEST_SHARE: Final = 0.02  # of the moments that the slope is of
_LEAST_SLOPE, _LARGEST_SLOPE = 0.003, 0.3
_VALIDATED_CODES: Final = (196, 212, 228)


@dataclass(frozen=True)
class TaskOptions:
    """`crop`: places of a side, a multiple of 4. Step codes are evenly from `codes`. `student_alone`: the share of the run
    in which offsets do not move yet."""

    batch_size: int = 16
    crop: int = 24
    codes: tuple[int, int] = (176, 236)
    student_alone: float = 0.2
    width: int = 64
    learning_rate: float = 2e-3
    kernel_learning_rate: float = 1e-2
    rate_learning_rate: float = 3e-2
    offset_learning_rate: float = 0.4


@dataclass(frozen=True)
class TaskSample:
    """Crops of coefficients (b, d, h, w), what the teacher sees there (b, c, h / 2, w / 2), noise like the coefficients, a
    step code."""

    coefficients: Float[Tensor, "b d h w"]
    wanted: Float[Tensor, "b c _ _"]
    noise: Float[Tensor, "b d h w"]
    step_code: int


class _Trained(nn.Module):
    """`moments` (5,): running means of 1, x, x^2, D and x D, x being the logarithm of bits."""

    moments: Tensor

    def __init__(self, coding: TaskCoding, student: TaskStudent) -> None:
        super().__init__()
        self.coding, self.student = coding, student
        self.register_buffer("moments", torch.zeros(5))


class TaskLearner:
    """What the training loop needs of the tuning (`learning.Learner`) of a model of three planes with low levels. Raises
    `CodecError` for another model, and for one that has a tuning of this name."""

    def __init__(self, model: Model, encoder: TensorEncoderModel, teacher: Teacher, options: TaskOptions) -> None:
        check_new_tuning(model, TASK_TUNE)
        if not model.low_levels or model.networks is not None or model.num_planes != 3:
            raise CodecError(
                f"model {model.name} has {model.num_planes} planes and {model.low_levels} low levels; a tuning for a task "
                "is learned for models of three planes with low levels and without networks, as rgb"
            )
        self.model, self.encoder, self.options = model, encoder, options
        self.batch_size, self._teacher = options.batch_size, teacher
        coding = TaskCoding(model.num_planes, torch.from_numpy(model.low_gains.copy()))
        self._turn = _turn_to_axes(encoder, coding.num_channels)
        scales = (self._turn.square() @ encoder.scales[: coding.num_channels].square()).sqrt()
        side = encoder.tree.factor
        outputs = teacher(torch.zeros((1, 3, 8 * side, 8 * side))).shape[1]
        self.module = _Trained(coding, TaskStudent(scales, outputs, options.width))
        self.cutting = LearnerCutting(self._prepared, options.crop, (options.crop + 4) * side)

    def _prepared(self, planes: Float[Tensor, "3 _ _"]) -> Float[Tensor, "c _ _"]:
        """Of a picture its leading coefficients and what the teacher sees, both by places, in half precision."""
        side = 4 * self.encoder.tree.factor  # a multiple of the teacher's coarsest places
        height, width = (n // side * side for n in planes.shape[1:])
        whole = planes[None, :, :height, :width].contiguous()
        with torch.no_grad():
            coefficients = self.encoder.coefficients(whole)[:, : self._num_channels]
            seen = functional.interpolate(self._teacher(whole), coefficients.shape[2:], mode="bilinear")
        return torch.cat((coefficients, seen), 1)[0].half()

    @property
    def _num_channels(self) -> int:
        return self.module.coding.num_channels

    def sample(self, crops: Float[Tensor, "b c h w"], generator: torch.Generator) -> TaskSample:
        """Crops (b, c, crop, crop) as they were prepared, at one random step."""
        first, last = self.options.codes
        code = int(torch.randint(first, last + 1, (), generator=generator))
        coefficients, seen = crops[:, : self._num_channels], crops[:, self._num_channels :]
        noise = torch.rand(coefficients.shape, generator=generator) - 0.5
        return TaskSample(coefficients.contiguous(), functional.avg_pool2d(seen, 2), noise, code)

    def loss(self, sample: TaskSample, done: float) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Squared distance of features, and the rate at its slope."""
        half = (len(sample.coefficients) + 1) // 2
        coding = self.module.coding
        share = 1.0 if done >= self.options.student_alone else 0.0
        tuned, bits = coding(sample.coefficients[:half], sample.step_code, sample.noise[:half], share=share)
        with torch.no_grad():
            plain, _ = coding(sample.coefficients[half:], sample.step_code, sample.noise[half:], share=0.0)
        errors = self._errors(torch.cat((tuned, plain)), sample.wanted)
        mean_bits = bits.mean()
        slope = self._slope(errors[:half].mean().detach(), mean_bits.detach().log())
        loss = errors.mean() + slope * mean_bits / mean_bits.detach()
        places = sample.coefficients[0, 0].numel() * self.encoder.tree.factor**2
        numbers = {"distance": errors[:half].mean(), "plain_distance": errors[half:].mean(), "slope": slope}
        found = {name: float(value.detach()) for name, value in numbers.items()}
        return loss, found | {"bits_per_pixel": float(mean_bits.detach()) / places}

    def _errors(self, points: Tensor, wanted: Tensor) -> Float[Tensor, " b"]:
        """Mean squared distance of the student's features from the teacher's, of each crop."""
        latents = functional.conv2d(points, self._turn[:, :, None, None])
        with training_precision(latents.device):
            found = self.module.student(latents.contiguous(memory_format=torch.channels_last))
        errors: Tensor = (found.float() - wanted).square().mean((1, 2, 3))
        return errors

    @torch.no_grad()
    def _slope(self, distance: Tensor, log_bits: Tensor) -> Tensor:
        """How much the distance falls with the logarithm of the rate, over the steps so far."""
        newest = torch.stack((torch.ones(()), log_bits, log_bits**2, distance, log_bits * distance))
        moments = self.module.moments
        moments.lerp_(newest, _NEWEST_SHARE)
        _, rate, rate_square, mean, product = moments / moments[0]
        slope = (rate * mean - product) / (rate_square - rate**2).clamp(min=0.05)
        limited: Tensor = slope.clamp(_LEAST_SLOPE, _LARGEST_SLOPE)
        return limited

    @torch.no_grad()
    def validate(self, pictures: Sequence[Float[Tensor, "3 h w"]]) -> dict[str, float]:
        """Distances and bits per pixel at some steps, with the tuning and without."""
        found: dict[str, float] = {}
        for picture in pictures:
            prepared = self.cutting.prepare(picture)[None].float()
            for code in _VALIDATED_CODES:
                sample = replace(self.sample(prepared, torch.Generator().manual_seed(code)), step_code=code)
                for name, share in (("tuned", 1.0), ("plain", 0.0)):
                    points, bits = self.module.coding(sample.coefficients, code, sample.noise, share=share)
                    pixels = points[0, 0].numel() * self.encoder.tree.factor**2
                    numbers = self._errors(points, sample.wanted).mean(), bits.mean() / pixels
                    for what, value in zip(("distance", "bits"), numbers, strict=True):
                        key = f"{name}_{what}_{code}"
                        found[key] = found.get(key, 0.0) + float(value) / len(pictures)
        return found

    def parameter_groups(self) -> list[dict[str, Any]]:
        options, coding = self.options, self.module.coding
        offsets = [coding.low_offsets, coding.offsets]
        chosen = {id(p) for p in offsets}
        return [
            {"params": offsets, "lr": options.offset_learning_rate},
            {"params": [p for p in coding.parameters() if id(p) not in chosen], "lr": options.rate_learning_rate},
            *self.module.student.parameter_groups(options.learning_rate, options.kernel_learning_rate),
        ]

    @property
    def tuning(self) -> Tuning:
        """The tuning as files have it: channels that the student does not read have the coarsest steps."""
        low, own = (np.rint(t.detach().numpy()).astype(np.int16) for t in self.module.coding.used_offsets)
        offsets = np.full(self.model.num_channels, _UNREAD, np.int16)
        offsets[: self.model.num_planes] = 0
        offsets[self.model.num_planes : self._num_channels] = own
        return Tuning(TASK_TUNE, 0, offsets, low)

    def save(self, path: Path, card: dict[str, str]) -> None:
        """The model with the tuning beside its others, and the student."""
        from safetensors import safe_open
        from safetensors.torch import save_file

        tuned = replace(self.model, tunings=(*self.model.tunings, self.tuning), card={**self.model.card, **card})
        tuned.save(path)
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata())
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        save_file(arrays | student_arrays(self.module.student), path, metadata=metadata)


def _turn_to_axes(encoder: TensorEncoderModel, count: int) -> Float[Tensor, "d d"]:
    """From the first `count` coded channels to as many of the axes of latents, which need no others."""
    turn = torch.eye(len(encoder.channels))
    first = 0
    for matrix in encoder.turn:
        rows = slice(first, first + len(matrix))
        coded, made = encoder.channels[rows], encoder.turn_channels[rows]
        turn[made] = 0
        turn[made[:, None], coded] = matrix
        first = rows.stop
    return turn[:count, :count].contiguous()
