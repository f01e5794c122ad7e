"""The C++ tests of the core and its fuzz targets, built with the address and undefined-behaviour sanitizers and run."""

from collections.abc import Callable
from pathlib import Path

import pytest

CORPUS = Path(__file__).parent / "fuzz" / "corpus"
MUTATIONS = {  # a few seconds each
    "static_decode": 5000,
    "indexed_decode": 4000,
    "round_trip": 1000,
    "packets": 4000,
    "context_decode": 1500,
    "subband_decode": 800,
}


def test_core_passes_its_tests_under_sanitizers(output_of_cpp: Callable[..., str]) -> None:
    output = output_of_cpp("test_core")
    assert "all tests of the core passed" in output
    print(output)  # which instruction sets were tested


@pytest.mark.parametrize("target", MUTATIONS)
def test_fuzz_corpus_and_mutations_of_it_pass_under_sanitizers(target: str, output_of_cpp: Callable[..., str]) -> None:
    inputs = len(list((CORPUS / target).iterdir()))
    output = output_of_cpp(f"replay_{target}", CORPUS / target, str(MUTATIONS[target]))
    assert output.startswith(f"{inputs} inputs and {MUTATIONS[target]} mutations")


def test_committed_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*")) < 200_000 + 4096 * len(list(CORPUS.iterdir()))
