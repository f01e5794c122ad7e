"""What tasks and metrics of others say of a signal, checked: a fault of theirs costs one sample, never an evaluation."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, MissingDependencyError, WeightsError, sentence_of_error
from laconic.codecs.media import Audio, Image
from laconic.tasks.mpq.protocol import Judgement, Metric, Task, TaskSample

if TYPE_CHECKING:
    from jaxtyping import Float, Num


@contextmanager
def sentences_of_failures() -> Iterator[None]:
    """Whatever the code of others raises, as a `CodecError` that says it in a sentence.

    `MissingDependencyError`, `OSError` and `WeightsError` pass: they are of what all samples need.
    """
    try:
        yield
    except (MissingDependencyError, OSError, WeightsError, KeyboardInterrupt, GeneratorExit):
        raise
    except Exception as err:
        raise CodecError(sentence_of_error(err)) from err
    except BaseException as err:  # sys.exit, and panics of libraries written in Rust
        raise CodecError(f"{type(err).__name__}: {err}") from err


def judge(task: Task[Any], sample: TaskSample[Any], signal: Image | Audio) -> Judgement:
    """What the task says of a copy of the signal, in plain numbers. Raises `CodecError` for what is no judgement."""
    with sentences_of_failures():
        copied = replace(sample, signal=copy.deepcopy(sample.signal))
        found: Any = task.judge(copied, copied.signal if signal is sample.signal else copy.deepcopy(signal))
        if not isinstance(found, Judgement):
            raise CodecError(f"task {task.name} gives {type(found).__name__}; allowed is a Judgement")
        counts = tuple(map(float, found.counts))
        if not counts or not all(map(math.isfinite, counts)):
            raise CodecError(f"task {task.name} gives the counts {counts}; allowed are one and more finite numbers")
        loss = None if found.loss is None else float(found.loss)
        if loss is not None and not math.isfinite(loss):
            raise CodecError(f"task {task.name} gives the loss {loss}; allowed are finite numbers, and None")
        answer = "" if found.answer is None else str(found.answer)
        return Judgement(counts, answer, loss, _probabilities(task, found.probabilities))


def _probabilities(task: Task[Any], found: Any) -> Any:
    if found is None:
        return None
    probabilities = np.asarray(found, np.float64)
    if not probabilities.size or not np.isfinite(probabilities).all() or probabilities.min() < 0:
        raise CodecError(f"task {task.name} gives probabilities that are none; allowed are finite numbers from 0 on")
    return probabilities


def scores_of_task(task: Task[Any], totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[np.float64], "*n"]:
    """(..., k) sums of counts -> (...) scores by `Task.aggregate`, NaN where the sums say nothing (0 of 0).

    Raises `CodecError` where its code fails, or gives another shape.
    """
    with sentences_of_failures(), np.errstate(divide="ignore", invalid="ignore"):
        scores = np.asarray(task.aggregate(totals), np.float64)
        if scores.shape != totals.shape[:-1]:
            raise CodecError(
                f"task {task.name} makes scores of shape {scores.shape} from counts of shape {totals.shape}; "
                f"allowed is {totals.shape[:-1]}"
            )
        return scores


def metric_values(metric: Metric[Any], signal: Image | Audio, decoded: Image | Audio) -> dict[str, float | None]:
    """What the metric gives for copies of the signals: None stands for infinite values; those that are not defined, as
    MS-SSIM of small pictures, are left out. Raises `MetricError` where its code fails."""
    try:
        found = metric.measure(copy.deepcopy(signal), copy.deepcopy(decoded))
    except (MissingDependencyError, OSError, WeightsError):
        raise
    except CodecError:
        return {}
    except Exception as err:
        raise MetricError(sentence_of_error(err)) from err
    try:
        strange = [name for name in found if name not in metric.heads]
        values = {name: float(value) for name, value in found.items()}
    except (TypeError, ValueError, AttributeError) as err:
        raise MetricError(f"it gives {found!r}; allowed is a number for each of {', '.join(metric.heads)}") from err
    if strange:
        raise MetricError(f"it gives {strange[0]!r}; allowed are {', '.join(metric.heads)}, the names of its heads")
    # -inf is the SNR of a silent original
    defined = {name: value for name, value in values.items() if value != -math.inf and not math.isnan(value)}
    return {name: round(value, 6) if math.isfinite(value) else None for name, value in defined.items()}


class MetricError(CodecError):
    """Code of a metric that fails on a sample, or gives what is no value."""
