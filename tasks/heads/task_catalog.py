"""Names of learning tasks -> tasks.

Packages add their own by an entry point of the group "laconic.learning_tasks": name = "module:Class", a dataclass that is a
`LearningTask`; "module:Class" is a name as well. Names of built-in tasks cannot be taken over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, cast

from laconic.codecs.arguments import name_argument, typed_argument
from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.named_functions import is_function_name, named_function

if TYPE_CHECKING:
    from laconic.tasks.heads.learning_task import LearningTask

LEARNING_TASK_GROUP: Final = "laconic.learning_tasks"
BUILT_IN_LEARNING_TASKS: Final[Mapping[str, str]] = {
    "classify": "laconic.tasks.heads.classification:Classification",
    "segment": "laconic.tasks.heads.semantic_segmentation:Segmentation",
    "colourise": "laconic.tasks.heads.colorization:Colorization",
    "read": "laconic.tasks.heads.line_reading:LineReading",
    "listen": "laconic.tasks.heads.listening:Listening",
    "transcribe": "laconic.tasks.heads.transcription:Transcription",
    "separate": "laconic.tasks.heads.separation:Separation",
    "pretrain": "laconic.tasks.heads.masked_pretraining:Pretraining",
}
_HELP: Final[Mapping[str, str]] = {
    "classify": "Which class a picture or sound is of.",
    "segment": "Which class each pixel of a picture is of.",
    "colourise": "The colours of a grey picture.",
    "read": "The letters of a line of print.",
    "listen": "Which class a sound is of.",
    "transcribe": "The letters of what is said.",
    "pretrain": "What hidden parts of pictures hold, without labels; then --start RUN.",
    "separate": "Speech, music and effects of a mixture.",
}
_MEMBERS = (
    *("name", "kinds", "targets", "judged_targets", "maps", "has_sizes", "score_name", "unit", "higher_is_better"),
    *("best_by", "recipe", "num_outputs", "network", "loss", "judge", "scores", "plot", "answers"),
)


def learning_task_names() -> tuple[str, ...]:
    """Of built-in tasks, then of those of other packages."""
    found = {entry.name for entry in entry_points(group=LEARNING_TASK_GROUP)} - set(BUILT_IN_LEARNING_TASKS)
    return (*BUILT_IN_LEARNING_TASKS, *sorted(found))


def learning_task_help(name: str) -> str:
    """One sentence on a task, which is not imported for it. Raises `CodecError` for an unknown name."""
    return _HELP.get(name) or f"Task {name}, {_place_of(name)}."


def make_learning_task(name: str, options: Mapping[str, Any] | None = None) -> LearningTask:
    """The task of this name, with values of its options. Raises `CodecError` for unknown ones, and for what is no task."""
    options = typed_argument("options", {} if options is None else options, Mapping, "a mapping of names to values")
    make = named_function(_place_of(name_argument("a task", name)), "the options of a task")
    if is_dataclass(make):
        allowed = [field.name for field in fields(make)]
        if unknown := sorted(set(options) - set(allowed)):
            raise CodecError(
                f"task {name} has no option {unknown[0]!r}; it has {', '.join(allowed) or 'none'}: name one of these"
            )
    try:
        task = make(**options)
    except CodecError:
        raise
    except Exception as err:  # code of others
        raise CodecError(f"task {name} cannot be made: {sentence_of_error(err)}") from err
    if lacking := [member for member in _MEMBERS if not hasattr(task, member)]:
        raise CodecError(f"{name} is no learning task: it has no {lacking[0]}; see laconic.tasks.heads.learning_task")
    return cast("LearningTask", task)


def parse_task_options(texts: list[str]) -> dict[str, Any]:
    """Options as the command line takes them: numbers, true, false, texts. Raises `CodecError`.

    >>> parse_task_options(["mixup=0.4", "letters=abc", "is_deep=true"])
    {'mixup': 0.4, 'letters': 'abc', 'is_deep': True}
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier() or name in found:
            raise CodecError(f"an option is {text!r}; allowed is NAME=VALUE, each name once")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _place_of(name: str) -> str:
    if built_in := BUILT_IN_LEARNING_TASKS.get(name):
        return built_in
    if found := [entry.value for entry in entry_points(group=LEARNING_TASK_GROUP) if entry.name == name]:
        return found[0]
    if is_function_name(name):
        return name
    known = ", ".join(learning_task_names())
    raise CodecError(f"the task is {name!r}; known are {known}, and MODULE:CLASS of your own")
