"""The parser of .lcn files: the committed fuzz inputs and mutations of them, the same every time. C++: test_core.py."""

import dataclasses
import importlib.util
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent / "fuzz"
INPUTS = sorted((HERE / "corpus" / "container").iterdir())
NUM_MUTATIONS = 3000
MAX_LINES = 40_000  # that any input of these sizes may run, at all instruction sets together


@pytest.fixture(scope="module")
def target() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_container", HERE / "fuzz_container.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name[:8])
def test_committed_input_ends_in_a_latent_or_a_typed_error(target: ModuleType, path: Path) -> None:
    target.run_input(path.read_bytes())


@pytest.mark.parametrize("codec", ["SOUND", "CUBE"])
def test_alpha_of_what_is_no_picture_is_refused(target: ModuleType, codec: str) -> None:
    kind = target.CodecNumber[codec]
    model = next(m for m in target.shipped_models() if m.name == ("mono" if codec == "SOUND" else "rgb"))
    shape = (1, 300) if codec == "SOUND" else (3, 9, 9)
    offsets = (0, 0, 0) if codec == "CUBE" else ()
    header = target.Header(kind, model.fingerprint, 100, shape, target.Flag.ALPHA, sample_type="float32")
    header = dataclasses.replace(header, sample_rate=16000, offset_codes=offsets)
    result = target.try_file(target.write_header(header) + bytes(400), target.ALLOW_PARTIAL)
    assert isinstance(result, str) and "alpha" in result


def test_mutations_end_in_a_latent_or_a_typed_error(target: ModuleType, lines_of: Callable[..., int]) -> None:
    rng = random.Random(42)
    inputs = [path.read_bytes() for path in INPUTS]
    outcomes = {"decoded": 0, "refused": 0}
    most_lines = 0
    for _ in range(NUM_MUTATIONS):
        data = target.mutated(rng, rng.choice(inputs), inputs)
        outcomes["decoded" if target.run_input(data) == "decoded" else "refused"] += 1
        # The second time, when the models that it needs are loaded.
        most_lines = max(most_lines, lines_of(partial(target.run_input, data)))
    print(outcomes, f"at most {most_lines} lines")
    assert min(outcomes.values()) > NUM_MUTATIONS / 100
    assert 1000 < most_lines < MAX_LINES


def test_inputs_reach_the_parser(target: ModuleType) -> None:
    inputs = [path.read_bytes() for path in INPUTS]
    reached = target.reached_by(lambda: [target.run_input(data) for data in inputs])
    for module in (target.container, target.planes, target.tile_symbols, target.lossless):
        path = Path(module.__file__)
        lines = target.lines_of(compile(path.read_text(encoding="utf-8"), str(path), "exec"))
        assert len(lines & reached[str(path)]) >= 0.95 * len(lines), module.__name__
