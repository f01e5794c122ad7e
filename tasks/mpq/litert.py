"""Frozen TensorFlow Lite models, one thread, kept loaded in the process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError, WeightsError

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped


def run_model(path: Path, inputs: Shaped[NDArray[Any], " ..."]) -> Shaped[NDArray[Any], " ..."]:
    """First output of the model for its only input, (1, ...), both without the batch axis.

    Raises `MissingDependencyError`, `WeightsError` for a file that is no such model, `OSError`.
    """
    interpreter = _interpreter(path)
    position = interpreter.get_input_details()[0]["index"]
    interpreter.set_tensor(position, np.ascontiguousarray(inputs[None]))
    interpreter.invoke()
    output: NDArray[Any] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    return output


def run_float_model(path: Path, inputs: Float[NDArray[np.float32], " ..."]) -> Float[NDArray[np.float32], " ..."]:
    """The same in real numbers, where the model may take and give integers: by the steps and zeros that it names itself.

    Also raises `WeightsError` for a model of another input shape.
    """
    interpreter = _interpreter(path)
    takes, gives = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if tuple(takes["shape"][1:]) != inputs.shape:
        raise WeightsError(
            f"{path} takes (1, ...) of shape {tuple(map(int, takes['shape']))}, not {(1, *inputs.shape)}"
        )
    step, zero = takes["quantization"]
    if np.issubdtype(takes["dtype"], np.integer):
        limits = np.iinfo(takes["dtype"])
        inputs = np.clip(np.rint(inputs / step + zero), limits.min, limits.max)
    outputs = run_model(path, inputs.astype(takes["dtype"]))
    step, zero = gives["quantization"]
    if np.issubdtype(outputs.dtype, np.integer):
        return np.asarray((outputs.astype(np.float32) - zero) * step, np.float32)
    return np.asarray(outputs, np.float32)


@lru_cache(maxsize=4)
def _interpreter(path: Path) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as err:
        raise MissingDependencyError(
            f"ai-edge-litert, which runs {path.name}, cannot be imported ({err}); install it: pip install ai-edge-litert"
        ) from err
    content = path.read_bytes()
    try:
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as err:
        raise WeightsError(f"{path} is no TensorFlow Lite model: {err}; fetch it again") from err
    return interpreter
