"""The transform of a picture model as ONNX graphs, for runtimes without torch and without the extension.

Two graphs, both of float32, with one picture at a time and sides that are chosen when they run: *analysis*, planes ->
coefficients, and *synthesis*, dequantised coefficients -> planes. What lies between them, the choice of integers and their
coding, is not in a graph, and neither are low levels: coefficients are those of `Latent.dequantize`, which undoes these, in
its axes. The graphs compute what the codec does for 16-bit pictures. For 8-bit ones it computes in integers
(`fixed_point`): coefficients of photographs then differ by 0.07 levels on average, and of linearly decoded samples one in
20 by a level, one in 10 at coarse steps.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from laconic.codecs.errors import MissingDependencyError, WeightsError
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, load_tensor_encoder
from laconic.codecs.models.neural_synthesis import NeuralSynthesis, load_neural_synthesis_for
from laconic.codecs.whole_files import atomic_write

OPSET: Final = 18  # the oldest that torch's exporter writes, so the one that most runtimes read
_EXAMPLE_PLACES: Final = (4, 5)  # of the latent; sides that differ, and not 1, so that none counts as constant
# What torch says of its own insides while it exports.
_TORCH_WARNING: Final = r"`isinstance\(treespec, LeafSpec\)` is deprecated"
_TORCH_LOGGER: Final = "torch.onnx._internal.exporter._registration"  # that torchvision is missing


def export_analysis(model_path: Path | str, target: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write the graph `planes` (1, c, h, w) -> `coefficients` (1, d, h / f, w / f), f the factor of the grid.

    Planes are in [-0.5, 0.5], h and w multiples of f: other pictures are extended first, as the codec does, at the bottom
    and on the right by their mirror image around the last row and column (`numpy.pad` with "reflect"). `coefficients` are
    in signal units, in the axes and the order of `Latent.dequantize`.

    Raises `WeightsError` for a file that is no picture model, `MissingDependencyError` without onnx and onnxscript,
    `FileExistsError` for a target that exists unless `force`, `OSError`.
    """
    model = _in_latent_axes(load_tensor_encoder(model_path))
    side = model.tree.factor
    planes = torch.zeros((1, model.num_planes, *(n * side for n in _EXAMPLE_PLACES)))
    graph = _Graph(_Analysis(model), {"planes": planes}, "coefficients", side)
    atomic_write(target, graph.to_bytes(_card(model, "analysis")), force=force)


def export_synthesis(
    model_path: Path | str,
    synthesis_path: Path | str | None,
    target: str | os.PathLike[str],
    *,
    force: bool = False,
) -> None:
    """Write the graph `coefficients` (1, d, h', w'), `steps` (1, d) -> `planes` (1, c, f h', f w'), f the grid's factor.

    `coefficients` are those of `Latent.dequantize`, in signal units, 0 in channels that are missing; `steps` are the
    quantiser's of the channels of `Latent.values`, in the same units, infinite in channels that are missing. The neural
    synthesis in the file `synthesis_path` repairs the coefficients before the linear one; with None there is the linear one
    alone, and no input `steps`. `planes` are not clipped, and cover whole places of the grid: the picture is their upper
    left corner.

    Raises `WeightsError` for a file that is no neural synthesis and for one that is of another model; otherwise as
    `export_analysis`.
    """
    model = load_tensor_encoder(model_path)
    inputs = {"coefficients": torch.zeros((1, len(model.channels), *_EXAMPLE_PLACES))}
    network = None
    if synthesis_path is not None:
        network = _network_for(model, synthesis_path)
        inputs["steps"] = torch.ones((1, len(model.channels)))
    graph = _Graph(_Synthesis(model, network), inputs, "planes", 1)
    atomic_write(target, graph.to_bytes(_card(model, "synthesis")), force=force)


