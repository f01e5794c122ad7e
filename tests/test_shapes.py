"""Signatures say the axes of arrays, and the test run holds functions to what they say."""

import collections.abc
import importlib
import importlib.machinery
import importlib.util
import pkgutil
import sys
import types
import typing

import numpy as np
import pytest
import shape_checks

torch = pytest.importorskip("torch")

SAMPLE = '''
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt


def unchanged(x: Any) -> Float[NDArray[np.float32], "c h w"]:
    return x


def scaled(x: Float[NDArray[np.float32], "c h w"], gains: Float[NDArray[np.float32], " c"] | None = None) -> None:
    """Scaled."""


def refused(x: Float[NDArray[np.float32], "c h w"]) -> None:
    raise ValueError


def listed(pictures: Sequence[UInt[NDArray[np.uint8] | NDArray[np.uint16], "h w"]], *more: Int[NDArray[Any], " n"]) -> None:
    """Each alone."""


def paired(x: Any) -> tuple[Int[NDArray[Any], " n"], Int[NDArray[Any], " n"]]:
    return x


@dataclass(frozen=True)
class Held:
    samples: Float[NDArray[np.float32], "c t"]

    @property
    def turned(self) -> Float[NDArray[np.float32], "c t"]:
        return self.samples[0]
'''


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[types.ModuleType]:
    """A module as the checks load it."""
    path = tmp_path_factory.mktemp("shapes") / "shape_sample.py"
    path.write_text(SAMPLE, encoding="utf-8")
    loader = shape_checks.CheckedLoader(importlib.machinery.SourceFileLoader("shape_sample", str(path)))
    spec = importlib.util.spec_from_file_location("shape_sample", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "shape_sample", module)
        loader.exec_module(module)
        yield module


def zeros(*shape: int, dtype: type[np.generic] = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)


def test_what_a_signature_says_passes(sample):
    assert sample.unchanged(zeros(3, 2, 2)).shape == (3, 2, 2)
    sample.scaled(zeros(3, 2, 2))
    sample.scaled(zeros(3, 2, 2), zeros(3))
    sample.listed([zeros(2, 2, dtype=np.uint8), zeros(3, 4, dtype=np.uint16)], zeros(1, dtype=int), zeros(2, dtype=int))
    sample.paired((zeros(2, dtype=np.int8), zeros(2, dtype=np.int32)))
    assert sample.Held(zeros(2, 9)).samples.shape == (2, 9)


@pytest.mark.parametrize("wrong", [zeros(2, 2), zeros(3, 2, 2, dtype=np.float64), [[[0.0]]], torch.zeros(3, 2, 2)])
def test_wrong_array_is_a_fault(sample, wrong):
    with pytest.raises(shape_checks.ShapeFault, match="unchanged: return is"):
        sample.unchanged(wrong)
    with pytest.raises(shape_checks.ShapeFault, match="scaled: x is"):
        sample.scaled(x=wrong)


def test_axes_of_one_name_have_one_size_in_a_call(sample):
    with pytest.raises(shape_checks.ShapeFault, match=r"scaled: gains is float32 \(2,\)"):
        sample.scaled(zeros(3, 2, 2), zeros(2))
    with pytest.raises(shape_checks.ShapeFault, match="paired"):
        sample.paired((zeros(2, dtype=int), zeros(3, dtype=int)))


def test_items_are_looked_at(sample):
    with pytest.raises(shape_checks.ShapeFault, match="pictures is list of uint8"):
        sample.listed([zeros(2, 2, dtype=np.uint8), zeros(2, dtype=np.uint8)])
    with pytest.raises(shape_checks.ShapeFault, match="more is tuple of int64"):
        sample.listed([], zeros(2, 2, dtype=np.int64))


def test_fields_and_properties_are_looked_at(sample):
    with pytest.raises(shape_checks.ShapeFault, match="samples is float32"):
        sample.Held(zeros(9))
    with pytest.raises(shape_checks.ShapeFault, match="turned: return is float32"):
        _ = sample.Held(zeros(2, 9)).turned


def test_what_a_function_refuses_is_its_own_error(sample):
    with pytest.raises(ValueError):
        sample.refused(zeros(1))


def test_package_is_checked():
    from laconic.entropy import lossless, tables

    with pytest.raises(shape_checks.ShapeFault, match="plane is int64"):
        lossless.encode_lossless(np.zeros((4, 4), np.int64), tables.TableSet((tables.Table(0, (32768, 32768)),)))


PACKAGES = ("laconic.entropy", "laconic.codecs", "laconic.tasks")


def public_modules() -> list[str]:
    names = [
        info.name
        for package in PACKAGES
        for info in pkgutil.walk_packages(importlib.import_module(package).__path__, package + ".")
    ]
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


def is_public(name: str) -> bool:
    return not name.startswith("_") or name.endswith("__")


def has_bare_array(hint: typing.Any) -> bool:
    """Whether an array stands there whose axes are not said; what functions take that are handed over is theirs."""
    if typing.get_origin(hint) is typing.Annotated or typing.get_origin(hint) is collections.abc.Callable:
        return False
    if hint in (np.ndarray, torch.Tensor) or typing.get_origin(hint) is np.ndarray:
        return True
    return any(map(has_bare_array, typing.get_args(hint)))


@pytest.mark.parametrize("name", public_modules())
def test_public_signatures_say_the_axes_of_arrays(name):
    bare = []
    for function in (found[-1] for found in shape_checks.functions_of(importlib.import_module(name))):
        if all(map(is_public, function.__qualname__.split("."))):
            hints = shape_checks.hints_of(function)
            bare += [f"{function.__qualname__}: {key}" for key, hint in hints.items() if has_bare_array(hint)]
    assert bare == []
