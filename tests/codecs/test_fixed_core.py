"""The C++ tests of the fixed-point transform and of lossless sounds, built with the address and undefined-behaviour
sanitizers and run."""

from collections.abc import Callable


def test_fixed_point_transform_passes_its_tests_under_sanitizers(output_of_cpp: Callable[..., str]) -> None:
    output = output_of_cpp("test_fixed")
    assert "all tests of the fixed-point transform passed" in output
    print(output)  # which instruction sets were tested


def test_lossless_sounds_pass_their_tests_under_sanitizers(output_of_cpp: Callable[..., str]) -> None:
    assert "all tests of lossless sounds passed" in output_of_cpp("test_sound")
