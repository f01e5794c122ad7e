"""Notes of what was dropped: a list for who collects them, a warning for all others."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from laconic.codecs import DroppedWarning
from laconic.codecs.notes import collect_hints, collect_notes, hint, note


def test_a_note_is_a_warning():
    with pytest.warns(DroppedWarning, match="page 2 was left out"):
        note("page 2 was left out")


def test_notes_are_collected_once_each():
    with collect_notes() as notes:
        for sentence in ("a", "b", "a"):
            note(sentence)
    assert notes == ["a", "b"]
    with pytest.warns(DroppedWarning):
        note("a")


def test_notes_are_those_of_their_thread():
    def notes_of(name):
        with collect_notes() as notes:
            note(name)
            return notes

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(notes_of, "abcdefgh")) == [[name] for name in "abcdefgh"]


def test_a_hint_goes_to_who_collects_hints(recwarn):
    hint("nobody listens")
    with collect_notes() as notes, collect_hints() as hints:
        for sentence in ("a", "b", "a"):
            hint(sentence)
    assert (notes, hints) == ([], ["a", "b"])
    assert not recwarn.list
