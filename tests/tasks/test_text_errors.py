"""Texts of places, and errors between texts."""

from __future__ import annotations

import numpy as np
import pytest

from laconic.tasks.measures.text_errors import ctc_text, edit_distance


def test_text_of_places() -> None:
    assert ctc_text(np.array([0, 2, 2, 0, 2, 1, 1, 0]), ["", "a", "b"]) == "bba"
    assert ctc_text(np.array([0, 0]), ["", "a"]) == ""


@pytest.mark.parametrize(
    ("said", "heard", "errors"), [("", "", 0), ("a", "", 1), ("", "a b", 2), ("a b c", "a c", 1), ("a b", "b a", 2)]
)
def test_edit_distance(said: str, heard: str, errors: int) -> None:
    assert edit_distance(said.split(), heard.split()) == errors
