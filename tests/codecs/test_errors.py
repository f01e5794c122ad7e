"""What is said of an error."""

import pytest

from laconic.codecs.errors import CodecError, UnsupportedSignalError, sentence_of_error
from laconic.entropy.errors import TruncatedError

REPORT = " (laconic did not expect this; please report it with the file)"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CodecError("one\n  line"), "one line"),
        (UnsupportedSignalError("it has 9 channels"), "it has 9 channels"),
        (TruncatedError("the file is empty"), "the file is empty"),
        (FileNotFoundError(2, "No such file or directory", "x"), "No such file or directory"),
        (MemoryError(), "there is not enough memory for it"),
        (ValueError("cannot reshape"), f"ValueError: cannot reshape{REPORT}"),
        (ZeroDivisionError(), f"ZeroDivisionError{REPORT}"),
    ],
)
def test_an_error_is_one_line_and_named_where_it_was_not_raised_on_purpose(error: Exception, sentence: str) -> None:
    assert sentence_of_error(error) == sentence
