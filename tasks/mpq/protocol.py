"""What a task is: it yields labelled signals and judges decoded ones. It knows no codec, no rate and no file size.

And what a metric is: it compares a decoded signal with its original, and knows no task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray

from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio, Image

if TYPE_CHECKING:
    from jaxtyping import Float, Num

S = TypeVar("S", Image, Audio)
S_contra = TypeVar("S_contra", Image, Audio, contravariant=True)


@dataclass(frozen=True)
class TaskSample(Generic[S]):
    """A signal with its true answer; `key` names it within the task. `label` is what the task makes of it."""

    key: str
    signal: S
    label: Any


@dataclass(frozen=True)
class Judgement:
    """What a model made of one decoded signal: numbers that may be added over samples, and its answer for readers.

    `counts` of two samples, added, must be the counts of the two together: (correct, 1), (word errors, words),
    intersections and unions of each class. So the score of any resampling is a function of sums.

    `loss`: the finest number that the task has for one sample, lower is better: the cross-entropy of the true class in
    nats, the share of wrong pixels, word errors for each word said. `probabilities`: (..., k), of each class, at each place
    where the model answers at several; the evaluation compares them with those of the uncompressed signal.
    """

    counts: tuple[float, ...]
    answer: str
    loss: float | None = None
    probabilities: Float[NDArray[Any], "*places k"] | None = None


class Task(Protocol[S]):
    """A frozen model with its data. Values are small and picklable; models and signals load on use."""

    @property
    def name(self) -> str:
        """The key of its rows ("imagenet")."""

    @property
    def title(self) -> str:
        """Model, data and number of samples in one line, for reports."""

    @property
    def kind(self) -> MediaKind:
        """Of the signals: "image" (`Image`) or "sound" (`Audio`)."""

    @property
    def score_name(self) -> str:
        """What `aggregate` gives ("top-1 accuracy"); scores are shares, 1 is 100 %."""

    @property
    def higher_is_better(self) -> bool: ...

    def keys(self) -> Sequence[str]:
        """The samples, always in the same order."""

    def sample(self, key: str) -> TaskSample[S]:
        """Load one."""

    def judge(self, sample: TaskSample[S], decoded: S) -> Judgement:
        """Run the model on a signal decoded from a file of `sample.signal`, or on that signal itself."""

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        """(..., k) sums of counts over samples -> (...) scores."""


class Metric(Protocol[S_contra]):
    """A distance, or a likeness, of a decoded signal and its original. Values are small and picklable."""

    @property
    def name(self) -> str:
        """By which `--metrics` asks for it ("ms-ssim")."""

    @property
    def kind(self) -> MediaKind:
        """Of the signals: "image" (`Image`) or "sound" (`Audio`)."""

    @property
    def heads(self) -> Mapping[str, str]:
        """Names of the values that `measure` gives -> heads of their columns with the unit: {"psnr_db": "PSNR dB"}."""

    @property
    def higher_is_better(self) -> bool: ...

    def measure(self, original: S_contra, decoded: S_contra) -> Mapping[str, float]:
        """A number for each name in `heads`; `inf` for equal signals where the metric has no largest value.

        A value that is not defined for these signals is left out; `CodecError` leaves out all of them.
        """


def spread(keys: Sequence[str], limit: int | None) -> list[str]:
    """At most `limit` keys at equal distances, the first always among them: data are often sorted by class.

    >>> spread(["a", "b", "c", "d", "e"], 2)
    ['a', 'c']
    """
    count = len(keys) if limit is None else min(limit, len(keys))
    return [keys[index * len(keys) // count] for index in range(count)]