def _in_latent_axes(model: TensorEncoderModel) -> TensorEncoderModel:
    """With the transform between planes and what `Latent.dequantize` gives, of models that code in other axes."""
    if not model.turn:
        return model
    analysis = zip(model.turn, model.analysis, strict=True)
    synthesis = zip(model.synthesis, model.turn, strict=True)
    return replace(
        model,
        analysis=tuple((turn.double() @ matrix.double()).float() for turn, matrix in analysis),
        synthesis=tuple((matrix.double() @ torch.linalg.inv(turn.double())).float() for matrix, turn in synthesis),
        channels=model.turn_channels,
    )


def _network_for(model: TensorEncoderModel, path: Path | str) -> NeuralSynthesis:
    """Raises `WeightsError` unless the network is of this model."""
    network = load_neural_synthesis_for(path, model.fingerprint)
    if network.config.num_channels != len(model.channels):
        raise WeightsError(
            f"neural synthesis {path} has {network.config.num_channels} channels; its model has {len(model.channels)}"
        )
    return network


def _card(model: TensorEncoderModel, part: str) -> dict[str, str]:
    return {"laconic_part": part, "model_fingerprint": model.fingerprint}


class _Analysis(nn.Module):
    """`EncoderModel.coefficients` as a module."""

    def __init__(self, model: TensorEncoderModel) -> None:
        super().__init__()
        self._model = model

    def forward(self, planes: Tensor) -> Tensor:
        return self._model.coefficients(planes)


class _Synthesis(nn.Module):
    """Neural repair where there is a network, in the axes that the model codes in, then `EncoderModel.planes`."""

    def __init__(self, model: TensorEncoderModel, network: NeuralSynthesis | None) -> None:
        super().__init__()
        self._model, self._network = model, network
        self._of_latents = _in_latent_axes(model)

    def forward(self, coefficients: Tensor, steps: Tensor | None = None) -> Tensor:
        if self._network is None:
            return self._of_latents.planes(coefficients)
        if self._model.turn:
            packets = self._of_latents.unproject(coefficients, self._of_latents.synthesis)
            coefficients = self._model.project(packets, self._model.analysis)
        return self._model.planes(self._network(coefficients, steps))


@dataclass(frozen=True, eq=False)
class _Graph:
    """A module, examples of its `inputs` in order, the name of its output; the last two sides of an input of four are
    multiples of `side`, and dynamic."""

    module: nn.Module
    inputs: Mapping[str, Tensor]
    output: str
    side: int

    def to_bytes(self, card: Mapping[str, str]) -> bytes:
        """The ONNX file, `card` in its metadata. Raises `MissingDependencyError`."""
        _need_exporter()
        with _quiet_torch():
            program = torch.onnx.export(
                self.module.eval(),
                tuple(self.inputs.values()),
                dynamo=True,
                input_names=list(self.inputs),
                output_names=[self.output],
                dynamic_shapes=self._dynamic_shapes(),
                opset_version=OPSET,
                verbose=False,
            )
        assert program is not None
        proto = program.model_proto
        # The exporter notes on every value from which line of which file it came.
        graph = proto.graph
        for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
            del item.metadata_props[:]
        for key, value in card.items():
            proto.metadata_props.add(key=key, value=value)
        data: bytes = proto.SerializeToString(deterministic=True)
        return data

    def _dynamic_shapes(self) -> list[dict[int, object] | None]:
        height, width = (self.side * torch.export.Dim(name) for name in ("h", "w"))
        return [{2: height, 3: width} if example.ndim == 4 else None for example in self.inputs.values()]


def _need_exporter() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as err:
        raise MissingDependencyError(
            f"{err.name} is not installed; export to ONNX needs it: pip install laconic[export]"
        ) from err


@contextmanager
def _quiet_torch() -> Iterator[None]:
    """Without what torch's exporter says of itself: a call that it deprecated, operators of torchvision that it lacks."""
    logger = logging.getLogger(_TORCH_LOGGER)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _TORCH_WARNING, FutureWarning)
            yield
    finally:
        logger.setLevel(level)
