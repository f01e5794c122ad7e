"""Pipes are kept as files that can seek, whatever their length."""

from __future__ import annotations

import io

import pytest

from laconic.codecs.formats import spooled_files
from laconic.codecs.formats.spooled_files import pass_on, seekable_file, spooled_file


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("most", [10, 1 << 20])
def test_what_is_kept_is_what_came(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooled_files, "_MOST_IN_MEMORY", most)
    data = bytes(range(256)) * 16
    pipe = Pipe(data)
    pipe.read(3)
    with seekable_file(pipe) as file:
        assert file.read() == data[3:]
        assert file.seek(-5, io.SEEK_END) == len(data) - 8
        assert file.read(2) == data[-5:-3]
        assert file.tell() == len(data) - 6


def test_file_that_can_seek_stays_itself() -> None:
    file = io.BytesIO(b"abc")
    with seekable_file(file) as same:
        assert same is file


def test_result_is_passed_on_from_its_start() -> None:
    target = io.BytesIO()
    with spooled_file() as file:
        file.write(b"abcdef")
        file.seek(1)
        file.write(b"x")
        pass_on(file, target)
    assert target.getvalue() == b"axcdef"


def test_kept_file_has_no_name() -> None:
    """tifffile takes a name for that of a file on disk."""
    with spooled_file() as file:
        assert not hasattr(file, "name")
