"""Frozen ONNX models, one thread, kept loaded in the process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError, WeightsError

if TYPE_CHECKING:
    from jaxtyping import Shaped


def run_onnx(path: Path, inputs: Shaped[NDArray[Any], " ..."]) -> Shaped[NDArray[Any], " ..."]:
    """First output of the model for its only input, (1, ...), both without the batch axis.

    Raises `MissingDependencyError`, `WeightsError` for a file that is no such model or takes no such input, `OSError`.
    """
    session = _session(path)
    try:
        outputs = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(inputs[None])})
    except Exception as err:  # onnxruntime's errors have no other base
        raise WeightsError(f"{path} does not take {inputs.dtype} of shape {(1, *inputs.shape)}: {err}") from err
    output: NDArray[Any] = outputs[0][0]
    return output


def onnx_metadata(path: Path, name: str) -> str:
    """A text that the model carries. Raises as `run_onnx`, and `WeightsError` where it has none of this name."""
    texts = _session(path).get_modelmeta().custom_metadata_map
    if name not in texts:
        raise WeightsError(f"{path} carries no {name!r}, only {sorted(texts)}; install a release whose model has it")
    return str(texts[name])


@lru_cache(maxsize=4)
def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as err:
        raise MissingDependencyError(
            f"onnxruntime, which runs {path.name}, cannot be imported ({err}); install it: pip install onnxruntime"
        ) from err
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    content = path.read_bytes()
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as err:
        raise WeightsError(f"{path} is no ONNX model: {err}; fetch it again") from err
