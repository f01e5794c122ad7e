"""What was dropped is said once for a batch, with the number of files."""

from laconic.tasks.cli.folded_notes import FoldedNotes


def test_a_kind_is_said_once_and_counted():
    folded = FoldedNotes()
    assert list(folded.first_lines("a", ["page 1 of 3 was taken"])) == ["a: page 1 of 3 was taken"]
    assert list(folded.first_lines("b", ["page 1 of 5 was taken", "a tag is lost"])) == ["b: a tag is lost"]
    assert list(folded.first_lines("c", ["page 1 of 3 was taken"])) == []
    assert list(folded.last_lines()) == ["2 more files: page 1 of n was taken"]


def test_sentences_alike_keep_their_numbers():
    folded = FoldedNotes()
    for name in "ab":
        list(folded.first_lines(name, ["16 bits became 8"]))
    assert list(folded.last_lines()) == ["1 more file: 16 bits became 8"]


def test_a_file_counts_once_for_each_kind():
    folded = FoldedNotes()
    assert list(folded.first_lines("a", ["tag 1 is lost", "tag 2 is lost"])) == ["a: tag 2 is lost"]
    assert list(folded.last_lines()) == []


def test_what_is_kept_is_said_at_the_end_in_one_line():
    folded = FoldedNotes()
    for name in "abc":
        folded.keep(name, ["smaller as png"] if name != "b" else [])
    folded.keep("d", ["larger"])
    assert list(folded.last_lines()) == ["2 files, such as a: smaller as png", "d: larger"]
