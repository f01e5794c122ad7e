"""Frozen TensorFlow Lite models, one thread, kept loaded in the process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError, WeightsError

if TYPE_CHECKING:
    from jaxtyping import Shaped


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
